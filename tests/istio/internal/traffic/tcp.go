package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"evenkeel/tests/istio/internal/poll"
)

// StartTCP starts clients that exchange some lines and then wait until their connection is closed: raw TCP has no drain
// signal, so active connections are not closed.
func StartTCP(t testing.TB, address string, clients int) *Load {
	t.Helper()
	load := &Load{t: t, stop: make(chan struct{})}
	for range clients {
		load.clients.Go(func() {
			for !load.over() {
				load.exchangeAndWait(address)
			}
		})
	}
	load.stopAfter(t)
	return load
}

// exchangeAndWait opens a connection, exchanges some lines and waits until the connection is closed.
func (l *Load) exchangeAndWait(address string) {
	var lines *Lines
	for range 5 {
		l.once(func(id string) (string, error) {
			if lines == nil {
				var err error
				if lines, err = Dial(address); err != nil {
					return "", err
				}
				l.connections.Add(1)
			}
			return lines.Exchange(id)
		})
		if lines == nil {
			return
		}
	}
	defer lines.Close()
	for !l.over() {
		if closed, err := lines.Closed(20 * time.Millisecond); closed || err != nil {
			if err != nil {
				l.mu.Lock()
				l.failures = append(l.failures, err.Error())
				l.mu.Unlock()
			}
			return
		}
	}
}

// Lines is a connection on which each line gets a response.
type Lines struct {
	net.Conn
	reader *bufio.Reader
}

// Dial opens a connection.
func Dial(address string) (*Lines, error) {
	connection, err := net.DialTimeout("tcp", address, poll.Timeout)
	if err != nil {
		return nil, err
	}
	return &Lines{connection, bufio.NewReader(connection)}, nil
}

// Exchange sends a line and reads the response.
func (l *Lines) Exchange(id string) (string, error) {
	if err := l.SetDeadline(time.Now().Add(poll.Timeout)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(l, "%s\n", id); err != nil {
		return "", err
	}
	response, err := l.reader.ReadString('\n')
	return strings.TrimSpace(response), err
}

// Closed waits at most this time until the peer closes. Data is an error.
func (l *Lines) Closed(wait time.Duration) (bool, error) {
	if err := l.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	unexpected, err := l.reader.ReadByte()
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF):
		return true, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return false, nil
	case err != nil:
		return false, err
	default:
		return false, fmt.Errorf("unexpected byte %q", unexpected)
	}
}
