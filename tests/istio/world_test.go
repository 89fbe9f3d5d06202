// Package istio tests Evenkeel in Istio: with Istio's control plane in this process, the module fetching of its agent, and a
// stock Envoy.
package istio

import (
	"fmt"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/evenkeel"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/module"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// frequent is a policy that drains a connection after at most twenty requests, by a route.
const frequent = `{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"},
	"routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 20}]}`

// closesIdle returns a policy that closes idle TCP connections of a port.
func closesIdle(port int, direction string) string {
	return fmt.Sprintf(`{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"}, "tcp": [{"name": "tcp",
		"match": {"port": %d, "direction": %q}, "max_connection_age": "1s", "idle_time": "500ms", "drain_timeout": "1s"}]}`, port, direction)
}

var (
	gatewayLabels = map[string]string{"istio": "public"}
	podLabels     = map[string]string{"app": "shop"}
)

// forGateway renders a policy for the gateway, with this URL of the module.
func forGateway(t testing.TB, policy, url string, args ...string) string {
	t.Helper()
	return evenkeel.Render(t, policy, append(args, "--module", url, "--gateway", "istio=public", "-n", mesh.Namespace)...)
}

// forPod renders a policy for the pods, with this URL of the module.
func forPod(t testing.TB, policy, url string, args ...string) string {
	t.Helper()
	return evenkeel.Render(t, policy, append(args, "--module", url, "--workload", "app=shop", "-n", mesh.Namespace)...)
}

// gateway is a gateway with an HTTP port before an application.
type gateway struct {
	pilot *pilot.Pilot
	envoy *envoy.Envoy
	app   *traffic.Backend
	url   string
	// listener is the name of the listener on that port.
	listener string
}

// startGateway starts a gateway with further manifests.
func startGateway(t *testing.T, manifests ...string) gateway {
	t.Helper()
	app := traffic.HTTP(t)
	host := mesh.NewHost(t)
	port := host.Port()
	control := pilot.Start(t, append([]string{
		mesh.Service("app", "HTTP", mesh.Port, app.Port),
		mesh.Gateway(host, mesh.Server{Port: port, Protocol: "HTTP", Service: "app"}),
	}, manifests...)...)
	proxy := envoy.Start(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels), envoy.Options{ADS: control.Address})
	return gateway{control, proxy, app, "http://" + host.At(port) + "/", host.Listener(port)}
}

// waitForBothPlugins waits until the listener has both plugins, even without the module. Older connections are drained, later
// ones stay open.
func (g gateway) waitForBothPlugins(t testing.TB) {
	t.Helper()
	poll.Until(t, "the listener with both plugins", func() bool {
		listener := g.envoy.Listener(g.listener)
		return len(envoy.Find(listener, "config_discovery")) == 2
	})
}

// waitForReconnects waits until the clients have opened this number of further connections.
func waitForReconnects(t testing.TB, load *traffic.Load, more int64) {
	t.Helper()
	until := load.Connections() + more
	poll.Until(t, fmt.Sprintf("%d reconnects", more), func() bool {
		return load.Connections() >= until || load.Failures() > 0
	})
}

// assertRolesShareVMs fails the test unless each worker has one VM, in which each stream is matched with its connection.
func assertRolesShareVMs(t testing.TB, proxy *envoy.Envoy) {
	t.Helper()
	stats := proxy.Stats()
	// Two more VMs are those of the main thread and of Envoy's check of the module.
	if vms := stats.VMs(); vms != envoy.Workers+2 {
		t.Errorf("%d VMs, not one for each of %d workers and two more", vms, envoy.Workers)
	}
	if unmatched := stats.Evenkeel("streams_unmatched_total"); unmatched != 0 {
		t.Errorf("%d streams are unmatched", unmatched)
	}
}

// serve serves the module over HTTP; returns its URL.
func serve(t testing.TB) string {
	t.Helper()
	return module.Serve(t).URL()
}
