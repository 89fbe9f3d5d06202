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

func TestGatewayDrainsHTTPConnectionsByRouteWithoutLoss(t *testing.T) {
	t.Parallel()
	site := startGateway(t, forGateway(t, frequent, serve(t)))

	http1 := traffic.Start(t, traffic.HTTP1, site.url, 4)
	http2 := traffic.Start(t, traffic.HTTP2, site.url, 4)
	waitForReconnects(t, http1, 40)
	waitForReconnects(t, http2, 40)

	site.app.AssertEachOnce(t, append(http1.Stop(), http2.Stop()...))
	stats := site.envoy.Stats()
	if signals := stats.Evenkeel("drain_signals_total", "drain_reason=max_requests_per_connection"); signals < 80 {
		t.Errorf("only %d drain signals", signals)
	}
	assertRolesShareVMs(t, site.envoy)
}

// Shows that assertRolesShareVMs can fail: Istio gives each plugin from a file an environment of its own, and so a VM of
// its own, in which the role is alone.
func TestPluginsFromFilesShareNoVMAndCountUnmatchedStreams(t *testing.T) {
	t.Parallel()
	const remote = "https://files.example/evenkeel.wasm"
	manifests := strings.ReplaceAll(forGateway(t, frequent, remote), remote, "file://"+tools.Wasm(t))
	site := startGateway(t, manifests)

	load := traffic.Start(t, traffic.HTTP1, site.url, 2)
	load.WaitForResponses(100)

	ids := load.Stop()
	site.app.AssertEachOnce(t, ids)
	stats := site.envoy.Stats()
	if vms := stats.VMs(); vms != 2*(envoy.Workers+2) {
		t.Errorf("%d VMs", vms)
	}
	if unmatched := stats.Evenkeel("streams_unmatched_total"); unmatched != int64(len(ids)) {
		t.Errorf("%d of %d requests are counted as unmatched", unmatched, len(ids))
	}
}

func TestGatewayClosesIdleTCPConnectionsWithoutLoss(t *testing.T) {
	t.Parallel()
	app, host := traffic.TCP(t), mesh.NewHost(t)
	port := host.Port()
	control := pilot.Start(t,
		mesh.Service("app", "TCP", mesh.Port, app.Port),
		mesh.Gateway(host, mesh.Server{Port: port, Protocol: "TCP", Service: "app"}),
		forGateway(t, closesIdle(port, "inbound"), serve(t)))
	proxy := envoy.Start(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels), envoy.Options{ADS: control.Address})

	load := traffic.StartTCP(t, host.At(port), 4)
	waitForReconnects(t, load, 12)

	app.AssertEachOnce(t, load.Stop())
	poll.Until(t, "the metric of the closes", func() bool {
		return proxy.Stats().Evenkeel("connections_drained_total", "closed_by=evenkeel") >= 8
	})
	if aborted := proxy.Stats().Evenkeel("requests_aborted_total"); aborted != 0 {
		t.Errorf("%d connections were aborted", aborted)
	}
}
