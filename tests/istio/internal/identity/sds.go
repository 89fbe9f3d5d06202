package identity

import (
	"net"
	"strings"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// sds serves an Envoy its certificate and trust anchors, as the agent in its pod does.
type sds struct {
	secret.UnimplementedSecretDiscoveryServiceServer
	secrets map[string]*tlsv3.Secret
}

// ServeSDS serves this identity under the names that Istio uses.
func (i *Identity) ServeSDS(t testing.TB) *net.TCPAddr {
	t.Helper()
	key, err := i.keyPEM()
	if err != nil {
		t.Fatal(err)
	}
	own := &tlsv3.Secret{Name: "default", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: inline(certificatePEM(i.der)),
		PrivateKey:       inline(key),
	}}}
	trusted := &tlsv3.Secret{Name: "ROOTCA", Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
		TrustedCa: inline(certificatePEM(i.authority.certificate.Raw)),
	}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	secret.RegisterSecretDiscoveryServiceServer(server, &sds{secrets: map[string]*tlsv3.Secret{own.Name: own, trusted.Name: trusted}})
	// Serve returns when the server is stopped.
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().(*net.TCPAddr)
}

func inline(text []byte) *core.DataSource {
	return &core.DataSource{Specifier: &core.DataSource_InlineBytes{InlineBytes: text}}
}

// StreamSecrets responds to each first request; secrets do not change.
func (s *sds) StreamSecrets(stream secret.SecretDiscoveryService_StreamSecretsServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if request.GetResponseNonce() != "" {
			continue
		}
		response := &discovery.DiscoveryResponse{VersionInfo: "1", Nonce: "1", TypeUrl: request.GetTypeUrl()}
		for _, name := range request.GetResourceNames() {
			if known := s.named(name); known != nil {
				resource, err := anypb.New(known)
				if err != nil {
					return err
				}
				response.Resources = append(response.Resources, resource)
			}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// named returns a secret. The certificate of a gateway, which Istio names by its files, is the same as the pod's.
func (s *sds) named(name string) *tlsv3.Secret {
	if !strings.HasPrefix(name, "file-cert:") {
		return s.secrets[name]
	}
	own := proto.CloneOf(s.secrets["default"])
	own.Name = name
	return own
}
