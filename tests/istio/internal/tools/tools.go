// Package tools finds the files of the tests: the module, its images, a stock Envoy, the evenkeel command and the list of
// metrics.
package tools

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Wasm returns the path of the built module.
func Wasm(t testing.TB) string {
	t.Helper()
	return find(t, "EVENKEEL_WASM", "cargo xtask wasm", "target/evenkeel.wasm")
}

// Images returns the path of the release's image layout.
func Images(t testing.TB) string {
	t.Helper()
	return find(t, "EVENKEEL_IMAGES", "cargo xtask dist", "target/dist/oci")
}

// Envoy returns the path of a stock Envoy that runs wasm.
func Envoy(t testing.TB) string {
	t.Helper()
	return find(t, "EVENKEEL_ENVOY", "cargo xtask envoy", "the path that it prints")
}

// CLI returns the path of the evenkeel command.
func CLI(t testing.TB) string {
	t.Helper()
	return find(t, "EVENKEEL_CLI", "cargo build -p evenkeel", "target/debug/evenkeel")
}

// Metrics returns the path of the list of metrics, as JSON.
func Metrics(t testing.TB) string {
	t.Helper()
	return find(t, "EVENKEEL_METRICS", "cargo xtask test --only istio", "target/istio/metrics.json, which it writes")
}

func find(t testing.TB, variable, command, what string) string {
	t.Helper()
	path := os.Getenv(variable)
	hint := fmt.Sprintf("run `%s` and set %s to %s (or let `cargo xtask test --only istio` do both)", command, variable, what)
	if path == "" {
		t.Fatalf("%s is not set: %s", variable, hint)
	}
	if !filepath.IsAbs(path) {
		t.Fatalf("%s is %q: an absolute path is needed, for `go test` runs in each package's own directory", variable, path)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s: %v: %s", variable, err, hint)
	}
	return path
}
