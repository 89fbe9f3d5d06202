package istio

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/pilot"
)

func TestIstioAcceptsEveryManifestInTheDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/istio.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	seen := map[string]bool{}
	for _, block := range blocks {
		if !strings.Contains(block[1], "kind: ") || strings.Contains(block[1], "kind: Kustomization") {
			continue
		}
		for _, review := range pilot.Admit(t, block[1]) {
			if review.Rejection != "" || len(unexpected(review.Warnings)) > 0 {
				t.Errorf("%s: %s %q", review.Manifest, review.Rejection, review.Warnings)
			}
			seen[review.Manifest] = true
		}
	}
	if len(seen) == 0 {
		t.Error("docs/istio.md has no manifest")
	}
}
