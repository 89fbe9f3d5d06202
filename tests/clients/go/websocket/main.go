// Command websocket is github.com/coder/websocket: a socket for each goroutine, opened again when the server
// closes it.
package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/coder/websocket"

	"evenkeel/clients/contract"
)

func main() {
	args := contract.Parse("ws")
	var opened atomic.Int64
	workers := make([]worker, args.Concurrency)
	senders := make([]contract.Send, args.Concurrency)
	for n := range workers {
		workers[n] = worker{args: args, opened: &opened}
		senders[n] = workers[n].send
	}

	report := contract.Run(args, senders)
	for n := range workers {
		if socket := workers[n].socket; socket != nil {
			socket.conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	report.Version = contract.Version("github.com/coder/websocket")
	report.Connections = opened.Load()
	report.Print()
}

// Sends messages one after the other on a socket of its own.
type worker struct {
	args   contract.Args
	opened *atomic.Int64
	socket *socket
}

// A socket that is always read from: only so are pings answered and a close noticed.
type socket struct {
	conn    *websocket.Conn
	answers chan string
	end     error // why the answers were closed
}

func (worker *worker) send(ctx context.Context, number int) error {
	message := worker.args.Message(number)
	err := worker.write(ctx, message)
	if err == nil {
		var answer string
		answer, err = worker.socket.read(ctx)
		if err == nil && answer != message {
			err = errors.New("another message than was sent")
		}
	}
	if err != nil && worker.socket != nil {
		// Not kept: an answer that is still owed could be taken for the next one's.
		worker.socket.conn.CloseNow()
		worker.socket = nil
	}
	return err
}

// Writes on the worker's socket: on a new one where the server has moved the last.
func (worker *worker) write(ctx context.Context, message string) error {
	for {
		if worker.socket == nil {
			socket, err := open(ctx, worker.args.URL())
			if err != nil {
				return err
			}
			worker.opened.Add(1)
			worker.socket = socket
		}
		err := worker.socket.conn.Write(ctx, websocket.MessageText, []byte(message))
		if err == nil || ctx.Err() != nil {
			return err
		}
		// Reading knows better why the socket was closed.
		for range worker.socket.answers {
		}
		if !moved(worker.socket.end) {
			return worker.socket.end
		}
		worker.socket = nil
	}
}

func open(ctx context.Context, url string) (*socket, error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	socket := &socket{conn: conn, answers: make(chan string, 1)}
	go socket.receive()
	return socket, nil
}

func (socket *socket) receive() {
	defer close(socket.answers)
	for {
		_, answer, err := socket.conn.Read(context.Background())
		if err != nil {
			socket.end = err
			return
		}
		socket.answers <- string(answer)
	}
}

func (socket *socket) read(ctx context.Context) (string, error) {
	select {
	case answer, open := <-socket.answers:
		if !open {
			return "", socket.end
		}
		return answer, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func moved(err error) bool {
	status := websocket.CloseStatus(err)
	return status == websocket.StatusGoingAway || status == websocket.StatusServiceRestart
}
