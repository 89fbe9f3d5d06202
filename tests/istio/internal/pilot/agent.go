package pilot

import (
	"slices"
	"sync"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"istio.io/istio/pilot/pkg/xds"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/wasm"
)

// agent is between pilot and an Envoy, as in istio-proxy: it fetches wasm modules with code of Istio and replaces them by
// local files, while other messages pass.
//
// The complete agent of Istio writes below /var/lib, which needs root. Its handling of extension configurations is in
// pkg/wasm, which is used here.
type agent struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
	pilot *xds.DiscoveryServer
	cache wasm.Cache

	mu       sync.Mutex
	refusals []string
}

// StreamAggregatedResources serves one Envoy.
func (a *agent) StreamAggregatedResources(stream xds.DiscoveryStream) error {
	proxy := newAgentStream(stream, a)
	defer close(proxy.extensions)
	go proxy.convert()
	return a.pilot.Stream(proxy)
}

func (a *agent) reject(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals = append(a.refusals, what)
}

// rejections returns what an Envoy has rejected or the agent could not convert.
func (a *agent) rejections() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.refusals)
}

// maxWaiting is the number of extension configurations that can wait for a fetch before pilot waits, too.
const maxWaiting = 64

type agentStream struct {
	xds.DiscoveryStream
	agent      *agent
	extensions chan *discovery.DiscoveryResponse
	sending    sync.Mutex
}

func newAgentStream(stream xds.DiscoveryStream, agent *agent) *agentStream {
	return &agentStream{
		DiscoveryStream: stream,
		agent:           agent,
		extensions:      make(chan *discovery.DiscoveryResponse, maxWaiting),
	}
}

// Recv records rejections of the Envoy.
func (s *agentStream) Recv() (*discovery.DiscoveryRequest, error) {
	request, err := s.DiscoveryStream.Recv()
	if err == nil && request.GetErrorDetail() != nil {
		s.agent.reject(request.GetTypeUrl() + ": " + request.GetErrorDetail().GetMessage())
	}
	return request, err
}

// Send forwards messages; extension configurations after their modules have been fetched. Unlike the agent of Istio, which
// converts each in a goroutine of its own, this one keeps their order, so that tests do not depend on how long a fetch takes.
func (s *agentStream) Send(response *discovery.DiscoveryResponse) error {
	if response.GetTypeUrl() != v3.ExtensionConfigurationType {
		return s.forward(response)
	}
	s.extensions <- response
	return nil
}

// convert forwards extension configurations until the Envoy has gone.
func (s *agentStream) convert() {
	for response := range s.extensions {
		if err := wasm.MaybeConvertWasmExtensionConfig(response.Resources, s.agent.cache); err != nil {
			s.agent.reject("the agent: " + err.Error())
			continue
		}
		// An Envoy that has gone needs nothing any more.
		_ = s.forward(response)
	}
}

func (s *agentStream) forward(response *discovery.DiscoveryResponse) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.DiscoveryStream.Send(response)
}
