package istio

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/evenkeel"
	"evenkeel/tests/istio/internal/pilot"
)

// policies returns the example policies.
func policies(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../policies/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var policies []string
	for _, file := range files {
		if !strings.HasSuffix(file, "policy.schema.json") {
			policies = append(policies, file)
		}
	}
	if len(policies) < 5 {
		t.Fatalf("only %d policies found", len(policies))
	}
	return policies
}

// unexpected removes the warning that Istio has for every EnvoyFilter.
func unexpected(warnings []string) []string {
	return slices.DeleteFunc(slices.Clone(warnings), func(warning string) bool {
		return strings.HasPrefix(warning, "EnvoyFilter exposes internal implementation details that may change at any time.")
	})
}

func TestIstioAcceptsRenderedManifestsWithoutWarning(t *testing.T) {
	t.Parallel()
	targets := map[string][]string{
		"namespace": nil,
		"workload":  {"--workload", "app=shop,tier=web", "--host", "shop.shop.svc.cluster.local", "--host", "db.shop.svc.cluster.local"},
		"gateway":   {"--gateway", "istio=public", "--host", "*.shop.svc.cluster.local"},
	}
	for _, policy := range policies(t) {
		for target, args := range targets {
			for minor := 24; minor <= 31; minor++ {
				args := append([]string{"--istio", fmt.Sprintf("1.%d", minor)}, args...)
				assertAccepted(t, fmt.Sprintf("%s for the %s of Istio 1.%d", policy, target, minor), policy, args)
				if minor >= 30 {
					args = append(args, "--kind", "traffic-extension")
					assertAccepted(t, fmt.Sprintf("%s for the %s of Istio 1.%d, as TrafficExtension", policy, target, minor), policy, args)
				}
			}
		}
	}
}

func assertAccepted(t *testing.T, what, policy string, args []string) {
	t.Helper()
	args = append([]string{"--module", "oci://registry.example/evenkeel:0.1.0", "-n", "shop"}, args...)
	reviews := pilot.Admit(t, evenkeel.RenderFile(t, policy, args...))
	if len(reviews) == 0 {
		t.Errorf("%s: nothing is rendered", what)
	}
	for _, review := range reviews {
		if review.Rejection != "" || len(unexpected(review.Warnings)) > 0 {
			t.Errorf("%s: %s: %s %q", what, review.Manifest, review.Rejection, review.Warnings)
		}
	}
}

// Shows that the test above can fail.
func TestIstioRejectsUnknownFieldAndWarnsOfDeprecatedName(t *testing.T) {
	t.Parallel()
	const plugin = `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: { name: wrong, namespace: shop }
spec: { url: "oci://registry.example/evenkeel:0.1.0", %s }
`
	for field, complaint := range map[string]string{
		"failStrateggy: FAIL_OPEN": "failStrateggy",
		"failStrategy: FAIL_MAYBE": "FAIL_MAYBE",
		"sha256: abc":              "sha256",
	} {
		reviews := pilot.Admit(t, fmt.Sprintf(plugin, field))
		if len(reviews) != 1 || !strings.Contains(reviews[0].Rejection, complaint) {
			t.Errorf("%s: %+v", field, reviews)
		}
	}
	reviews := pilot.Admit(t, `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: { name: unwise, namespace: shop }
spec:
  configPatches:
    - applyTo: HTTP_FILTER
      match: { context: GATEWAY, listener: { filterChain: { filter: { name: envoy.http_connection_manager } } } }
      patch: { operation: INSERT_FIRST, value: { name: a, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } } }
`)
	if len(reviews) != 1 || len(unexpected(reviews[0].Warnings)) == 0 {
		t.Errorf("an EnvoyFilter with a deprecated name: %+v", reviews)
	}
}
