package istio

import (
	"testing"
	"time"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// An added or removed plugin changes the listener, and Envoy closes connections of the replaced listener after its drain
// time: 45 seconds in Istio, fewer here. A changed pluginConfig does not change the listener, and applies to open connections
// at once.
func TestPolicyUpdateAppliesToOpenConnectionsAndPluginChangeDrainsThem(t *testing.T) {
	t.Parallel()
	app, host, url := traffic.TCP(t), mesh.NewHost(t), serve(t)
	port := host.Port()
	control := pilot.Start(t,
		mesh.Service("app", "TCP", mesh.Port, app.Port),
		mesh.Gateway(host, mesh.Server{Port: port, Protocol: "TCP", Service: "app"}))
	proxy := envoy.Start(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels),
		envoy.Options{ADS: control.Address, Drain: 3 * time.Second})
	connect := func() *traffic.Lines {
		lines, err := traffic.Dial(host.At(port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lines.Close() })
		assertResponds(t, lines)
		return lines
	}
	ends := func(what string, lines *traffic.Lines) {
		poll.Until(t, what, func() bool {
			closed, err := lines.Closed(20 * time.Millisecond)
			return closed || err != nil
		})
	}
	const quiet = `{"version": 1, "defaults": {"max_connection_age": "1h"}, "tcp": [{"name": "tcp", "match": {"port": 1}}]}`

	bare := connect()
	control.Apply(t, forGateway(t, quiet, url))
	ends("the drain of a connection that is older than the plugin", bare)

	open := connect()
	control.Apply(t, forGateway(t, closesIdle(port, "inbound"), url))
	ends("the close of an open connection by another policy", open)
	poll.Until(t, "the metric of the close", func() bool { return proxy.Stats().Evenkeel("connections_drained_total", "closed_by=evenkeel") == 1 })

	control.Apply(t, forGateway(t, quiet, url))
	open = connect()
	control.Delete(t, forGateway(t, quiet, url))
	ends("the drain of a connection that is older than the removal of the plugin", open)
	assertResponds(t, connect())
}

func assertResponds(t *testing.T, lines *traffic.Lines) {
	t.Helper()
	id := traffic.NewID()
	if response, err := lines.Exchange(id); err != nil || response != "response "+id {
		t.Fatalf("response %q, %v", response, err)
	}
}
