package envoy

import (
	"encoding/json"
	"fmt"
	"net"
)

// Node is the identity of an Envoy, by which pilot selects its configuration.
type Node struct {
	kind, address, namespace string
	labels                   map[string]string
	istio                    string
}

// Gateway returns a gateway whose pod has this address and these labels. No service may have an endpoint with this
// address: pilot would take its labels for the gateway's.
func Gateway(address, namespace string, labels map[string]string) Node {
	return Node{"router", address, namespace, labels, "1.31.0"}
}

// Sidecar returns the sidecar of a pod with this address and these labels, without iptables.
func Sidecar(address, namespace string, labels map[string]string) Node {
	return Node{"sidecar", address, namespace, labels, "1.31.0"}
}

// Waypoint returns a waypoint. To this version pilot sends no filter state that only Istio's build of Envoy can keep.
func Waypoint(address, namespace, name string) Node {
	return Node{"waypoint", address, namespace, map[string]string{
		"gateway.networking.k8s.io/gateway-name": name,
		"gateway.istio.io/managed":               "istio.io-mesh-controller",
	}, "1.29.1"}
}

// Istio returns the same proxy with another version of Istio, for EnvoyFilters that match a version.
func (n Node) Istio(version string) Node {
	n.istio = version
	return n
}

func (n Node) id() string {
	return fmt.Sprintf("%s~%s~pod.%s~%s.svc.cluster.local", n.kind, n.address, n.namespace, n.namespace)
}

// bootstrap returns the part of the bootstrap of istio-proxy that matters here: the node, ADS and SDS. The `stats_tags` are
// those of Evenkeel.
func (n Node) bootstrap(ads, sds *net.TCPAddr) ([]byte, error) {
	clusters := []any{grpcCluster("xds-grpc", ads)}
	if sds != nil {
		clusters = append(clusters, grpcCluster("sds-grpc", sds))
	}
	source := map[string]any{"ads": map[string]any{}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
	return json.Marshal(map[string]any{
		"node": map[string]any{
			"id":      n.id(),
			"cluster": "pod." + n.namespace,
			"metadata": map[string]any{
				"NAMESPACE":         n.namespace,
				"LABELS":            n.labels,
				"CLUSTER_ID":        "Kubernetes",
				"INTERCEPTION_MODE": "NONE",
				"ISTIO_VERSION":     n.istio,
				"SERVICE_ACCOUNT":   "shop",
			},
		},
		"admin": map[string]any{"address": socket(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})},
		"dynamic_resources": map[string]any{
			"ads_config": map[string]any{
				"api_type":              "GRPC",
				"transport_api_version": "V3",
				"grpc_services":         []any{map[string]any{"envoy_grpc": map[string]any{"cluster_name": "xds-grpc"}}},
			},
			"cds_config": source,
			"lds_config": source,
		},
		"static_resources": map[string]any{"clusters": clusters},
		// Waypoints have listeners inside.
		"bootstrap_extensions": []any{map[string]any{
			"name":         "envoy.bootstrap.internal_listener",
			"typed_config": map[string]any{"@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"},
		}},
	})
}

func grpcCluster(name string, address *net.TCPAddr) any {
	const options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	return map[string]any{
		"name": name,
		"typed_extension_protocol_options": map[string]any{
			options: map[string]any{
				"@type":                "type.googleapis.com/" + options,
				"explicit_http_config": map[string]any{"http2_protocol_options": map[string]any{}},
			},
		},
		"load_assignment": map[string]any{
			"cluster_name": name,
			"endpoints": []any{map[string]any{"lb_endpoints": []any{
				map[string]any{"endpoint": map[string]any{"address": socket(address)}},
			}}},
		},
	}
}

func socket(address *net.TCPAddr) any {
	return map[string]any{"socket_address": map[string]any{"address": address.IP.String(), "port_value": address.Port}}
}
