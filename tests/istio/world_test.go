// Package istio proves Evenkeel in Istio: Istio's own control plane in this process, its agent's way of fetching
// modules, and a stock Envoy that is told all by them.
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

// often is a policy that moves a connection after twenty requests at most, by a rule for its route.
const often = `{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"},
	"routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 20}]}`

// restful is a policy that closes raw TCP connections of a port which have rested.
func restful(port int, direction string) string {
	return fmt.Sprintf(`{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"}, "tcp": [{"name": "tcp",
		"match": {"port": %d, "direction": %q}, "max_connection_age": "1s", "idle_time": "500ms", "drain_timeout": "1s"}]}`, port, direction)
}

var (
	gatewayLabels = map[string]string{"istio": "public"}
	podLabels     = map[string]string{"app": "shop"}
)

// forGateway renders a policy for the gateway, with the module from there.
func forGateway(t testing.TB, policy, url string, args ...string) string {
	t.Helper()
	return evenkeel.Render(t, policy, append(args, "--module", url, "--gateway", "istio=public", "-n", mesh.Namespace)...)
}

// forPod renders a policy for the pods, with the module from there.
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
	// listener is the name of that port's.
	listener string
}

// startGateway starts one with these manifests beside its own.
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

// hasBothPlugins waits until its listener names both plugins, whatever Envoy has made of them. Connections from before
// are drained; those that are opened from now on stay.
func (g gateway) hasBothPlugins(t testing.TB) {
	t.Helper()
	poll.Until(t, "the listener with both plugins", func() bool {
		listener := g.envoy.Listener(g.listener)
		return len(envoy.Find(listener, "config_discovery")) == 2
	})
}

// moves waits until the clients had to open so many more connections.
func moves(t testing.TB, load *traffic.Load, more int64) {
	t.Helper()
	until := load.Connections() + more
	poll.Until(t, fmt.Sprintf("%d connections to be moved", more), func() bool {
		return load.Connections() >= until || load.Failures() > 0
	})
}

// bothRolesShareVMs fails the test unless each worker runs one VM, in which HTTP contexts know their connections.
func bothRolesShareVMs(t testing.TB, proxy *envoy.Envoy) {
	t.Helper()
	stats := proxy.Stats()
	// Besides the workers' there are one of the main thread and the one in which Envoy tries the module.
	if vms := stats.VMs(); vms != envoy.Workers+2 {
		t.Errorf("%d VMs run, instead of one for each of %d workers and two of Envoy's own", vms, envoy.Workers)
	}
	if unjoined := stats.Evenkeel("streams_unmatched_total"); unjoined != 0 {
		t.Errorf("%d requests came on a connection that the network role does not know", unjoined)
	}
}

// serve is the module by http.
func serve(t testing.TB) string {
	t.Helper()
	return module.Serve(t).URL()
}
