package istio

import (
	"fmt"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/identity"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/traffic"
)

// secure is a gateway for TLS and HTTP/3 with a policy for both.
type secure struct {
	envoy *envoy.Envoy
	app   *traffic.Backend
	host  mesh.Host
	port  int
	// identity is that of the gateway, and here of the clients, too.
	identity *identity.Identity
}

func startSecure(t *testing.T, policy string) secure {
	t.Helper()
	app, host := traffic.HTTP(t), mesh.NewHost(t)
	port := mesh.AllAddresses(t).Port()
	control := pilot.Start(t,
		mesh.Service("app", "HTTP", mesh.Port, app.Port),
		mesh.SecureGateway(host, port, "app"),
		forGateway(t, policy, serve(t), "--http3", fmt.Sprint(port)))
	own := identity.NewAuthority(t).Identity(mesh.Namespace, "public")
	proxy := envoy.Start(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels),
		envoy.Options{ADS: control.Address, SDS: own.ServeSDS(t)})
	return secure{proxy, app, host, port, own}
}

func TestHTTP3HasEnvoysLimitsAndNoPlugin(t *testing.T) {
	t.Parallel()
	site := startSecure(t, `{"version": 1, "defaults": {"max_connection_age": "1h", "jitter": 0.2, "max_requests_per_connection": 1000}}`)

	name := mesh.AllAddresses(t).Listener(site.port)
	tcp, udp := site.envoy.Listener(name), site.envoy.Listener("udp_"+name)
	// Envoy adds jitter to a shorter time, where the policy's jitter is subtracted.
	assertFound(t, "age in HTTP/3", envoy.Find(udp, "max_connection_duration"), "2880s")
	assertFound(t, "age in TCP", envoy.Find(tcp, "max_connection_duration"))
	if plugins := len(envoy.Find(tcp, "config_discovery")); plugins == 0 {
		t.Error("no plugin is on TCP")
	}
	if plugins := len(envoy.Find(udp, "config_discovery")); plugins != 0 {
		t.Errorf("%d plugins are on QUIC", plugins)
	}
}

func TestHTTP3LosesNoSentRequestAtEnvoysLimits(t *testing.T) {
	t.Parallel()
	site := startSecure(t, `{"version": 1, "defaults": {"max_connection_age": "1s", "jitter": 0, "max_requests_per_connection": 2000}}`)
	load := traffic.StartSecure(t, traffic.HTTP3, site.identity.Client(site.identity.URI), "https://"+site.host.At(site.port)+"/", 2)

	// One on about 1,000 connections; three are not chance.
	load.TolerateUnsent(2)

	waitForReconnects(t, load, 6)

	// Those that a client did not send must not come.
	site.app.AssertEachOnce(t, load.Stop())
	stats := site.envoy.Stats()
	http3 := stats.Sum("http.outbound_udp_", ".downstream_cx_http3_total")
	limited := stats.Sum("http.outbound_udp_", ".downstream_cx_max_duration_reached")
	if opened := load.Connections(); http3 != opened || limited == 0 {
		t.Errorf("%d connections of HTTP/3 of %d, %d of them ended by their age", http3, opened, limited)
	}
}
