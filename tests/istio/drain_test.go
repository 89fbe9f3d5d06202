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

// A plugin that comes or goes changes the listener, and Envoy ends what was connected to the one before when its drain
// time is over: 45 seconds in Istio, here a few. A pluginConfig that changes leaves the listener as it is, and holds for
// open connections at once.
func TestAnotherPolicyHoldsForOpenConnectionsAndAnAddedOrRemovedPluginDrainsThem(t *testing.T) {
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
		answers(t, lines)
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
	ends("the drain of a connection from before the plugin", bare)

	open := connect()
	control.Apply(t, forGateway(t, restful(port, "inbound"), url))
	ends("the end of an open connection by another policy", open)
	poll.Until(t, "it to be counted", func() bool { return proxy.Stats().Evenkeel("connections_drained_total", "closed_by=evenkeel") == 1 })

	control.Apply(t, forGateway(t, quiet, url))
	open = connect()
	control.Delete(t, forGateway(t, quiet, url))
	ends("the drain of a connection from before the plugin was removed", open)
	answers(t, connect())
}

func answers(t *testing.T, lines *traffic.Lines) {
	t.Helper()
	id := traffic.NewID()
	if answer, err := lines.Ask(id); err != nil || answer != "answer "+id {
		t.Fatalf("answered %q, %v", answer, err)
	}
}
