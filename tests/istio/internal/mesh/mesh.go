// Package mesh has the manifests of small meshes: a gateway, and pods with sidecars.
package mesh

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// Namespace is the namespace of all manifests.
const Namespace = "shop"

// Host is a loopback address for the listeners of one Envoy. Pilot must know their ports before, and on a separate address
// no other process takes them.
type Host struct {
	Address string
	t       testing.TB
}

// NewHost returns a random address.
func NewHost(t testing.TB) Host {
	return Host{fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)), t}
}

// AllAddresses returns the wildcard address.
func AllAddresses(t testing.TB) Host { return Host{"0.0.0.0", t} }

// Port returns a free port.
func (h Host) Port() int {
	h.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(h.Address, "0"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// At returns the address with this port.
func (h Host) At(port int) string { return net.JoinHostPort(h.Address, fmt.Sprint(port)) }

// Listener returns the name that Istio gives the listener on this port.
func (h Host) Listener(port int) string { return fmt.Sprintf("%s_%d", h.Address, port) }

// Service returns a service whose endpoint is an application on loopback.
func Service(name, protocol string, port, application int) string {
	return serviceEntry(name, "", fmt.Sprintf(`
  ports: [ { number: %d, name: main, protocol: %s } ]
  endpoints: [ { address: 127.0.0.1, ports: { main: %d } } ]`, port, protocol, application))
}

// serviceEntry returns a static service of the mesh; spec has its ports and endpoints.
func serviceEntry(name, labels, spec string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: %s, namespace: %s, labels: { %s } }
spec:
  hosts: [ %s ]
  location: MESH_INTERNAL
  resolution: STATIC%s
`, name, Namespace, labels, Name(name), spec)
}

// workloadEntry returns the address of a pod with these labels.
func workloadEntry(name, address, labels string) string {
	return fmt.Sprintf(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: %s, namespace: %s }
spec: { address: %s, labels: { %s } }
`, name, Namespace, address, labels)
}

// Name returns the full name of a service.
func Name(service string) string { return service + "." + Namespace + ".svc.cluster.local" }

// Port is the port of services whose port does not matter.
const Port = 8080

// Server is one server of a gateway.
type Server struct {
	Port     int
	Protocol string
	// Service is the destination.
	Service string
}

// Gateway returns a gateway for the pods with the label `istio: public`.
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

// Inbound is a port of a sidecar before the application of its pod.
type Inbound struct {
	Port        int
	Protocol    string
	Application int
}

// Outbound is a port of a sidecar for requests of its application to a service.
type Outbound struct {
	Port     int
	Protocol string
	Service  string
}

// Pod returns a pod of the service `shop` whose sidecar listens without iptables.
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
	return workloadEntry("shop", host.Address, "app: shop") + fmt.Sprintf(`---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: plain, namespace: %[1]s }
spec: { mtls: { mode: DISABLE } }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: shop, namespace: %[1]s }
spec:
%[2]s`, Namespace, spec)
}
