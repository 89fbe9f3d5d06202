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

// Sends messages one after the other on its own socket.
type worker struct {
	args   contract.Args
	opened *atomic.Int64
	socket *socket
}

// A socket that is always read: only a reader responds to pings and notices a close.
type socket struct {
	conn      *websocket.Conn
	responses chan string
	end       error // why the responses were closed
}

func (worker *worker) send(ctx context.Context, number int) error {
	message := worker.args.Message(number)
	err := worker.write(ctx, message)
	if err == nil {
		var response string
		response, err = worker.socket.read(ctx)
		if err == nil && response != message {
			err = errors.New("another message than was sent")
		}
	}
	if err != nil && worker.socket != nil {
		// Not reused: a late response could be taken for that of the next message.
		worker.socket.conn.CloseNow()
		worker.socket = nil
	}
	return err
}

// Writes on the worker's socket, or on a new one if the server has drained it.
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
		// The reader records the reason of the close.
		for range worker.socket.responses {
		}
		if !isDrain(worker.socket.end) {
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
	socket := &socket{conn: conn, responses: make(chan string, 1)}
	go socket.receive()
	return socket, nil
}

func (socket *socket) receive() {
	defer close(socket.responses)
	for {
		_, response, err := socket.conn.Read(context.Background())
		if err != nil {
			socket.end = err
			return
		}
		socket.responses <- string(response)
	}
}

func (socket *socket) read(ctx context.Context) (string, error) {
	select {
	case response, open := <-socket.responses:
		if !open {
			return "", socket.end
		}
		return response, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func isDrain(err error) bool {
	status := websocket.CloseStatus(err)
	return status == websocket.StatusGoingAway || status == websocket.StatusServiceRestart
}
