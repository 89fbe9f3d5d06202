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
	t.Run("with the HTTP filter for all requests", func(t *testing.T) {
		t.Parallel()
		assertSameIdentity(t, "both", http.StatusOK, "response ")
	})
	t.Run("with the HTTP filter on demand", func(t *testing.T) {
		t.Parallel()
		assertSameIdentity(t, "auto", http.StatusNotFound, "")
	})
}

// assertSameIdentity fails the test unless only the same identity gets a load report, and others this status and the
// beginning of this body.
func assertSameIdentity(t *testing.T, roles string, rejection int, body string) {
	t.Helper()
	authority := identity.NewAuthority(t)
	shop, cart := authority.Identity(mesh.Namespace, "shop"), authority.Identity(mesh.Namespace, "cart")
	pair, app := newPodPair(t, shop)
	policy := fmt.Sprintf(`{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "max_requests_per_connection": 20},
		"peers": {"cluster": %q, "trust": "same_identity"}}`, pair.Cluster())
	pods := startPodPair(t, pair, shop, forPod(t, policy, serve(t), "--roles", roles))
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
		status, response := exchange(t, c.client, c.url)
		if status != rejection || !strings.HasPrefix(response, body) || body == "" && response != "" {
			t.Errorf("%s gets %d %s", who, status, response)
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

// newPodPair returns two pods before one application.
func newPodPair(t *testing.T, own *identity.Identity) (mesh.PodPair, *traffic.Backend) {
	t.Helper()
	app := traffic.HTTP(t)
	pair := mesh.PodPair{
		Hosts: [2]mesh.Host{mesh.NewHost(t), mesh.NewHost(t)}, Out: mesh.NewHost(t),
		Application: app.Port, Identity: own.URI,
	}
	pair.Port, pair.Plain = pair.Hosts[0].Port(), pair.Hosts[0].Port()
	return pair, app
}

// startPodPair starts the pods with these plugins, and waits until each has a load report of the other.
func startPodPair(t *testing.T, pair mesh.PodPair, own *identity.Identity, plugins string) []*envoy.Envoy {
	t.Helper()
	control := pilot.Start(t, pair.Manifests(), plugins)
	var pods []*envoy.Envoy
	for i, host := range pair.Hosts {
		labels := map[string]string{"app": "shop", "pod": fmt.Sprintf("pod-%d", i)}
		node := envoy.Sidecar(host.Address, mesh.Namespace, labels)
		pods = append(pods, envoy.Start(t, node, envoy.Options{ADS: control.Address, SDS: own.ServeSDS(t)}))
	}
	for _, pod := range pods {
		poll.Until(t, "the load report of the peer", func() bool { return pod.Stats().Evenkeel("peers_known") == 1 })
	}
	return pods
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
