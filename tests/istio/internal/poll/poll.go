// Package poll waits for conditions.
package poll

import (
	"testing"
	"time"
)

// Timeout is longer than any condition takes; only a failed test reaches it.
const Timeout = 60 * time.Second

// Until waits until the condition holds, and fails the test with `what` after [Timeout].
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Value(t, what, func() (struct{}, bool) { return struct{}{}, holds() })
}

// Value waits until there is a value, and fails the test with `what` after [Timeout].
func Value[T any](t testing.TB, what string, probe func() (T, bool)) T {
	t.Helper()
	deadline := time.Now().Add(Timeout)
	for {
		if value, ok := probe(); ok {
			return value
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", Timeout, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
