// Package poll waits for conditions: a test never sleeps for a time that somebody guessed.
package poll

import (
	"testing"
	"time"
)

// Patience is how long anything may take before a test gives up. Nothing is decided by it but a failure.
const Patience = 60 * time.Second

// Until asks again and again until the condition holds, and fails the test with `what` when it never does.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Value(t, what, func() (struct{}, bool) { return struct{}{}, holds() })
}

// Value asks again and again until there is a value, and fails the test with `what` when there never is one.
func Value[T any](t testing.TB, what string, ask func() (T, bool)) T {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		if value, ok := ask(); ok {
			return value
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", Patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
