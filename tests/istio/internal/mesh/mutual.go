package mesh

import (
	"fmt"
	"strings"
)

// PodPair is two pods of the service `shop` with mutual TLS between them.
type PodPair struct {
	// Hosts are the addresses of their sidecars.
	Hosts [2]Host
	// Port is the port of the service, Plain one without TLS to the same application.
	Port, Plain int
	// Out is the address of the sidecars for outbound requests.
	Out Host
	// Application is the port of the application of both pods.
	Application int
	// Identity is the URI in the certificates of both.
	Identity string
}

// Cluster returns Envoy's name of their service.
func (t PodPair) Cluster() string { return fmt.Sprintf("outbound|%d||%s", t.Port, Name("shop")) }

// Manifests returns their manifests.
func (t PodPair) Manifests() string {
	var all strings.Builder
	all.WriteString(serviceEntry("shop", "", fmt.Sprintf(`
  ports: [ { number: %d, name: http, protocol: HTTP } ]
  workloadSelector: { labels: { app: shop } }
  subjectAltNames: [ "%s" ]`, t.Port, t.Identity)))
	fmt.Fprintf(&all, `---
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
  portLevelMtls: { %[3]d: { mode: DISABLE } }
`, Namespace, Name("shop"), t.Plain)
	for i, host := range t.Hosts {
		pod := fmt.Sprintf("pod-%d", i)
		all.WriteString("---" + workloadEntry(pod, host.Address, "app: shop, pod: "+pod))
		fmt.Fprintf(&all, `---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: %[2]s, namespace: %[1]s }
spec:
  workloadSelector: { labels: { pod: %[2]s } }
  ingress:
    - { port: { number: %[4]d, name: http, protocol: HTTP }, bind: %[3]s, captureMode: NONE, defaultEndpoint: "127.0.0.1:%[6]d" }
    - { port: { number: %[5]d, name: plain, protocol: HTTP }, bind: %[3]s, captureMode: NONE, defaultEndpoint: "127.0.0.1:%[6]d" }
  egress:
    - { port: { number: %[4]d, name: out, protocol: HTTP }, bind: %[7]s, captureMode: NONE, hosts: [ "./%[8]s" ] }
`, Namespace, pod, host.Address, t.Port, t.Plain, t.Application, t.Out.Address, Name("shop"))
	}
	return all.String()
}
