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

// StartTCP starts so many clients that ask some lines and then rest until they are moved: raw TCP has no announcement,
// so a client that is at work is not closed.
func StartTCP(t testing.TB, address string, clients int) *Load {
	t.Helper()
	load := &Load{t: t, stop: make(chan struct{})}
	for range clients {
		load.clients.Go(func() {
			for !load.over() {
				load.converse(address)
			}
		})
	}
	load.endWith(t)
	return load
}

// converse opens a connection, asks some lines, and stays until it is closed.
func (l *Load) converse(address string) {
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
			return lines.Ask(id)
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

// Lines is a connection on which lines are answered with lines.
type Lines struct {
	net.Conn
	reader *bufio.Reader
}

// Dial opens one.
func Dial(address string) (*Lines, error) {
	connection, err := net.DialTimeout("tcp", address, poll.Patience)
	if err != nil {
		return nil, err
	}
	return &Lines{connection, bufio.NewReader(connection)}, nil
}

// Ask sends a line and reads one.
func (l *Lines) Ask(id string) (string, error) {
	if err := l.SetDeadline(time.Now().Add(poll.Patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(l, "%s\n", id); err != nil {
		return "", err
	}
	answer, err := l.reader.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// Closed waits for the other end to close, for at most so long. It is an error when anything else comes.
func (l *Lines) Closed(wait time.Duration) (bool, error) {
	if err := l.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	unasked, err := l.reader.ReadByte()
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF):
		return true, nil
	case errors.As(err, &timeout) && timeout.Timeout():
		return false, nil
	case err != nil:
		return false, err
	default:
		return false, fmt.Errorf("nobody asked for %q", unasked)
	}
}
