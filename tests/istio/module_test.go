package istio

import (
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/module"
	"evenkeel/tests/istio/internal/traffic"
)

func TestModuleIsFetchedByHTTPAndFromRegistryWithItsHash(t *testing.T) {
	t.Parallel()
	byHTTP := module.Serve(t).URL()
	wasm := module.Sha256(module.Bytes(t))
	cases := map[string]struct{ url, sha256, kind string }{
		"by http":                        {byHTTP, wasm, "wasm-plugin"},
		"by http, as a TrafficExtension": {byHTTP, wasm, "traffic-extension"},
	}
	images := module.Push(t)
	if len(images) != 2 {
		t.Fatalf("the release has an artifact and an image, not %v", images)
	}
	for _, image := range images {
		byDigest := strings.TrimSuffix(image.URL, ":"+image.Tag) + "@sha256:" + image.Digest
		cases[image.Tag] = struct{ url, sha256, kind string }{image.URL, image.Digest, "wasm-plugin"}
		cases[image.Tag+" by its digest"] = struct{ url, sha256, kind string }{byDigest, "", "wasm-plugin"}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--kind", c.kind}
			if c.sha256 != "" {
				args = append(args, "--sha256", c.sha256)
			}
			site := startGateway(t, forGateway(t, frequent, c.url, args...))

			load := traffic.Start(t, traffic.HTTP1, site.url, 2)
			waitForReconnects(t, load, 4)

			site.app.AssertEachOnce(t, load.Stop())
			assertRolesShareVMs(t, site.envoy)
		})
	}
}
