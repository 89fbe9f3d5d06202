// Package pilot runs Istio's control plane in this process and serves Envoys over gRPC on loopback.
package pilot

import (
	"net"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/xds/filters"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/wasm"

	// Before any package of Istio's is initialised.
	_ "evenkeel/tests/istio/internal/stock"
)

// What waypoints have and a stock Envoy lacks tells telemetry who speaks: without it they serve as well.
func init() {
	filters.WaypointDownstreamMetadataFilter.IsOptional = true
	filters.WaypointUpstreamMetadataFilter.IsOptional = true
}

// Pilot is a running control plane.
type Pilot struct {
	// Address is where its ADS listens.
	Address *net.TCPAddr
	server  *xds.FakeDiscoveryServer
	agent   *agent
}

// Start starts one that knows these manifests. The test fails at its end if an Envoy refused anything.
func Start(t *testing.T, manifests ...string) *Pilot {
	t.Helper()
	return start(t, xds.FakeOptions{Configs: parse(t, strings.Join(manifests, "\n---\n"))})
}

// StartAmbient starts one that also finds these manifests in a cluster, as what serves waypoints does.
func StartAmbient(t *testing.T, manifests ...string) *Pilot {
	t.Helper()
	all := strings.Join(manifests, "\n---\n")
	return start(t, xds.FakeOptions{ConfigString: all, KubernetesObjectString: all})
}

func start(t *testing.T, options xds.FakeOptions) *Pilot {
	t.Helper()
	m := mesh.DefaultMeshConfig()
	// Who speaks mutual TLS is said by the manifests; a stock Envoy lacks what would find it out.
	m.EnableAutoMtls = wrapperspb.Bool(false)
	options.MeshConfig = m
	pilot := &Pilot{server: xds.NewFakeDiscoveryServer(t, options)}
	cache := wasm.NewLocalFileCache(t.TempDir(), wasm.Options{HTTPRequestMaxRetries: 1, HTTPRequestTimeout: time.Minute})
	t.Cleanup(cache.Cleanup)
	pilot.agent = &agent{pilot: pilot.server.Discovery, cache: cache}
	pilot.serve(t)
	t.Cleanup(func() {
		for _, refusal := range pilot.agent.refusedSoFar() {
			t.Errorf("an Envoy refused what pilot sent: %s", refusal)
		}
	})
	return pilot
}

func (p *Pilot) serve(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(server, p.agent)
	go func() {
		// It ends when it is stopped.
		_ = server.Serve(listener)
	}()
	t.Cleanup(server.Stop)
	p.Address = listener.Addr().(*net.TCPAddr)
}

// Apply creates or updates what the manifests name, as `kubectl apply` does once the webhook let them pass.
func (p *Pilot) Apply(t testing.TB, manifests string) {
	t.Helper()
	for _, c := range parse(t, manifests) {
		store := p.server.Store()
		var err error
		if store.Get(c.GroupVersionKind, c.Name, c.Namespace) != nil {
			_, err = store.Update(c)
		} else {
			_, err = store.Create(c)
		}
		if err != nil {
			t.Fatalf("%s %s/%s: %v", c.GroupVersionKind.Kind, c.Namespace, c.Name, err)
		}
	}
}

// Delete removes what the manifests name.
func (p *Pilot) Delete(t testing.TB, manifests string) {
	t.Helper()
	for _, c := range parse(t, manifests) {
		if err := p.server.Store().Delete(c.GroupVersionKind, c.Name, c.Namespace, nil); err != nil {
			t.Fatalf("%s %s/%s: %v", c.GroupVersionKind.Kind, c.Namespace, c.Name, err)
		}
	}
}

func parse(t testing.TB, manifests string) []config.Config {
	t.Helper()
	configs, unknown, err := crd.ParseInputs(manifests)
	if err != nil || len(unknown) > 0 {
		t.Fatalf("no manifests of Istio: %v, unknown %v:\n%s", err, unknown, manifests)
	}
	return configs
}
