package pilot

import (
	"slices"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pilot/pkg/xds"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/wasm"
)

// agent stands between pilot and an Envoy as the one in every istio-proxy does: wasm modules are fetched by its
// own code and become local files, beside everything else that goes to the Envoy meanwhile.
//
// The whole agent of Istio writes below /var/lib and needs root for it; what it does with extension
// configurations is pkg/wasm, which is used here as there.
type agent struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
	pilot *xds.DiscoveryServer
	cache wasm.Cache

	mu       sync.Mutex
	refusals []string
}

// StreamAggregatedResources serves one Envoy.
func (a *agent) StreamAggregatedResources(stream xds.DiscoveryStream) error {
	return a.pilot.Stream(&agentStream{DiscoveryStream: stream, agent: a})
}

func (a *agent) refused(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals = append(a.refusals, what)
}

// refusedSoFar is what any Envoy has refused, or the agent could not convert.
func (a *agent) refusedSoFar() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.refusals)
}

type agentStream struct {
	xds.DiscoveryStream
	agent   *agent
	sending sync.Mutex
}

// Recv notes what the Envoy refuses.
func (s *agentStream) Recv() (*discovery.DiscoveryRequest, error) {
	request, err := s.DiscoveryStream.Recv()
	if err == nil && request.GetErrorDetail() != nil {
		s.agent.refused(request.GetTypeUrl() + ": " + request.GetErrorDetail().GetMessage())
	}
	return request, err
}

// Send hands everything on, extension configurations once their modules are there.
func (s *agentStream) Send(response *discovery.DiscoveryResponse) error {
	if response.GetTypeUrl() != v3.ExtensionConfigurationType {
		return s.forward(response)
	}
	go func() {
		if err := wasm.MaybeConvertWasmExtensionConfig(response.Resources, s.agent.cache); err != nil {
			s.agent.refused("the agent: " + err.Error())
			return
		}
		// An Envoy that has gone needs nothing any more.
		_ = s.forward(response)
	}()
	return nil
}

func (s *agentStream) forward(response *discovery.DiscoveryResponse) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.DiscoveryStream.Send(response)
}
