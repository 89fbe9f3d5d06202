package istio

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/module"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

func TestRunningProxyServesWhileTheModuleIsFetched(t *testing.T) {
	t.Parallel()
	site := startGateway(t)
	origin := module.Hold(t)
	load := traffic.Start(t, traffic.HTTP1, site.url, 2)
	load.WaitForResponses(50)

	site.pilot.Apply(t, forGateway(t, frequent, origin.URL()))
	poll.Until(t, "the request for the module", func() bool { return origin.Requests() > 0 })
	load.WaitForResponses(200)
	if drained := load.Connections() - 2; drained != 0 {
		t.Errorf("%d connections were drained without the module", drained)
	}
	origin.Release()
	waitForReconnects(t, load, 6)

	site.app.AssertEachOnce(t, load.Stop())
}

func TestStartingProxyAcceptsNoConnectionWithoutTheModule(t *testing.T) {
	t.Parallel()
	app, host, origin := traffic.HTTP(t), mesh.NewHost(t), module.Hold(t)
	port := host.Port()
	control := pilot.Start(t,
		mesh.Service("app", "HTTP", mesh.Port, app.Port),
		mesh.Gateway(host, mesh.Server{Port: port, Protocol: "HTTP", Service: "app"}),
		forGateway(t, frequent, origin.URL()))
	proxy := envoy.Launch(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels), envoy.Options{ADS: control.Address})

	poll.Until(t, "the request for the module", func() bool { return origin.Requests() > 0 })
	if connection, err := net.DialTimeout("tcp", host.At(port), time.Second); err == nil {
		connection.Close()
		t.Error("it accepts a connection already")
	}
	if proxy.IsLive() {
		t.Error("it is ready already")
	}
	origin.Release()
	proxy.Live()

	load := traffic.Start(t, traffic.HTTP1, "http://"+host.At(port)+"/", 2)
	waitForReconnects(t, load, 4)
	app.AssertEachOnce(t, load.Stop())
}

// failStrategy decides what happens without the module. Rendered manifests have FAIL_OPEN.
func TestMissingModuleWithFailOpenServesAndOtherwiseRejects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		strategy, cause string
		serves          bool
	}{
		{"FAIL_OPEN", "a url that is not found", true},
		{"FAIL_OPEN", "another hash", true},
		{"FAIL_CLOSE", "a url that is not found", false},
		{"FAIL_RELOAD", "another hash", false},
	} {
		t.Run(c.strategy+" and "+c.cause, func(t *testing.T) {
			t.Parallel()
			origin := module.Serve(t)
			good := forGateway(t, frequent, origin.URL())
			bad := forGateway(t, frequent, origin.Missing())
			if c.cause == "another hash" {
				bad = forGateway(t, frequent, origin.URL(), "--sha256", module.Sha256([]byte("another module")))
			}
			withStrategy := strings.ReplaceAll(bad, "failStrategy: FAIL_OPEN", "failStrategy: "+c.strategy)
			site := startGateway(t)
			if c.serves {
				assertServed(t, site, withStrategy, good)
			} else {
				assertRejected(t, site, withStrategy, good)
			}
		})
	}
}

func assertServed(t *testing.T, site gateway, bad, good string) {
	t.Helper()
	load := traffic.Start(t, traffic.HTTP1, site.url, 2)
	load.WaitForResponses(50)
	site.pilot.Apply(t, bad)
	site.waitForBothPlugins(t)
	load.WaitForResponses(200)

	// When the module is available, it acts on new connections. Open connections keep their filters.
	open := traffic.Start(t, traffic.HTTP1, site.url, 2)
	open.WaitForResponses(50)
	site.pilot.Apply(t, good)
	poll.Until(t, "the policy", func() bool { return site.envoy.Stats().Evenkeel("policy_updates_total", "update_result=accepted") > 0 })
	late := traffic.Start(t, traffic.HTTP1, site.url, 2)
	waitForReconnects(t, late, 6)
	open.WaitForResponses(200)
	if drained := open.Connections() - 2; drained != 0 {
		t.Errorf("%d connections were drained that are older than the module", drained)
	}
	site.app.AssertEachOnce(t, slices.Concat(load.Stop(), open.Stop(), late.Stop()))
}

func assertRejected(t *testing.T, site gateway, bad, good string) {
	t.Helper()
	client := traffic.Client(traffic.HTTP1, nil)
	ask := func() bool {
		defer client.CloseIdleConnections()
		response, err := client.Get(site.url)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	if !ask() {
		t.Fatal("no response before the plugin is applied")
	}
	site.pilot.Apply(t, bad)
	poll.Until(t, "rejected requests", func() bool { return !ask() })
	site.pilot.Apply(t, good)
	poll.Until(t, "responses", ask)
}
