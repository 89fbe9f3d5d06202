package istio

import (
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/tools"
	"evenkeel/tests/istio/internal/traffic"
)

func TestAGatewayMovesHTTPConnectionsByTheirRouteAndLosesNoRequest(t *testing.T) {
	t.Parallel()
	site := startGateway(t, forGateway(t, often, serve(t)))

	http1 := traffic.Start(t, traffic.HTTP1, site.url, 4)
	http2 := traffic.Start(t, traffic.HTTP2, site.url, 4)
	moves(t, http1, 40)
	moves(t, http2, 40)

	site.app.SawEachOnce(t, append(http1.Stop(), http2.Stop()...))
	stats := site.envoy.Stats()
	if announced := stats.Evenkeel("drain_signals_total", "drain_reason=max_requests_per_connection"); announced < 80 {
		t.Errorf("only %d ends of connections were announced", announced)
	}
	bothRolesShareVMs(t, site.envoy)
}

// What the other tests ask for in bothRolesShareVMs is no matter of course: Istio gives plugins from files an
// environment of their own each, so that they get VMs of their own. Each role then is alone, and says so.
func TestPluginsFromAFileShareNoVMAndTheMetricTells(t *testing.T) {
	t.Parallel()
	const remote = "https://files.example/evenkeel.wasm"
	manifests := strings.ReplaceAll(forGateway(t, often, remote), remote, "file://"+tools.Wasm(t))
	site := startGateway(t, manifests)

	load := traffic.Start(t, traffic.HTTP1, site.url, 2)
	load.Goes(100)

	ids := load.Stop()
	site.app.SawEachOnce(t, ids)
	stats := site.envoy.Stats()
	if vms := stats.VMs(); vms != 2*(envoy.Workers+2) {
		t.Errorf("%d VMs run", vms)
	}
	if unjoined := stats.Evenkeel("streams_unmatched_total"); unjoined != int64(len(ids)) {
		t.Errorf("%d of %d requests are counted as unknown to the network role", unjoined, len(ids))
	}
}

func TestAGatewayClosesRawTCPThatRestsAndLosesNoLine(t *testing.T) {
	t.Parallel()
	app, host := traffic.TCP(t), mesh.NewHost(t)
	port := host.Port()
	control := pilot.Start(t,
		mesh.Service("app", "TCP", mesh.Port, app.Port),
		mesh.Gateway(host, mesh.Server{Port: port, Protocol: "TCP", Service: "app"}),
		forGateway(t, restful(port, "inbound"), serve(t)))
	proxy := envoy.Start(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels), envoy.Options{ADS: control.Address})

	load := traffic.StartTCP(t, host.At(port), 4)
	moves(t, load, 12)

	app.SawEachOnce(t, load.Stop())
	poll.Until(t, "closes to be counted", func() bool {
		return proxy.Stats().Evenkeel("connections_drained_total", "closed_by=evenkeel") >= 8
	})
	if cut := proxy.Stats().Evenkeel("requests_aborted_total"); cut != 0 {
		t.Errorf("%d connections were cut", cut)
	}
}
