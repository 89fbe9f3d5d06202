package traffic

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"evenkeel/tests/istio/internal/poll"
)

// Protocol is the HTTP version of a client.
type Protocol int

// HTTP1 and HTTP2 are of Go's client, without TLS; HTTP3 is of quic-go.
const (
	HTTP1 Protocol = iota
	HTTP2
	HTTP3
)

// Load is a group of clients that send requests until they are stopped.
type Load struct {
	t           testing.TB
	stop        chan struct{}
	clients     sync.WaitGroup
	connections atomic.Int64
	responses   atomic.Int64

	mu       sync.Mutex
	ids      []string
	failures []string
	unsent   int
	// The most unsent requests that do not fail the test.
	mostUnsent int
	longest    time.Duration
}

var ids atomic.Int64

// NewID returns an id that no other request has.
func NewID() string { return fmt.Sprintf("r%d", ids.Add(1)) }

// Start starts HTTP clients that send POSTs: Go's client does not retry a POST that may have been delivered.
func Start(t testing.TB, protocol Protocol, url string, clients int) *Load {
	t.Helper()
	return StartAs(t, protocol, url, "", clients)
}

// StartAs is [Start] with another host than the address, as for an application with a sidecar.
func StartAs(t testing.TB, protocol Protocol, url, host string, clients int) *Load {
	t.Helper()
	return start(t, url, host, clients, func(l *Load) http.RoundTripper { return l.transport(protocol, nil, new(net.Dialer)) })
}

// StartSecure is [Start] with mutual TLS.
func StartSecure(t testing.TB, protocol Protocol, tls *tls.Config, url string, clients int) *Load {
	t.Helper()
	return start(t, url, "", clients, func(l *Load) http.RoundTripper { return l.transport(protocol, tls, new(net.Dialer)) })
}

// StartThrough is [Start] for HTTP/1 clients whose connections a dialer opens.
func StartThrough(t testing.TB, through Dialer, url string, clients int) *Load {
	t.Helper()
	return start(t, url, "", clients, func(l *Load) http.RoundTripper { return l.transport(HTTP1, nil, through) })
}

// Dialer opens connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

func start(t testing.TB, url, host string, clients int, transport func(*Load) http.RoundTripper) *Load {
	t.Helper()
	load := &Load{t: t, stop: make(chan struct{})}
	for range clients {
		client := &http.Client{Transport: transport(load), Timeout: poll.Timeout}
		load.clients.Go(func() {
			defer client.CloseIdleConnections()
			for !load.over() {
				load.once(func(id string) (string, error) { return post(client, url, host, id) })
			}
		})
	}
	load.stopAfter(t)
	return load
}

// stopAfter stops the clients at the end of the test.
func (l *Load) stopAfter(t testing.TB) {
	t.Cleanup(func() {
		if !l.stopped() {
			close(l.stop)
		}
		l.clients.Wait()
	})
}

// Client returns a client with its own connections.
func Client(protocol Protocol, tls *tls.Config) *http.Client {
	return &http.Client{Transport: new(Load).transport(protocol, tls, new(net.Dialer)), Timeout: poll.Timeout}
}

// transport returns a transport that counts its connections. HTTP/3 has its own dialer.
func (l *Load) transport(protocol Protocol, tls *tls.Config, dialer Dialer) http.RoundTripper {
	if protocol == HTTP3 {
		return l.overQUIC(tls)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(protocol == HTTP1)
	protocols.SetUnencryptedHTTP2(protocol == HTTP2)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: tls}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		l.connections.Add(1)
		return dialer.DialContext(ctx, network, address)
	}
	return transport
}

func post(client *http.Client, url, host, id string) (string, error) {
	request, err := http.NewRequest(http.MethodPost, url, body(client))
	if err != nil {
		return "", err
	}
	request.Host = host
	request.Header.Set(Header, id)
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return string(text), err
}

// body returns the body of a request. Over HTTP/2 there is none: a Go client that has sent a body is drained only when it
// is idle, and these clients never are.
func body(client *http.Client) io.Reader {
	transport, ok := client.Transport.(*http.Transport)
	if ok && transport.Protocols.UnencryptedHTTP2() {
		return http.NoBody
	}
	return strings.NewReader("body")
}

// once sends a request and records its outcome.
func (l *Load) once(send func(id string) (string, error)) {
	id := NewID()
	began := time.Now()
	response, err := send(id)
	if err == nil && response != "response "+id {
		err = fmt.Errorf("response %q", response)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if isUnsent(err) {
		l.unsent++
		return
	}
	l.ids = append(l.ids, id)
	l.longest = max(l.longest, time.Since(began))
	if err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s: %v", id, err))
		return
	}
	l.responses.Add(1)
}

func (l *Load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// over returns whether clients must not send more: later requests would hide a failure.
func (l *Load) over() bool { return l.stopped() || l.Failures() > 0 }

// WaitForResponses waits for this number of further responses.
func (l *Load) WaitForResponses(more int64) {
	l.t.Helper()
	until := l.responses.Load() + more
	poll.Until(l.t, "responses", func() bool { return l.responses.Load() >= until || l.Failures() > 0 })
}

// Failures returns the number of failed requests so far.
func (l *Load) Failures() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failures)
}

// Connections returns the number of connections so far.
func (l *Load) Connections() int64 { return l.connections.Load() }

// TolerateUnsent lets the clients themselves end up to this number of requests before they send them. See [isUnsent].
func (l *Load) TolerateUnsent(most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mostUnsent = most
}

// Stop stops the clients and returns the ids of the requests that they sent. It fails the test if a request failed.
func (l *Load) Stop() []string {
	l.t.Helper()
	close(l.stop)
	l.clients.Wait()
	for _, failure := range l.failures[:min(10, len(l.failures))] {
		l.t.Errorf("request %s", failure)
	}
	if len(l.failures) > 0 {
		l.t.Errorf("%d of %d requests failed", len(l.failures), len(l.ids))
	}
	if l.unsent > l.mostUnsent {
		l.t.Errorf("the clients ended %d requests before they sent them, where %d may be", l.unsent, l.mostUnsent)
	}
	l.t.Logf("%d requests over %d connections, the slowest %s, and %d unsent", len(l.ids), l.Connections(), l.longest.Round(time.Millisecond), l.unsent)
	return l.ids
}
