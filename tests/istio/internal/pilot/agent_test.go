package pilot

import (
	"slices"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpwasm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	wasmextensions "github.com/envoyproxy/go-control-plane/envoy/extensions/wasm/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"istio.io/istio/pilot/pkg/xds"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pkg/wasm"

	"evenkeel/tests/istio/internal/poll"
)

// slowFirst is a cache in which the first module arrives after the release.
type slowFirst struct{ release chan struct{} }

func (c slowFirst) Get(url string, _ wasm.GetOptions) (string, error) {
	if url == "http://first/" {
		<-c.release
	}
	return "/module.wasm", nil
}

func (slowFirst) Cleanup() {}

// sent is a stream that records the versions it sends.
type sent struct {
	xds.DiscoveryStream
	versions chan string
}

func (s sent) Send(response *discovery.DiscoveryResponse) error {
	s.versions <- response.GetVersionInfo()
	return nil
}

func TestExtensionConfigurationsKeepTheirOrder(t *testing.T) {
	cache := slowFirst{release: make(chan struct{})}
	stream := sent{versions: make(chan string, 3)}
	proxy := newAgentStream(stream, &agent{cache: cache})
	go proxy.convert()
	defer close(proxy.extensions)

	for _, response := range []*discovery.DiscoveryResponse{
		extension(t, "1", "http://first/"),
		extension(t, "2", "http://second/"),
		{VersionInfo: "listeners", TypeUrl: v3.ListenerType},
	} {
		if err := proxy.Send(response); err != nil {
			t.Fatal(err)
		}
	}
	close(cache.release)

	var versions []string
	poll.Until(t, "all responses", func() bool {
		select {
		case version := <-stream.versions:
			versions = append(versions, version)
		default:
		}
		return len(versions) == cap(stream.versions)
	})
	// Only extension configurations wait for modules.
	if want := []string{"listeners", "1", "2"}; !slices.Equal(versions, want) {
		t.Errorf("sent %v, not %v", versions, want)
	}
}

// extension returns a response with a plugin whose module has this URL.
func extension(t *testing.T, version, url string) *discovery.DiscoveryResponse {
	t.Helper()
	plugin := &httpwasm.Wasm{Config: &wasmextensions.PluginConfig{Vm: &wasmextensions.PluginConfig_VmConfig{
		VmConfig: &wasmextensions.VmConfig{Code: &core.AsyncDataSource{Specifier: &core.AsyncDataSource_Remote{
			Remote: &core.RemoteDataSource{HttpUri: &core.HttpUri{Uri: url}},
		}}},
	}}}
	config := &core.TypedExtensionConfig{Name: "plugin", TypedConfig: pack(t, plugin)}
	return &discovery.DiscoveryResponse{
		VersionInfo: version,
		TypeUrl:     v3.ExtensionConfigurationType,
		Resources:   []*anypb.Any{pack(t, config)},
	}
}

func pack(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	packed, err := anypb.New(message)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}
