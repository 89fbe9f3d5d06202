package module

import (
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"evenkeel/tests/istio/internal/tools"
)

// tag is the annotation with the name of an image in a layout.
const tag = "org.opencontainers.image.ref.name"

// Image is an image in a registry.
type Image struct {
	// Tag is its name in the release.
	Tag string
	// URL is the URL for a WasmPlugin.
	URL string
	// Digest is the digest of the manifest in hex, which Istio compares with `sha256`.
	Digest string
}

// Push serves every image of the release from a registry.
func Push(t testing.TB) []Image {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	release, err := layout.ImageIndexFromPath(tools.Images(t))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := release.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var images []Image
	for _, described := range manifest.Manifests {
		image := Image{
			Tag:    described.Annotations[tag],
			URL:    "oci://" + address.Host + "/evenkeel/evenkeel:" + described.Annotations[tag],
			Digest: described.Digest.Hex,
		}
		if err := push(release, described.Digest, image.URL); err != nil {
			t.Fatalf("%s: %v", image.URL, err)
		}
		images = append(images, image)
	}
	return images
}

func push(release v1.ImageIndex, digest v1.Hash, to string) error {
	image, err := release.Image(digest)
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(to[len("oci://"):])
	if err != nil {
		return err
	}
	return remote.Write(reference, image)
}
