// Package waypoint tests Evenkeel in a waypoint of Istio's ambient mode. Pilot enables that mode for a whole process, so this
// is a separate one.
package waypoint

import (
	"fmt"
	"testing"

	"istio.io/istio/pilot/pkg/features"
	"istio.io/istio/pkg/hbone"

	// Before any package of Istio's is initialized.
	_ "evenkeel/tests/istio/internal/ambient"
	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/evenkeel"
	"evenkeel/tests/istio/internal/identity"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/module"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// A waypoint has no network filters: the HTTP filter recycles the connections to the service, and those of clients stay open.
func TestWaypointRecyclesItsConnectionsToTheService(t *testing.T) {
	if !features.EnableAmbient {
		t.Fatal("Istio was initialized before its environment: see internal/ambient")
	}
	app, host := traffic.HTTP(t), mesh.NewHost(t)
	control := pilot.StartAmbient(t, mesh.Waypoint(host, "app", app.Port))
	own := identity.NewAuthority(t).Identity(mesh.Namespace, "shop")
	waypoint := envoy.Start(t, envoy.Waypoint(host.Address, mesh.Namespace, "waypoint"),
		envoy.Options{ADS: control.Address, SDS: own.ServeSDS(t)})
	tunnel := hbone.NewDialer(hbone.Config{ProxyAddress: host.At(mesh.WaypointPort), TLS: own.Client(own.URI)})
	load := traffic.StartThrough(t, tunnel, fmt.Sprintf("http://%s:%d/", mesh.VIP, mesh.Port), 2)
	load.WaitForResponses(50)

	const policy = `{"version": 1, "budget": "off", "upstream": {"max_requests_per_connection": 5, "protocol": "http1"}}`
	control.Apply(t, evenkeel.Render(t, policy,
		"--module", module.Serve(t).URL(), "--roles", "http", "--gateway-ref", "waypoint", "-n", mesh.Namespace))
	recycled := func() int64 { return waypoint.Stats().Evenkeel("upstream_connections_recycled_total") }
	poll.Until(t, "recycled connections", func() bool { return recycled() >= 20 || load.Failures() > 0 })

	app.AssertEachOnce(t, load.Stop())
}
