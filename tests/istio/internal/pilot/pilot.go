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

	// Before any package of Istio's is initialized.
	_ "evenkeel/tests/istio/internal/stock"
)

// Waypoints have filters for telemetry that a stock Envoy lacks.
func init() {
	filters.WaypointDownstreamMetadataFilter.IsOptional = true
	filters.WaypointUpstreamMetadataFilter.IsOptional = true
}

// Pilot is a running control plane.
type Pilot struct {
	// Address is the address of its ADS.
	Address *net.TCPAddr
	server  *xds.FakeDiscoveryServer
	agent   *agent
}

// Start starts a control plane with these manifests. The test fails at its end if an Envoy has rejected anything.
func Start(t *testing.T, manifests ...string) *Pilot {
	t.Helper()
	return start(t, xds.FakeOptions{Configs: parse(t, strings.Join(manifests, "\n---\n"))})
}

// StartAmbient starts a control plane that also finds these manifests in a cluster, which waypoints need.
func StartAmbient(t *testing.T, manifests ...string) *Pilot {
	t.Helper()
	all := strings.Join(manifests, "\n---\n")
	return start(t, xds.FakeOptions{ConfigString: all, KubernetesObjectString: all})
}

func start(t *testing.T, options xds.FakeOptions) *Pilot {
	t.Helper()
	m := mesh.DefaultMeshConfig()
	// The manifests configure mutual TLS; a stock Envoy cannot detect it.
	m.EnableAutoMtls = wrapperspb.Bool(false)
	options.MeshConfig = m
	pilot := &Pilot{server: xds.NewFakeDiscoveryServer(t, options)}
	cache := wasm.NewLocalFileCache(t.TempDir(), wasm.Options{HTTPRequestMaxRetries: 1, HTTPRequestTimeout: time.Minute})
	t.Cleanup(cache.Cleanup)
	pilot.agent = &agent{pilot: pilot.server.Discovery, cache: cache}
	pilot.serve(t)
	t.Cleanup(func() {
		for _, rejection := range pilot.agent.rejections() {
			t.Errorf("an Envoy rejected what pilot sent: %s", rejection)
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
		// Serve returns when the server is stopped.
		_ = server.Serve(listener)
	}()
	t.Cleanup(server.Stop)
	p.Address = listener.Addr().(*net.TCPAddr)
}

// Apply creates or updates objects, as `kubectl apply` does after the webhook.
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

// Delete deletes objects.
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
		t.Fatalf("invalid manifests: %v, unknown %v:\n%s", err, unknown, manifests)
	}
	return configs
}
