package istio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pkg/log"
)

// harmless is what Istio warns of that has nothing to do with what it is given here.
var harmless = []string{
	// Of its own test environment.
	"CRD ", "unable to resolve ",
	// The gateways here belong to no service.
	"failed to get proxy service targets from metadata",
	// What the tests of modules that cannot be had are about.
	"error in converting the wasm config to local",
}

// TestMain keeps what Istio logs and fails when it warns of anything else than what is known here.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "evenkeel-istio")
	if err != nil {
		return failed("no temporary directory: %v", err)
	}
	defer os.RemoveAll(directory)
	file := filepath.Join(directory, "istio.log")
	options := log.DefaultOptions()
	options.OutputPaths, options.ErrorOutputPaths = []string{file}, []string{file}
	if err := log.Configure(options); err != nil {
		return failed("Istio's log: %v", err)
	}
	if features.EnableTelemetryLabel || features.MetadataExchange {
		return failed("Istio was initialised before its environment was: see internal/stock")
	}
	code := m.Run()
	if err := log.Sync(); err != nil {
		return failed("Istio's log: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return failed("Istio's log: %v", err)
	}
	if code == 0 && len(text) == 0 {
		return failed("Istio logged nothing at all")
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if warns(line) {
			code = failed("Istio warned: %s", line)
		}
	}
	return code
}

func warns(line string) bool {
	fields := strings.SplitN(line, "\t", 3)
	if len(fields) < 3 || fields[1] != "warn" && fields[1] != "error" {
		return false
	}
	for _, known := range harmless {
		if strings.Contains(fields[2], known) {
			return false
		}
	}
	return true
}

func failed(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return 1
}
