package istio

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/evenkeel"
	"evenkeel/tests/istio/internal/identity"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/module"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

// A policy with `peers` that needs the HTTP filter for nothing else.
const peersOnly = `{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"},
	"rebalance": {"max_rate": 1, "min_connections": 4, "stabilization_window": "0s"}, "peers": {"cluster": %q, "trust": %q}}`

// Without the HTTP filter's module and with FAIL_CLOSE, Istio rejects the requests that pass the filter.
func TestOnlyRequestsOfPeersPassTheHTTPFilter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		args             []string
		application, own int
	}{
		{"on demand", nil, http.StatusOK, http.StatusForbidden},
		{"on demand, as TrafficExtension", []string{"--kind", "traffic-extension"}, http.StatusOK, http.StatusForbidden},
		{"for all requests", []string{"--roles", "both"}, http.StatusForbidden, http.StatusForbidden},
		// Istio 1.31 has other names for filters: the patch does not apply.
		{"rendered for an older Istio", []string{"--istio", "1.29"}, http.StatusForbidden, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app, host, origin := traffic.HTTP(t), mesh.NewHost(t), module.Serve(t)
			in := host.Port()
			policy := fmt.Sprintf(peersOnly, "inbound|80||", "anyone")
			rendered := strings.Split(forPod(t, policy, origin.URL(), c.args...), "\n---\n")
			for i, manifest := range rendered {
				if strings.Contains(manifest, "type: HTTP\n") {
					manifest = strings.ReplaceAll(manifest, origin.URL(), origin.Missing())
					rendered[i] = strings.ReplaceAll(manifest, "failStrategy: FAIL_OPEN", "failStrategy: FAIL_CLOSE")
				}
			}
			control := pilot.Start(t,
				mesh.Pod(host, []mesh.Inbound{{Port: in, Protocol: "HTTP", Application: app.Port}}, nil),
				strings.Join(rendered, "\n---\n"))
			envoy.Start(t, envoy.Sidecar(host.Address, mesh.Namespace, podLabels), envoy.Options{ADS: control.Address})

			url := "http://" + host.At(in)
			client := traffic.Client(traffic.HTTP1, nil)
			for _, path := range []string{"/", "/.evenkeel/v1/peers"} {
				if status := get(t, client, url+path); status != c.application {
					t.Errorf("a request of a client to %s gets %d, not %d", path, status, c.application)
				}
			}
			if status, _ := exchange(t, client, url); status != c.own {
				t.Errorf("a request of a peer gets %d, not %d", status, c.own)
			}
		})
	}
}

func get(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func TestPodsRebalanceWithTheHTTPFilterOnDemand(t *testing.T) {
	t.Parallel()
	shop := identity.NewAuthority(t).Identity(mesh.Namespace, "shop")
	pair, app := newPodPair(t, shop)
	pods := startPodPair(t, pair, shop, forPod(t, fmt.Sprintf(peersOnly, pair.Cluster(), "same_identity"), serve(t)))
	for i, host := range pair.Hosts {
		for _, port := range []int{pair.Port, pair.Plain} {
			if disabled := envoy.Find(pods[i].Listener(host.Listener(port)), "disabled"); len(disabled) != 1 || disabled[0] != true {
				t.Errorf("port %d: disabled filters: %v", port, disabled)
			}
		}
	}

	load := traffic.Start(t, traffic.HTTP1, "http://"+pair.Hosts[0].At(pair.Plain)+"/", 12)
	poll.Until(t, "drains of the pod with all connections", func() bool {
		return pods[0].Stats().Evenkeel("drain_signals_total", "drain_reason=rebalance") >= 4
	})
	app.AssertEachOnce(t, load.Stop())
	for _, pod := range pods {
		assertRolesShareVMs(t, pod)
	}
}

// The HTTP filter for all requests has another name, so that a patch that was not deleted does not disable it.
func TestPatchThatIsLeftDoesNotDisableALaterFilter(t *testing.T) {
	t.Parallel()
	app, host, url := traffic.HTTP(t), mesh.NewHost(t), serve(t)
	in := host.Port()
	control := pilot.Start(t,
		mesh.Pod(host, []mesh.Inbound{{Port: in, Protocol: "HTTP", Application: app.Port}}, nil),
		forPod(t, fmt.Sprintf(peersOnly, "inbound|80||", "anyone"), url))
	proxy := envoy.Start(t, envoy.Sidecar(host.Address, mesh.Namespace, podLabels), envoy.Options{ADS: control.Address})
	control.Apply(t, forPod(t, frequent, url))
	poll.Until(t, "the filter for all requests", func() bool {
		return len(envoy.Find(proxy.Listener(host.Listener(in)), "config_discovery")) == 3
	})

	load := traffic.Start(t, traffic.HTTP1, "http://"+host.At(in)+"/", 2)
	waitForReconnects(t, load, 6)
	app.AssertEachOnce(t, load.Stop())
}

func TestIstioAcceptsThePatchOfTheHTTPFilter(t *testing.T) {
	t.Parallel()
	policy := fmt.Sprintf(peersOnly, "outbound|80||shop.shop.svc.cluster.local", "same_identity")
	for _, args := range [][]string{nil, {"--workload", "app=shop"}} {
		manifests := evenkeel.Render(t, policy, append(args, "--module", "oci://registry.example/evenkeel:0.1.0", "-n", "shop")...)
		reviews := pilot.Admit(t, manifests)
		if len(reviews) != 3 || reviews[2].Manifest != "EnvoyFilter evenkeel-peers" {
			t.Errorf("not two plugins and a patch: %+v", reviews)
		}
		for _, review := range reviews {
			if review.Rejection != "" || len(unexpected(review.Warnings)) > 0 {
				t.Errorf("%s: %s %q", review.Manifest, review.Rejection, review.Warnings)
			}
		}
	}
}
