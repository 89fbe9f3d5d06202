package istio

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/identity"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/poll"
	"evenkeel/tests/istio/internal/traffic"
)

func TestMutualTLSLimitsExchangesToTheSameIdentity(t *testing.T) {
	t.Parallel()
	authority := identity.NewAuthority(t)
	shop, cart := authority.Identity(mesh.Namespace, "shop"), authority.Identity(mesh.Namespace, "cart")
	app := traffic.HTTP(t)
	pair := mesh.PodPair{
		Hosts: [2]mesh.Host{mesh.NewHost(t), mesh.NewHost(t)}, Out: mesh.NewHost(t),
		Application: app.Port, Identity: shop.URI,
	}
	pair.Port, pair.Plain = pair.Hosts[0].Port(), pair.Hosts[0].Port()
	policy := fmt.Sprintf(`{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "max_requests_per_connection": 20},
		"peers": {"cluster": %q, "trust": "same_identity"}}`, pair.Cluster())
	control := pilot.Start(t, pair.Manifests(), forPod(t, policy, serve(t)))
	var pods []*envoy.Envoy
	for i, host := range pair.Hosts {
		labels := map[string]string{"app": "shop", "pod": fmt.Sprintf("pod-%d", i)}
		node := envoy.Sidecar(host.Address, mesh.Namespace, labels)
		pods = append(pods, envoy.Start(t, node, envoy.Options{ADS: control.Address, SDS: shop.ServeSDS(t)}))
	}

	for _, pod := range pods {
		poll.Until(t, "the load report of the peer", func() bool { return pod.Stats().Evenkeel("peers_known") == 1 })
	}
	if requests := app.Requests(); requests != 0 {
		t.Errorf("the application got %d exchanges", requests)
	}

	pod := pair.Hosts[0]
	mutual, plain := "https://"+pod.At(pair.Port), "http://"+pod.At(pair.Plain)
	status, response := exchange(t, traffic.Client(traffic.HTTP1, shop.Client(shop.URI)), mutual)
	if status != http.StatusOK || !strings.HasPrefix(response, `{"v":1,"peers":[[`) {
		t.Errorf("the same identity gets %d %s", status, response)
	}
	if requests := app.Requests(); requests != 0 {
		t.Errorf("the application got %d exchanges", requests)
	}
	for who, c := range map[string]struct {
		client *http.Client
		url    string
	}{
		"another identity": {traffic.Client(traffic.HTTP1, cart.Client(shop.URI)), mutual},
		"plain text":       {traffic.Client(traffic.HTTP1, nil), plain},
	} {
		if _, response := exchange(t, c.client, c.url); !strings.HasPrefix(response, "response ") {
			t.Errorf("%s gets %s, not a response of the application", who, response)
		}
	}
	if rejected := pods[0].Stats().Evenkeel("peer_exchanges_total", "exchange_result=rejected_identity"); rejected != 2 {
		t.Errorf("%d rejected exchanges instead of 2", rejected)
	}

	// Requests through both sidecars are served.
	before := app.Requests()
	load := traffic.StartSecure(t, traffic.HTTP1, shop.Client(shop.URI), mutual+"/", 2)
	waitForReconnects(t, load, 6)
	sent := len(load.Stop())
	if came := app.Requests() - before; came != sent {
		t.Errorf("%d requests were sent, %d came", sent, came)
	}
	for _, pod := range pods {
		assertRolesShareVMs(t, pod)
	}
}

// exchange sends the request of an exchange to a pod.
func exchange(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url+"/.evenkeel/v1/peers", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "evenkeel"
	request.Header.Set("evenkeel-peers", `{"v":1,"peers":[[7,1000000,0,0,0,1000,1000,0,0]]}`)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}
