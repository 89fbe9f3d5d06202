package traffic

import (
	"context"
	"crypto/tls"
	"errors"
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

// isUnsent returns whether quic-go itself closed the connection of a request that it had not sent: a GOAWAY that arrives
// after a request has its stream, and before the stream counts as active, closes the connection as an idle one (v0.65.0).
// No other client returns this error.
func isUnsent(err error) bool {
	own, ok := errors.AsType[*http3.Error](err)
	return ok && !own.Remote && own.ErrorCode == http3.ErrCodeNoError
}
