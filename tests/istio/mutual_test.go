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

func TestOverMutualTLSPodsKnowEachOtherAndAnswerOnlyTheirOwnIdentity(t *testing.T) {
	t.Parallel()
	authority := identity.NewAuthority(t)
	shop, cart := authority.Identity(mesh.Namespace, "shop"), authority.Identity(mesh.Namespace, "cart")
	app := traffic.HTTP(t)
	twins := mesh.Twins{
		Hosts: [2]mesh.Host{mesh.NewHost(t), mesh.NewHost(t)}, Out: mesh.NewHost(t),
		Application: app.Port, Identity: shop.URI,
	}
	twins.Port, twins.Plain = twins.Hosts[0].Port(), twins.Hosts[0].Port()
	policy := fmt.Sprintf(`{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "max_requests_per_connection": 20},
		"peers": {"cluster": %q, "trust": "same_identity"}}`, twins.Cluster())
	control := pilot.Start(t, twins.Manifests(), forPod(t, policy, serve(t)))
	var pods []*envoy.Envoy
	for i, host := range twins.Hosts {
		labels := map[string]string{"app": "shop", "pod": fmt.Sprintf("pod-%d", i)}
		node := envoy.Sidecar(host.Address, mesh.Namespace, labels)
		pods = append(pods, envoy.Start(t, node, envoy.Options{ADS: control.Address, SDS: shop.ServeSDS(t)}))
	}

	for _, pod := range pods {
		poll.Until(t, "the pods to know each other", func() bool { return pod.Stats().Evenkeel("peers_known") == 1 })
	}
	if asked := app.Requests(); asked != 0 {
		t.Errorf("the application saw %d questions", asked)
	}

	pod := twins.Hosts[0]
	mutual, plain := "https://"+pod.At(twins.Port), "http://"+pod.At(twins.Plain)
	status, answer := question(t, traffic.Client(traffic.HTTP1, shop.Client(shop.URI)), mutual)
	if status != http.StatusOK || !strings.HasPrefix(answer, `{"v":1,"peers":[[`) {
		t.Errorf("the own identity is answered %d %s", status, answer)
	}
	if asked := app.Requests(); asked != 0 {
		t.Errorf("the application saw %d questions", asked)
	}
	for who, c := range map[string]struct {
		client *http.Client
		url    string
	}{
		"another identity": {traffic.Client(traffic.HTTP1, cart.Client(shop.URI)), mutual},
		"plain text":       {traffic.Client(traffic.HTTP1, nil), plain},
	} {
		if _, answer := question(t, c.client, c.url); !strings.HasPrefix(answer, "answer ") {
			t.Errorf("%s is not answered by the application, but %s", who, answer)
		}
	}
	if refused := pods[0].Stats().Evenkeel("peer_exchanges_total", "exchange_result=rejected_identity"); refused != 2 {
		t.Errorf("%d strangers are counted instead of 2", refused)
	}

	// And what the pods are there for goes on: calls through a sidecar, mutual TLS, and the other's sidecar.
	already := app.Requests()
	load := traffic.StartSecure(t, traffic.HTTP1, shop.Client(shop.URI), mutual+"/", 2)
	moves(t, load, 6)
	sent := len(load.Stop())
	if came := app.Requests() - already; came != sent {
		t.Errorf("%d requests were sent, %d came", sent, came)
	}
	for _, pod := range pods {
		bothRolesShareVMs(t, pod)
	}
}

// question asks what a pod carries, as the pods ask each other.
func question(t *testing.T, client *http.Client, url string) (int, string) {
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
