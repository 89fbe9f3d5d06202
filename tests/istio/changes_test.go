package istio

import (
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// Plugins are added, changed, broken and removed while clients send requests.
func TestPluginChangesLoseNoRequest(t *testing.T) {
	t.Parallel()
	site := startGateway(t)
	url := serve(t)
	http1 := traffic.Start(t, traffic.HTTP1, site.url, 3)
	http2 := traffic.Start(t, traffic.HTTP2, site.url, 3)
	evenkeel := func(metric string, labels ...string) int64 { return site.envoy.Stats().Evenkeel(metric, labels...) }
	sendMore := func() {
		t.Helper()
		http1.WaitForResponses(200)
		http2.WaitForResponses(200)
	}
	sendMore()

	both := forGateway(t, frequent, url)
	site.pilot.Apply(t, both)
	poll.Until(t, "drains by the added plugins", func() bool { return evenkeel("drain_signals_total") >= 20 })
	sendMore()

	// Istio passes numbers as doubles, which the module must accept as integers.
	moreFrequent := strings.Replace(frequent, `"max_requests_per_connection": 20`, `"max_requests_per_connection": 5`, 1)
	loads := evenkeel("policy_updates_total", "update_result=accepted")
	site.pilot.Apply(t, forGateway(t, moreFrequent, url))
	poll.Until(t, "the changed policy", func() bool { return evenkeel("policy_updates_total", "update_result=accepted") >= loads+2 })
	before := http1.Connections()
	requests := evenkeel("requests_total", "connection_protocol=http1")
	sendMore()
	waitForReconnects(t, http1, 60)
	if each := float64(evenkeel("requests_total", "connection_protocol=http1")-requests) / float64(http1.Connections()-before); each > 8 {
		t.Errorf("connections had %.1f requests each, with a limit of 5", each)
	}

	applyInvalidPolicy(t, site, forGateway(t, moreFrequent, url), sendMore)
	before = http1.Connections()
	waitForReconnects(t, http1, 10)
	if each := evenkeel("policy_updates_total", "update_result=rejected"); each == 0 {
		t.Error("no rejected policy is counted")
	}

	site.pilot.Delete(t, both)
	poll.Until(t, "the removal of the plugins", func() bool {
		return !strings.Contains(site.envoy.Admin("/config_dump?resource=dynamic_listeners"), "evenkeel")
	})
	sendMore()

	site.app.AssertEachOnce(t, append(http1.Stop(), http2.Stop()...))
}

// applyInvalidPolicy applies a policy with an error.
func applyInvalidPolicy(t *testing.T, site gateway, manifests string, sendMore func()) {
	t.Helper()
	bad := strings.ReplaceAll(manifests, "path_prefix", "path_prefx")
	if bad == manifests {
		t.Fatalf("no path_prefix in:\n%s", manifests)
	}
	site.pilot.Apply(t, bad)
	poll.Until(t, "the rejection of the policy", func() bool {
		return site.envoy.Stats().Evenkeel("policy_updates_total", "update_result=rejected") >= 2
	})
	const expected = "the last valid policy stays active: routes[0].match.path_prefx: unknown key; did you mean `path_prefix`?"
	if log := site.envoy.Log(); !strings.Contains(log, expected) {
		t.Errorf("Envoy's log lacks: %s", expected)
	}
	sendMore()
}
