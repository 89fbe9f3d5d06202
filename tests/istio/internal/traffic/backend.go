// Package traffic has the applications behind an Envoy and the clients before it, which count requests by their ids.
package traffic

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Header is the field with the id of a request.
const Header = "evenkeel-test-id"

// Backend is an application that responds to each request, over HTTP or in lines over raw TCP, with the request's id.
type Backend struct {
	Port int
	mu   sync.Mutex
	seen map[string]int
}

// HTTP starts a backend for HTTP/1 and HTTP/2 without TLS.
func HTTP(t testing.TB) *Backend {
	t.Helper()
	listener, backend := listen(t)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Protocols: protocols,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(Header)
			backend.count(id)
			// Fails when the client has disconnected, which the client counts.
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "response "+id)
		}),
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return backend
}

// TCP starts a backend that responds to lines.
func TCP(t testing.TB) *Backend {
	t.Helper()
	listener, backend := listen(t)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go backend.echoLines(connection)
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	return backend
}

func listen(t testing.TB) (net.Listener, *Backend) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener, &Backend{Port: listener.Addr().(*net.TCPAddr).Port, seen: map[string]int{}}
}

func (b *Backend) echoLines(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewReader(connection)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		id := strings.TrimSpace(line)
		b.count(id)
		if _, err := fmt.Fprintf(connection, "response %s\n", id); err != nil {
			return
		}
	}
}

func (b *Backend) count(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[id]++
}

// Requests returns the number of requests so far.
func (b *Backend) Requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := 0
	for _, times := range b.seen {
		sum += times
	}
	return sum
}

// AssertEachOnce fails the test unless the backend got each of these requests once, and no others.
func (b *Backend) AssertEachOnce(t testing.TB, ids []string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var wrong []string
	for _, id := range ids {
		if times := b.seen[id]; times != 1 {
			wrong = append(wrong, fmt.Sprintf("%s %d times", id, times))
		}
	}
	if len(wrong) > 0 {
		t.Errorf("%d requests did not come once, among them %s", len(wrong), strings.Join(wrong[:min(10, len(wrong))], ", "))
	}
	if len(b.seen) != len(ids) {
		t.Errorf("%d requests were sent, %d came", len(ids), len(b.seen))
	}
}
