// Package module serves the built module as its users have it: by http, and from a registry of images.
package module

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"evenkeel/tests/istio/internal/tools"
)

// Origin serves the module by http.
type Origin struct {
	server  *httptest.Server
	asked   atomic.Int64
	release chan struct{}
}

// Bytes are the module's.
func Bytes(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile(tools.Wasm(t))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Sha256 is the hash of bytes, in hex.
func Sha256(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:])
}

// Serve serves the module.
func Serve(t testing.TB) *Origin {
	t.Helper()
	origin := Hold(t)
	origin.Release()
	return origin
}

// Hold answers nobody before [Origin.Release].
func Hold(t testing.TB) *Origin {
	t.Helper()
	wasm := Bytes(t)
	origin := &Origin{release: make(chan struct{})}
	origin.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin.asked.Add(1)
		select {
		case <-origin.release:
		case <-r.Context().Done():
			return
		}
		if r.URL.Path != "/evenkeel.wasm" {
			http.NotFound(w, r)
			return
		}
		// Nothing that fails here could be told to anybody but the one who asked.
		_, _ = w.Write(wasm)
	}))
	t.Cleanup(func() {
		origin.server.CloseClientConnections()
		origin.server.Close()
	})
	return origin
}

// URL is where the module is.
func (o *Origin) URL() string { return o.server.URL + "/evenkeel.wasm" }

// Missing is where none is.
func (o *Origin) Missing() string { return o.server.URL + "/missing.wasm" }

// Asked is how often anything was asked for.
func (o *Origin) Asked() int64 { return o.asked.Load() }

// Release lets all be answered.
func (o *Origin) Release() { close(o.release) }
