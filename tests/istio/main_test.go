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

// harmless are warnings of Istio that do not concern the manifests.
var harmless = []string{
	// From its test environment.
	"CRD ", "unable to resolve ",
	// The gateways of the tests belong to no service.
	"failed to get proxy service targets from metadata",
	// From tests with a missing module.
	"error in converting the wasm config to local",
	// Istio's controller creates a class twice at its start, and retries.
	"retrying (retry count: 1): gatewayclasses.gateway.networking.k8s.io",
}

// TestMain collects Istio's log and fails when it has another warning than those of `harmless`.
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
		return failed("Istio was initialized before its environment: see internal/stock")
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
