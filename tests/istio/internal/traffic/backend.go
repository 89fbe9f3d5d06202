// Package traffic has the applications behind and the clients before an Envoy, which count what becomes of each
// request by its id.
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

// Header is the field that carries a request's id.
const Header = "evenkeel-test-id"

// Backend is an application that answers every request, in HTTP or in lines over raw TCP, with the request's id.
type Backend struct {
	Port int
	mu   sync.Mutex
	seen map[string]int
}

// HTTP starts one that speaks HTTP/1 and HTTP/2 in plain text.
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
			// A client that is gone shows in its own counts.
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "answer "+id)
		}),
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return backend
}

// TCP starts one that answers lines with lines.
func TCP(t testing.TB) *Backend {
	t.Helper()
	listener, backend := listen(t)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go backend.answerLines(connection)
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

func (b *Backend) answerLines(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewReader(connection)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		id := strings.TrimSpace(line)
		b.count(id)
		if _, err := fmt.Fprintf(connection, "answer %s\n", id); err != nil {
			return
		}
	}
}

func (b *Backend) count(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[id]++
}

// Requests is how many it was asked.
func (b *Backend) Requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := 0
	for _, times := range b.seen {
		sum += times
	}
	return sum
}

// SawEachOnce fails the test unless each of the requests came here once, and nothing else did.
func (b *Backend) SawEachOnce(t testing.TB, ids []string) {
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
