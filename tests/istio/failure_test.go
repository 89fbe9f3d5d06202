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

func TestARunningProxyServesAsBeforeUntilTheModuleIsThere(t *testing.T) {
	t.Parallel()
	site := startGateway(t)
	origin := module.Hold(t)
	load := traffic.Start(t, traffic.HTTP1, site.url, 2)
	load.Goes(50)

	site.pilot.Apply(t, forGateway(t, often, origin.URL()))
	poll.Until(t, "the module to be asked for", func() bool { return origin.Asked() > 0 })
	load.Goes(200)
	if moved := load.Connections() - 2; moved != 0 {
		t.Errorf("%d connections were moved, though the module is not there", moved)
	}
	origin.Release()
	moves(t, load, 6)

	site.app.SawEachOnce(t, load.Stop())
}

func TestAStartingProxyTakesNoConnectionUntilTheModuleIsThere(t *testing.T) {
	t.Parallel()
	app, host, origin := traffic.HTTP(t), mesh.NewHost(t), module.Hold(t)
	port := host.Port()
	control := pilot.Start(t,
		mesh.Service("app", "HTTP", mesh.Port, app.Port),
		mesh.Gateway(host, mesh.Server{Port: port, Protocol: "HTTP", Service: "app"}),
		forGateway(t, often, origin.URL()))
	proxy := envoy.Launch(t, envoy.Gateway(host.Address, mesh.Namespace, gatewayLabels), envoy.Options{ADS: control.Address})

	poll.Until(t, "the module to be asked for", func() bool { return origin.Asked() > 0 })
	if connection, err := net.DialTimeout("tcp", host.At(port), time.Second); err == nil {
		connection.Close()
		t.Error("it takes a connection already")
	}
	if proxy.IsLive() {
		t.Error("it says that it is ready")
	}
	origin.Release()
	proxy.Live()

	load := traffic.Start(t, traffic.HTTP1, "http://"+host.At(port)+"/", 2)
	moves(t, load, 4)
	app.SawEachOnce(t, load.Stop())
}

// What a module that cannot be had does to traffic is for failStrategy to say. What is rendered says FAIL_OPEN, and
// here is why.
func TestWithoutAModuleFailOpenServesAndTheOthersRefuseEverything(t *testing.T) {
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
			good := forGateway(t, often, origin.URL())
			bad := forGateway(t, often, origin.Missing())
			if c.cause == "another hash" {
				bad = forGateway(t, often, origin.URL(), "--sha256", module.Sha256([]byte("another module")))
			}
			withStrategy := strings.ReplaceAll(bad, "failStrategy: FAIL_OPEN", "failStrategy: "+c.strategy)
			site := startGateway(t)
			if c.serves {
				staysServed(t, site, withStrategy, good)
			} else {
				isRefused(t, site, withStrategy, good)
			}
		})
	}
}

func staysServed(t *testing.T, site gateway, bad, good string) {
	t.Helper()
	load := traffic.Start(t, traffic.HTTP1, site.url, 2)
	load.Goes(50)
	site.pilot.Apply(t, bad)
	site.hasBothPlugins(t)
	load.Goes(200)

	// Once the module can be had it acts on new connections. Those that are open keep the filters that they have.
	open := traffic.Start(t, traffic.HTTP1, site.url, 2)
	open.Goes(50)
	site.pilot.Apply(t, good)
	poll.Until(t, "the policy", func() bool { return site.envoy.Stats().Evenkeel("policy_updates_total", "update_result=accepted") > 0 })
	late := traffic.Start(t, traffic.HTTP1, site.url, 2)
	moves(t, late, 6)
	open.Goes(200)
	if moved := open.Connections() - 2; moved != 0 {
		t.Errorf("%d connections were moved that are older than the module", moved)
	}
	site.app.SawEachOnce(t, slices.Concat(load.Stop(), open.Stop(), late.Stop()))
}

func isRefused(t *testing.T, site gateway, bad, good string) {
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
		t.Fatal("nothing is served before there is a plugin")
	}
	site.pilot.Apply(t, bad)
	poll.Until(t, "requests to be refused", func() bool { return !ask() })
	site.pilot.Apply(t, good)
	poll.Until(t, "requests to be served again", ask)
}
