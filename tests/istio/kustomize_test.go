package istio

import (
	"path/filepath"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"evenkeel/tests/istio/internal/pilot"
)

// Builds the bases as `kubectl apply -k` does, with the overlay of istio/README.md.
func TestIstioAcceptsKustomizedBases(t *testing.T) {
	t.Parallel()
	const url = "oci://my.registry/evenkeel:0.1.0"
	for _, base := range []string{"workload", "gateway"} {
		files := filesys.MakeFsInMemory()
		onDisk := filesys.MakeFsOnDisk()
		for _, name := range []string{"kustomization.yaml", "evenkeel.yaml"} {
			text, err := onDisk.ReadFile(filepath.Join("../../istio", base, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := files.WriteFile(filepath.Join("/mine", base, name), text); err != nil {
				t.Fatal(err)
			}
		}
		overlay := `
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop
resources:
  - ` + base + `
patches:
  - target: { kind: WasmPlugin }
    patch: |
      - { op: replace, path: /spec/url, value: "` + url + `" }
`
		if err := files.WriteFile("/mine/kustomization.yaml", []byte(overlay)); err != nil {
			t.Fatal(err)
		}

		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "/mine")
		if err != nil {
			t.Fatalf("%s: %v", base, err)
		}
		manifests, err := built.AsYaml()
		if err != nil {
			t.Fatal(err)
		}

		for _, review := range pilot.Admit(t, string(manifests)) {
			if review.Rejection != "" || len(unexpected(review.Warnings)) > 0 {
				t.Errorf("%s: %s: %s %q", base, review.Manifest, review.Rejection, review.Warnings)
			}
		}
		plugins := 0
		for object, err := range pilot.Documents(string(manifests)) {
			if err != nil {
				t.Fatal(err)
			}
			if object.GetNamespace() != "shop" {
				t.Errorf("%s: %s is in the namespace %q", base, object.GetName(), object.GetNamespace())
			}
			if object.GetKind() != "WasmPlugin" {
				continue
			}
			plugins++
			if spec := object.Object["spec"].(map[string]any); spec["url"] != url {
				t.Errorf("%s: %s loads %v", base, object.GetName(), spec["url"])
			}
		}
		if plugins != 2 {
			t.Errorf("%s: %d WasmPlugins instead of 2", base, plugins)
		}
	}
}
