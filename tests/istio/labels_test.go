package istio

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/tools"
)

// istioLabels are the labels of Istio's standard metrics (https://istio.io/latest/docs/reference/config/metrics/).
var istioLabels = []string{
	"reporter", "source_workload", "source_workload_namespace", "source_principal", "source_app", "source_version",
	"source_cluster", "source_canonical_service", "source_canonical_revision", "destination_workload",
	"destination_workload_namespace", "destination_principal", "destination_app", "destination_version",
	"destination_service", "destination_service_name", "destination_service_namespace", "destination_cluster",
	"destination_canonical_service", "destination_canonical_revision", "request_protocol", "response_code",
	"grpc_response_status", "response_flags", "connection_security_policy",
}

// Istio's extraStatTags apply to every stat of every proxy in the mesh. So no label may have the name of a label of Istio,
// and no expression of Istio's bootstrap template may match a stat of Evenkeel.
func TestLabelsDoNotCollideWithTagsOfIstio(t *testing.T) {
	names, expressions := bootstrapTags(t)
	if len(names) < 10 {
		t.Fatalf("only %d tags in Istio's bootstrap template", len(names))
	}
	taken := map[string]bool{}
	for _, name := range append(names, istioLabels...) {
		taken[name] = true
	}
	stats := 0
	for metric, labels := range listed(t) {
		stat := "wasmcustom."
		for label, values := range labels {
			if taken[label] {
				t.Errorf("%s has the label %s, which Istio uses", metric, label)
			}
			value := "value"
			if len(values) > 0 {
				value = values[0]
			}
			stat += label + "=.=" + value + ";.;"
		}
		stat += metric
		stats++
		for name, expression := range expressions {
			if match := expression.FindString(stat); match != "" {
				t.Errorf("Istio's tag %s takes %q out of %s", name, match, stat)
			}
		}
		// Istio's expression for an extra tag has no word boundary: a label must not be the end of another one.
		for label := range labels {
			own := regexp.MustCompile(`(` + label + `=\.=(.*?);\.;)`)
			for _, other := range istioLabels {
				if own.MatchString("istiocustom." + other + "=.=a;.;istio_requests_total") {
					t.Errorf("the label %s is found in Istio's %s", label, other)
				}
			}
			for other := range labels {
				if other != label && own.MatchString(other+"=.=a;.;") {
					t.Errorf("the label %s is found in %s", label, other)
				}
			}
		}
	}
	if stats < 30 {
		t.Fatalf("only %d metrics", stats)
	}
}

// listed returns the values of each label of each metric.
func listed(t *testing.T) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile(tools.Metrics(t))
	if err != nil {
		t.Fatal(err)
	}
	var metrics map[string]map[string][]string
	if err := json.Unmarshal(text, &metrics); err != nil {
		t.Fatal(err)
	}
	return metrics
}

var tagInTemplate = regexp.MustCompile(`"tag_name":\s*"([^"{}]+)",\s*"regex":\s*("(?:\\.|[^"\\])*")`)

// bootstrapTags returns the tags in Istio's template of Envoy's bootstrap.
func bootstrapTags(t *testing.T) ([]string, map[string]*regexp.Regexp) {
	t.Helper()
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio").Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(strings.TrimSpace(string(folder)), "tools/packaging/common/envoy_bootstrap.json")
	template, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	expressions := map[string]*regexp.Regexp{}
	for _, tag := range tagInTemplate.FindAllSubmatch(template, -1) {
		name := string(tag[1])
		var expression string
		if err := json.Unmarshal(tag[2], &expression); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names = append(names, name)
		// Go has no lookahead: here the group consumes what it matches.
		expressions[name] = regexp.MustCompile(strings.ReplaceAll(expression, "(?=", "(?:"))
	}
	return names, expressions
}
