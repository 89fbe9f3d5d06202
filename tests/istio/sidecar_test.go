package istio

import (
	"fmt"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// One sidecar with one policy for inbound and outbound connections, as in a pod.
func TestSidecarDrainsInboundAndByRuleOutboundConnections(t *testing.T) {
	t.Parallel()
	own, ownTCP := traffic.HTTP(t), traffic.TCP(t)
	other, otherTCP := traffic.HTTP(t), traffic.TCP(t)
	host := mesh.NewHost(t)
	in, inTCP, out, outTCP := host.Port(), host.Port(), host.Port(), host.Port()
	policy := fmt.Sprintf(`{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"},
		"routes": [
			{"name": "in", "match": {"path_prefix": "/in"}, "max_requests_per_connection": 20},
			{"name": "out", "match": {"path_prefix": "/out", "direction": "outbound"}, "max_requests_per_connection": 20}],
		"tcp": [
			{"name": "in-tcp", "match": {"port": %d}, "max_connection_age": "1s", "idle_time": "500ms", "drain_timeout": "1s"},
			{"name": "out-tcp", "match": {"port": %d, "direction": "outbound"}, "max_connection_age": "1s", "idle_time": "500ms", "drain_timeout": "1s"}]}`,
		inTCP, outTCP)
	control := pilot.Start(t,
		mesh.Service("other", "HTTP", out, other.Port),
		mesh.Service("other-tcp", "TCP", outTCP, otherTCP.Port),
		mesh.Pod(host,
			[]mesh.Inbound{
				{Port: in, Protocol: "HTTP", Application: own.Port},
				{Port: inTCP, Protocol: "TCP", Application: ownTCP.Port},
			},
			[]mesh.Outbound{
				{Port: out, Protocol: "HTTP", Service: "other"},
				{Port: outTCP, Protocol: "TCP", Service: "other-tcp"},
			}),
		forPod(t, policy, serve(t)))
	proxy := envoy.Start(t, envoy.Sidecar(host.Address, mesh.Namespace, podLabels), envoy.Options{ADS: control.Address})

	cases := []struct {
		what string
		load *traffic.Load
		app  *traffic.Backend
		more int64
	}{
		{"HTTP/1 in", traffic.Start(t, traffic.HTTP1, "http://"+host.At(in)+"/in", 2), own, 20},
		{"HTTP/2 out", traffic.StartAs(t, traffic.HTTP2, "http://"+host.At(out)+"/out", mesh.Name("other"), 2), other, 20},
		{"TCP in", traffic.StartTCP(t, host.At(inTCP), 2), ownTCP, 4},
		{"TCP out", traffic.StartTCP(t, host.At(outTCP), 2), otherTCP, 4},
	}
	// Connections without a rule stay open.
	freeIn := traffic.Start(t, traffic.HTTP1, "http://"+host.At(in)+"/free", 1)
	freeOut := traffic.StartAs(t, traffic.HTTP1, "http://"+host.At(out)+"/in", mesh.Name("other"), 1)
	for _, c := range cases {
		waitForReconnects(t, c.load, c.more)
	}
	freeIn.WaitForResponses(100)
	freeOut.WaitForResponses(100)

	sent := map[*traffic.Backend][]string{own: freeIn.Stop(), other: freeOut.Stop()}
	for _, c := range cases {
		t.Log(c.what)
		sent[c.app] = append(sent[c.app], c.load.Stop()...)
	}
	for app, ids := range sent {
		app.AssertEachOnce(t, ids)
	}
	for _, free := range []*traffic.Load{freeIn, freeOut} {
		if opened := free.Connections(); opened != 1 {
			t.Errorf("a client without a rule opened %d connections", opened)
		}
	}
	poll.Until(t, "the metric of the closes", func() bool {
		return proxy.Stats().Evenkeel("connections_drained_total", "closed_by=evenkeel") >= 8
	})
	assertRolesShareVMs(t, proxy)
}
