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

func TestHTTP3HasEnvoysOwnLimitsAndTheModuleIsOnTCPAlone(t *testing.T) {
	t.Parallel()
	const policy = `{"version": 1, "defaults": {"max_age": "1h", "jitter": 0.2, "max_requests": 1000}}`
	app, host := traffic.HTTP(t), mesh.NewHost(t)
	everywhere := mesh.Everywhere(t)
	port := everywhere.Port()
	control := pilot.Start(t,
		mesh.Service("app", "HTTP", mesh.Port, app.Port),
		mesh.SecureGateway(host, port, "app"),
		forGateway(t, policy, serve(t), "--http3", fmt.Sprint(port)))
	certificates := identity.NewAuthority(t).Identity(mesh.Namespace, "public").ServeSDS(t)
	proxy := envoy.Start(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels),
		envoy.Options{ADS: control.Address, SDS: certificates})

	tcp := proxy.Listener(everywhere.Listener(port))
	udp := proxy.Listener("udp_" + everywhere.Listener(port))
	// Envoy draws what a policy's jitter takes off from a shorter time upwards.
	is(t, "age in HTTP/3", envoy.Find(udp, "max_connection_duration"), "2880s")
	is(t, "age in TCP", envoy.Find(tcp, "max_connection_duration"))
	if plugins := len(envoy.Find(tcp, "config_discovery")); plugins == 0 {
		t.Error("no plugin is on TCP")
	}
}
