// Package module serves the built module over HTTP and from an image registry.
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

// Origin serves the module over HTTP.
type Origin struct {
	server   *httptest.Server
	requests atomic.Int64
	release  chan struct{}
}

// Bytes returns the module.
func Bytes(t testing.TB) []byte {
	t.Helper()
	wasm, err := os.ReadFile(tools.Wasm(t))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Sha256 returns a hash in hex.
func Sha256(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:])
}

// Serve starts an origin.
func Serve(t testing.TB) *Origin {
	t.Helper()
	origin := Hold(t)
	origin.Release()
	return origin
}

// Hold starts an origin that responds after [Origin.Release].
func Hold(t testing.TB) *Origin {
	t.Helper()
	wasm := Bytes(t)
	origin := &Origin{release: make(chan struct{})}
	origin.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin.requests.Add(1)
		select {
		case <-origin.release:
		case <-r.Context().Done():
			return
		}
		if r.URL.Path != "/evenkeel.wasm" {
			http.NotFound(w, r)
			return
		}
		// An error here can only be reported to the client.
		_, _ = w.Write(wasm)
	}))
	t.Cleanup(func() {
		origin.server.CloseClientConnections()
		origin.server.Close()
	})
	return origin
}

// URL returns the URL of the module.
func (o *Origin) URL() string { return o.server.URL + "/evenkeel.wasm" }

// Missing returns a URL that is not found.
func (o *Origin) Missing() string { return o.server.URL + "/missing.wasm" }

// Requests returns the number of requests so far.
func (o *Origin) Requests() int64 { return o.requests.Load() }

// Release completes all requests.
func (o *Origin) Release() { close(o.release) }
