// Package evenkeel renders manifests with the command line.
package evenkeel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"evenkeel/tests/istio/internal/tools"
)

// Render returns the output of `evenkeel render istio` for a policy.
func Render(t testing.TB, policy string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	return RenderFile(t, file, args...)
}

// RenderFile is [Render] for a policy in a file.
func RenderFile(t testing.TB, file string, args ...string) string {
	t.Helper()
	command := exec.Command(tools.CLI(t), append([]string{"render", "istio", file}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	manifests, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, &stderr)
	}
	return string(manifests)
}
