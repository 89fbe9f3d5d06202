package istio

import (
	"fmt"
	"reflect"
	"testing"

	"evenkeel/tests/istio/internal/envoy"
	"evenkeel/tests/istio/internal/mesh"
	"evenkeel/tests/istio/internal/pilot"
	"evenkeel/tests/istio/internal/traffic"
)

const keepalive = `{"version": 1, "upstream": {"max_requests_per_connection": 1000}, "keepalive": {
	"http2": {"interval": "45s", "timeout": "5s"}, "upstream_http2": {"interval": "6m", "timeout": "7s"}, "tcp": {"time": "120s", "interval": "7s", "probes": 4}}}`

var (
	pings     = map[string]any{"interval": "45s", "timeout": "5s"}
	toServers = map[string]any{"interval": "360s", "timeout": "7s"}
	probes    = map[string]any{"keepalive_probes": 4.0, "keepalive_time": 120.0, "keepalive_interval": 7.0}
	// The same as socket options, for Envoys without the field.
	options = []any{option(1, 9, 1), option(6, 4, 120), option(6, 5, 7), option(6, 6, 4)}
)

func option(level, name int, value any) any { return fmt.Sprintf("%d.%d=%v", level, name, value) }

func TestKeepaliveOfPodIsConfiguredInEveryVersionOfIstio(t *testing.T) {
	t.Parallel()
	for minor := 24; minor <= 31; minor++ {
		version := fmt.Sprintf("1.%d", minor)
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			app, other := traffic.HTTP(t), traffic.HTTP(t)
			host := mesh.NewHost(t)
			in, out := host.Port(), host.Port()
			control := pilot.Start(t,
				mesh.Service("other", "HTTP2", out, other.Port),
				mesh.Pod(host,
					[]mesh.Inbound{{Port: in, Protocol: "HTTP", Application: app.Port}},
					[]mesh.Outbound{{Port: out, Protocol: "HTTP2", Service: "other"}}),
				forPod(t, keepalive, serve(t), "--istio", version, "--host", mesh.Name("other"), "--http2-port", fmt.Sprint(out)))
			node := envoy.Sidecar(host.Address, mesh.Namespace, podLabels).Istio(version + ".0")
			proxy := envoy.Start(t, node, envoy.Options{ADS: control.Address})

			inbound, outbound := proxy.Listener(host.Listener(in)), proxy.Listener(host.Listener(out))
			assertFound(t, "PINGs to clients", envoy.Find(inbound, "connection_keepalive"), pings)
			assertFound(t, "PINGs to the application", envoy.Find(outbound, "connection_keepalive"))
			assertProbes(t, inbound)
			cluster := proxy.Cluster(fmt.Sprintf("outbound|%d||%s", out, mesh.Name("other")))
			assertFound(t, "PINGs to servers", envoy.Find(cluster, "connection_keepalive"), toServers)
			assertFound(t, "probes of servers", envoy.Find(cluster, "tcp_keepalive"), probes)
			assertFound(t, "requests on a connection to a server", envoy.Find(cluster, "max_requests_per_connection"), 1000.0)
			if http2 := envoy.Find(cluster, "explicit_http_config"); len(http2) != 1 || len(envoy.Find(http2, "http2_protocol_options")) != 1 {
				t.Errorf("the cluster of an HTTP/2 service has lost HTTP/2: %v", http2)
			}

			load := traffic.StartAs(t, traffic.HTTP2, "http://"+host.At(out)+"/", mesh.Name("other"), 2)
			load.WaitForResponses(50)
			other.AssertEachOnce(t, load.Stop())
		})
	}
}

func TestKeepaliveOfGatewayIsConfigured(t *testing.T) {
	t.Parallel()
	site := startGateway(t, forGateway(t, keepalive, serve(t), "--host", mesh.Name("app")))

	listener := site.envoy.Listener(site.listener)
	assertFound(t, "PINGs to clients", envoy.Find(listener, "connection_keepalive"), pings)
	assertProbes(t, listener)
	cluster := site.envoy.Cluster(fmt.Sprintf("outbound|%d||%s", mesh.Port, mesh.Name("app")))
	assertFound(t, "probes of servers", envoy.Find(cluster, "tcp_keepalive"), probes)
	load := traffic.Start(t, traffic.HTTP2, site.url, 2)
	load.WaitForResponses(50)
	site.app.AssertEachOnce(t, load.Stop())
}

// assertProbes fails the test unless the listener has keepalive probes in one of the two forms.
func assertProbes(t *testing.T, listener any) {
	t.Helper()
	if found := envoy.Find(listener, "tcp_keepalive"); len(found) > 0 {
		assertFound(t, "probes of clients", found, probes)
		return
	}
	var set []any
	for _, list := range envoy.Find(listener, "socket_options") {
		for _, each := range list.([]any) {
			o := each.(map[string]any)
			set = append(set, fmt.Sprintf("%v.%v=%v", o["level"], o["name"], o["int_value"]))
		}
	}
	assertFound(t, "socket options", set, options...)
}

func assertFound(t *testing.T, what string, found []any, wanted ...any) {
	t.Helper()
	if len(found) == 0 && len(wanted) == 0 {
		return
	}
	if !reflect.DeepEqual(found, wanted) {
		t.Errorf("%s: %v instead of %v", what, found, wanted)
	}
}
