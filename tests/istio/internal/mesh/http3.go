package mesh

import "fmt"

// SecureGateway is a gateway that speaks TLS and HTTP/3 on that port of every address: Istio names listeners by their
// addresses, and those of its gateways listen on all.
func SecureGateway(host Host, port int, service string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public, namespace: %[1]s }
spec:
  selector: { istio: public }
  servers:
    - port: { number: %[2]d, name: https, protocol: HTTPS }
      hosts: [ "*" ]
      tls: { mode: SIMPLE, serverCertificate: /own/cert.pem, privateKey: /own/key.pem }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: all, namespace: %[1]s }
spec:
  hosts: [ "*" ]
  gateways: [ public ]
  http: [ { route: [ { destination: { host: %[3]s, port: { number: %[4]d } } } ] } ]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: public, namespace: %[1]s }
spec: { address: %[5]s, labels: { istio: public } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: public, namespace: %[1]s }
spec:
  hosts: [ %[6]s ]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [ { number: %[2]d, name: quic, protocol: UDP } ]
  workloadSelector: { labels: { istio: public } }
`, Namespace, port, Name(service), Port, host.Address, Name("public"))
}
