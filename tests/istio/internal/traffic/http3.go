package traffic

import (
	"context"
	"crypto/tls"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// overQUIC returns a transport that counts its connections.
func (l *Load) overQUIC(config *tls.Config) http.RoundTripper {
	transport := &http3.Transport{TLSClientConfig: config}
	transport.Dial = func(ctx context.Context, address string, tls *tls.Config, options *quic.Config) (*quic.Conn, error) {
		l.connections.Add(1)
		return quic.DialAddr(ctx, address, tls, options)
	}
	return transport
}
