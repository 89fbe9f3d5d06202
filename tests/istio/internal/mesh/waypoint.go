package mesh

import "fmt"

// WaypointPort is the port of every waypoint, on all addresses.
const WaypointPort = 15008

// VIP is the address of the service behind a waypoint.
const VIP = "10.20.30.40"

// Waypoint returns a waypoint at the host's address before a service whose endpoint is an application on loopback.
func Waypoint(host Host, service string, application int) string {
	return fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: %[1]s }
spec:
  gatewayClassName: istio-waypoint
  listeners: [ { name: mesh, port: %[2]d, protocol: HBONE } ]
status: { addresses: [ { type: Hostname, value: waypoint.%[1]s.svc.cluster.local } ] }
---
apiVersion: v1
kind: Service
metadata:
  name: waypoint
  namespace: %[1]s
  labels:
    gateway.istio.io/managed: istio.io-mesh-controller
    gateway.networking.k8s.io/gateway-name: waypoint
    istio.io/gateway-name: waypoint
spec:
  clusterIP: 10.20.30.41
  ports: [ { name: mesh, port: %[2]d, appProtocol: hbone } ]
  selector: { gateway.networking.k8s.io/gateway-name: waypoint }
---`, Namespace, WaypointPort) +
		workloadEntry("waypoint", host.Address, "gateway.networking.k8s.io/gateway-name: waypoint") + "---" +
		serviceEntry(service, "istio.io/use-waypoint: waypoint", fmt.Sprintf(`
  addresses: [ %s ]
  ports: [ { number: %d, name: http, protocol: HTTP } ]
  endpoints: [ { address: 127.0.0.1, ports: { http: %d } } ]`, VIP, Port, application))
}
