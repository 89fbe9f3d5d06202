// Package mesh writes down the small meshes that the tests run: a gateway, and pods with sidecars.
package mesh

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// Namespace is where everything is.
const Namespace = "shop"

// Host is a loopback address that nothing else uses, for the listeners of one Envoy: pilot has to know their
// ports beforehand, and on an address of its own nobody takes them meanwhile.
type Host struct {
	Address string
	t       testing.TB
}

// NewHost finds one.
func NewHost(t testing.TB) Host {
	return Host{fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)), t}
}

// Everywhere is all addresses of this machine.
func Everywhere(t testing.TB) Host { return Host{"0.0.0.0", t} }

// Port is a free one there.
func (h Host) Port() int {
	h.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(h.Address, "0"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// At is host and port.
func (h Host) At(port int) string { return net.JoinHostPort(h.Address, fmt.Sprint(port)) }

// Listener is the name that Istio gives the listener on that port.
func (h Host) Listener(port int) string { return fmt.Sprintf("%s_%d", h.Address, port) }

// Service is a service behind a gateway, or beyond a sidecar, answered by an application on loopback.
func Service(name, protocol string, port, application int) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: %[1]s, namespace: %[4]s }
spec:
  hosts: [ %[5]s ]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [ { number: %[6]d, name: main, protocol: %[2]s } ]
  endpoints: [ { address: 127.0.0.1, ports: { main: %[3]d } } ]
`, name, protocol, application, Namespace, Name(name), port)
}

// Name is the full name of a service.
func Name(service string) string { return service + "." + Namespace + ".svc.cluster.local" }

// Port is that of a service for which it does not matter.
const Port = 8080

// Server is one server of a gateway.
type Server struct {
	Port     int
	Protocol string
	// Service is who answers.
	Service string
}

// Gateway is a gateway for the pods labelled `istio: public`.
func Gateway(host Host, servers ...Server) string {
	var listed, routes strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&listed, "    - { port: { number: %d, name: port-%d, protocol: %s }, bind: %s, hosts: [ \"*\" ] }\n",
			s.Port, s.Port, s.Protocol, host.Address)
		kind, match := "http", fmt.Sprintf("name: to-%s, match: [ { port: %d } ]", s.Service, s.Port)
		if s.Protocol == "TCP" {
			kind, match = "tcp", fmt.Sprintf("match: [ { port: %d } ]", s.Port)
		}
		fmt.Fprintf(&routes, `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: to-%[1]s, namespace: %[2]s }
spec:
  hosts: [ "*" ]
  gateways: [ public ]
  %[3]s: [ { %[4]s, route: [ { destination: { host: %[5]s, port: { number: %[6]d } } } ] } ]
`, s.Service, Namespace, kind, match, Name(s.Service), Port)
	}
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: public, namespace: %s }
spec:
  selector: { istio: public }
  servers:
%s%s`, Namespace, &listed, &routes)
}

// Inbound is a port of a pod that its sidecar listens on for the application.
type Inbound struct {
	Port        int
	Protocol    string
	Application int
}

// Outbound is a port on which a pod's sidecar listens for what the application calls: the service's own.
type Outbound struct {
	Port     int
	Protocol string
	Service  string
}

// Pod is a pod of the service `shop`, whose sidecar listens without iptables.
func Pod(host Host, in []Inbound, out []Outbound) string {
	var ingress, egress strings.Builder
	for _, i := range in {
		fmt.Fprintf(&ingress, "    - { port: { number: %d, name: in-%d, protocol: %s }, bind: %s, captureMode: NONE, defaultEndpoint: \"127.0.0.1:%d\" }\n",
			i.Port, i.Port, i.Protocol, host.Address, i.Application)
	}
	for _, o := range out {
		fmt.Fprintf(&egress, "    - { port: { number: %d, name: out-%d, protocol: %s }, bind: %s, captureMode: NONE, hosts: [ \"./%s\" ] }\n",
			o.Port, o.Port, o.Protocol, host.Address, Name(o.Service))
	}
	spec := "  workloadSelector: { labels: { app: shop } }\n"
	if ingress.Len() > 0 {
		spec += "  ingress:\n" + ingress.String()
	}
	if egress.Len() > 0 {
		spec += "  egress:\n" + egress.String()
	}
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: shop, namespace: %[1]s }
spec: { address: %[2]s, labels: { app: shop } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: plain, namespace: %[1]s }
spec: { mtls: { mode: DISABLE } }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: shop, namespace: %[1]s }
spec:
%[3]s`, Namespace, host.Address, spec)
}
