package mesh

import "fmt"

// SecureGateway returns a gateway for TLS and HTTP/3 on this port of all addresses: Istio names listeners by their
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
---`, Namespace, port, Name(service), Port) +
		workloadEntry("public", host.Address, "istio: public") + "---" + serviceEntry("public", "", fmt.Sprintf(`
  ports: [ { number: %d, name: quic, protocol: UDP } ]
  workloadSelector: { labels: { istio: public } }`, port))
}
