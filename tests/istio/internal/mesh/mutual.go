package mesh

import (
	"fmt"
	"strings"
)

// Twins are two pods of the service `shop` that speak mutual TLS with each other.
type Twins struct {
	// Hosts are where their sidecars listen.
	Hosts [2]Host
	// Port is the service's own, Plain another one without TLS; both are of the same application.
	Port, Plain int
	// Out is where the sidecars listen for what the applications call.
	Out Host
	// Application is the port of the one that answers for both.
	Application int
	// Identity is what both show.
	Identity string
}

// Cluster is Envoy's name for their service.
func (t Twins) Cluster() string { return fmt.Sprintf("outbound|%d||%s", t.Port, Name("shop")) }

// Manifests describe them to pilot.
func (t Twins) Manifests() string {
	var all strings.Builder
	fmt.Fprintf(&all, `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: shop, namespace: %[1]s }
spec:
  hosts: [ %[2]s ]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [ { number: %[3]d, name: http, protocol: HTTP } ]
  workloadSelector: { labels: { app: shop } }
  subjectAltNames: [ "%[4]s" ]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: mutual, namespace: %[1]s }
spec: { host: %[2]s, trafficPolicy: { tls: { mode: ISTIO_MUTUAL } } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: mutual, namespace: %[1]s }
spec:
  selector: { matchLabels: { app: shop } }
  mtls: { mode: STRICT }
  portLevelMtls: { %[5]d: { mode: DISABLE } }
`, Namespace, Name("shop"), t.Port, t.Identity, t.Plain)
	for i, host := range t.Hosts {
		fmt.Fprintf(&all, `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: pod-%[2]d, namespace: %[1]s }
spec: { address: %[3]s, labels: { app: shop, pod: pod-%[2]d } }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: pod-%[2]d, namespace: %[1]s }
spec:
  workloadSelector: { labels: { pod: pod-%[2]d } }
  ingress:
    - { port: { number: %[4]d, name: http, protocol: HTTP }, bind: %[3]s, captureMode: NONE, defaultEndpoint: "127.0.0.1:%[6]d" }
    - { port: { number: %[5]d, name: plain, protocol: HTTP }, bind: %[3]s, captureMode: NONE, defaultEndpoint: "127.0.0.1:%[6]d" }
  egress:
    - { port: { number: %[4]d, name: out, protocol: HTTP }, bind: %[7]s, captureMode: NONE, hosts: [ "./%[8]s" ] }
`, Namespace, i, host.Address, t.Port, t.Plain, t.Application, t.Out.Address, Name("shop"))
	}
	return all.String()
}
