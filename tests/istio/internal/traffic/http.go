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

// Protocol is what an HTTP client speaks.
type Protocol int

// What Go's client speaks in plain text, and over TLS quic-go's.
const (
	HTTP1 Protocol = iota
	HTTP2
	HTTP3
)

// Load is clients that send one request after another until they are stopped.
type Load struct {
	t           testing.TB
	stop        chan struct{}
	clients     sync.WaitGroup
	connections atomic.Int64
	answers     atomic.Int64

	mu       sync.Mutex
	ids      []string
	failures []string
	longest  time.Duration
}

var ids atomic.Int64

// NewID is one that no other request has.
func NewID() string { return fmt.Sprintf("r%d", ids.Add(1)) }

// Start starts so many HTTP clients, each with connections of its own. They POST: Go's client sends a POST that
// may have been delivered to nobody again.
func Start(t testing.TB, protocol Protocol, url string, clients int) *Load {
	t.Helper()
	return StartAs(t, protocol, url, "", clients)
}

// StartAs is the same for clients that ask for another host than the one they connect to, as an application does
// that has a sidecar.
func StartAs(t testing.TB, protocol Protocol, url, host string, clients int) *Load {
	t.Helper()
	return start(t, url, host, clients, func(l *Load) *http.Client { return l.client(protocol, nil) })
}

// StartSecure is [Start] for clients that speak over mutual TLS.
func StartSecure(t testing.TB, protocol Protocol, tls *tls.Config, url string, clients int) *Load {
	t.Helper()
	return start(t, url, "", clients, func(l *Load) *http.Client { return l.client(protocol, tls) })
}

// StartThrough is [Start] for clients that speak HTTP/1 through what else opens their connections.
func StartThrough(t testing.TB, through Dialer, url string, clients int) *Load {
	t.Helper()
	return start(t, url, "", clients, func(l *Load) *http.Client {
		return &http.Client{Transport: l.transport(HTTP1, nil, through), Timeout: poll.Patience}
	})
}

// Dialer opens connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

func start(t testing.TB, url, host string, clients int, newClient func(*Load) *http.Client) *Load {
	t.Helper()
	load := &Load{t: t, stop: make(chan struct{})}
	for range clients {
		client := newClient(load)
		load.clients.Go(func() {
			defer client.CloseIdleConnections()
			for !load.over() {
				load.once(func(id string) (string, error) { return post(client, url, host, id) })
			}
		})
	}
	load.endWith(t)
	return load
}

// endWith ends the clients with the test, if nobody did before.
func (l *Load) endWith(t testing.TB) {
	t.Cleanup(func() {
		if !l.stopped() {
			close(l.stop)
		}
		l.clients.Wait()
	})
}

// Client is Go's own, with connections of its own.
func Client(protocol Protocol, tls *tls.Config) *http.Client {
	return (&Load{}).client(protocol, tls)
}

func (l *Load) client(protocol Protocol, tls *tls.Config) *http.Client {
	if protocol == HTTP3 {
		return &http.Client{Transport: l.overQUIC(tls), Timeout: poll.Patience}
	}
	return &http.Client{Transport: l.transport(protocol, tls, new(net.Dialer)), Timeout: poll.Patience}
}

func (l *Load) transport(protocol Protocol, tls *tls.Config, dialer Dialer) http.RoundTripper {
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

// body is what a client sends. Over HTTP/2 it is nothing: a Go client that has sent a body is drained only when it
// is idle, and these clients never are.
func body(client *http.Client) io.Reader {
	transport, ok := client.Transport.(*http.Transport)
	if ok && transport.Protocols.UnencryptedHTTP2() {
		return http.NoBody
	}
	return strings.NewReader("body")
}

// once sends one request and notes what became of it.
func (l *Load) once(send func(id string) (string, error)) {
	id := NewID()
	began := time.Now()
	answer, err := send(id)
	if err == nil && answer != "answer "+id {
		err = fmt.Errorf("answered %q", answer)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ids = append(l.ids, id)
	l.longest = max(l.longest, time.Since(began))
	if err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s: %v", id, err))
		return
	}
	l.answers.Add(1)
}

func (l *Load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// over tells whether clients should send no more: what follows a failure would only hide it.
func (l *Load) over() bool { return l.stopped() || l.Failures() > 0 }

// Goes waits until so many more requests have been answered.
func (l *Load) Goes(more int64) {
	l.t.Helper()
	until := l.answers.Load() + more
	poll.Until(l.t, "requests to be answered", func() bool { return l.answers.Load() >= until || l.Failures() > 0 })
}

// Failures is how many requests have failed so far.
func (l *Load) Failures() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failures)
}

// Connections is how many the clients have opened so far.
func (l *Load) Connections() int64 { return l.connections.Load() }

// Stop stops the clients and gives the ids of all requests that they sent. It fails the test if one failed.
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
	l.t.Logf("%d requests over %d connections, the slowest %s", len(l.ids), l.Connections(), l.longest.Round(time.Millisecond))
	return l.ids
}
