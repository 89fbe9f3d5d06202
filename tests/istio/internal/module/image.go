package module

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Form is how an image holds a wasm module.
type Form int

// The forms that Istio reads.
const (
	// Docker is a Docker image whose last layer holds plugin.wasm.
	Docker Form = iota
	// Compat is the same with the media types of OCI.
	Compat
	// Artifact has the module itself for a layer, beside one that describes it.
	Artifact
)

// Image is an image in a registry.
type Image struct {
	// URL is what a WasmPlugin names.
	URL string
	// Digest is that of the manifest, in hex: what Istio compares `sha256` with.
	Digest string
}

// Push serves the module from a registry of its own, as an image of that form.
func Push(t testing.TB, form Form) Image {
	t.Helper()
	image, err := build(Bytes(t), form)
	if err != nil {
		t.Fatal(err)
	}
	return push(t, image)
}

func push(t testing.TB, image v1.Image) Image {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	repository := address.Host + "/evenkeel/evenkeel:0.1.0"
	tag, err := name.ParseReference(repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return Image{URL: "oci://" + repository, Digest: digest.Hex}
}

func build(wasm []byte, form Form) (v1.Image, error) {
	switch form {
	case Docker:
		layer, err := archive(wasm)
		if err != nil {
			return nil, err
		}
		return mutate.AppendLayers(mutate.MediaType(empty.Image, types.DockerManifestSchema2), static.NewLayer(layer, types.DockerLayer))
	case Compat:
		layer, err := archive(wasm)
		if err != nil {
			return nil, err
		}
		return mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(layer, types.OCILayer))
	default:
		return mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
			static.NewLayer([]byte("{}"), "application/vnd.module.wasm.config.v1+json"),
			static.NewLayer(wasm, "application/vnd.module.wasm.content.layer.v1+wasm"))
	}
}

// archive is a tar.gz with the module under the name that Istio looks for.
func archive(wasm []byte) ([]byte, error) {
	var bytes bytes.Buffer
	compressed := gzip.NewWriter(&bytes)
	files := tar.NewWriter(compressed)
	if err := files.WriteHeader(&tar.Header{Name: "plugin.wasm", Mode: 0o644, Size: int64(len(wasm))}); err != nil {
		return nil, err
	}
	if _, err := files.Write(wasm); err != nil {
		return nil, err
	}
	if err := files.Close(); err != nil {
		return nil, err
	}
	if err := compressed.Close(); err != nil {
		return nil, err
	}
	return bytes.Bytes(), nil
}
