package istio

import (
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// While requests run everything happens to the plugins that an operator does, and what goes wrong.
func TestNoRequestIsLostWhilePluginsComeChangeAndGo(t *testing.T) {
	t.Parallel()
	site := startGateway(t)
	url := serve(t)
	http1 := traffic.Start(t, traffic.HTTP1, site.url, 3)
	http2 := traffic.Start(t, traffic.HTTP2, site.url, 3)
	evenkeel := func(metric string, labels ...string) int64 { return site.envoy.Stats().Evenkeel(metric, labels...) }
	goOn := func() {
		t.Helper()
		http1.Goes(200)
		http2.Goes(200)
	}
	goOn()

	both := forGateway(t, often, url)
	site.pilot.Apply(t, both)
	poll.Until(t, "the plugins, added", func() bool { return evenkeel("drain_signals_total") >= 20 })
	goOn()

	// Istio gives numbers as doubles: 5 comes as 5 all the same.
	oftener := strings.Replace(often, `"max_requests_per_connection": 20`, `"max_requests_per_connection": 5`, 1)
	loads := evenkeel("policy_updates_total", "update_result=accepted")
	site.pilot.Apply(t, forGateway(t, oftener, url))
	poll.Until(t, "the policy, changed", func() bool { return evenkeel("policy_updates_total", "update_result=accepted") >= loads+2 })
	before := http1.Connections()
	requests := evenkeel("requests_total", "connection_protocol=http1")
	goOn()
	moves(t, http1, 60)
	if each := float64(evenkeel("requests_total", "connection_protocol=http1")-requests) / float64(http1.Connections()-before); each > 8 {
		t.Errorf("connections carried %.1f requests each, though the policy now says 5", each)
	}

	goOnWithABadPolicy(t, site, forGateway(t, oftener, url), goOn)
	before = http1.Connections()
	moves(t, http1, 10)
	if each := evenkeel("policy_updates_total", "update_result=rejected"); each == 0 {
		t.Error("no policy error is counted")
	}

	site.pilot.Delete(t, both)
	poll.Until(t, "the plugins, removed", func() bool {
		return !strings.Contains(site.envoy.Admin("/config_dump?resource=dynamic_listeners"), "evenkeel")
	})
	goOn()

	site.app.SawEachOnce(t, append(http1.Stop(), http2.Stop()...))
}

// goOnWithABadPolicy gives the plugins a policy with a mistake in it.
func goOnWithABadPolicy(t *testing.T, site gateway, manifests string, goOn func()) {
	t.Helper()
	bad := strings.ReplaceAll(manifests, "path_prefix", "path_prefx")
	if bad == manifests {
		t.Fatalf("no path_prefix in:\n%s", manifests)
	}
	site.pilot.Apply(t, bad)
	poll.Until(t, "the bad policy to be told", func() bool {
		return site.envoy.Stats().Evenkeel("policy_updates_total", "update_result=rejected") >= 2
	})
	const told = "the last valid policy stays active: routes[0].match.path_prefx: unknown key; did you mean `path_prefix`?"
	if log := site.envoy.Log(); !strings.Contains(log, told) {
		t.Errorf("Envoy's log does not say: %s", told)
	}
	goOn()
}
