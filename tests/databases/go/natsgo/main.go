// nats.go with its defaults: a client that connects again by itself after two seconds, and buffers what it publishes
// meanwhile.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type servers []string

func (s *servers) String() string { return fmt.Sprint(*s) }

func (s *servers) Set(value string) error {
	*s = append(*s, value)
	return nil
}

var (
	address = flag.String("address", "", "the proxy, IP:PORT")
	seconds = flag.Int("seconds", 0, "start no operation after this time")
	direct  servers
	end     time.Time
)

// operation has the counts of one kind of operation. README.md of the crate defines them.
type operation struct {
	name   string
	mutex  sync.Mutex
	counts map[string]int
	errors map[string]int
	// Those whose error depends on whether they were delivered, with the error and when it occurred.
	uncertain map[string]failure
	sent      []string
	received  map[string]int
}

func newOperation(name string) *operation {
	return &operation{
		name:      name,
		counts:    map[string]int{},
		errors:    map[string]int{},
		uncertain: map[string]failure{},
		received:  map[string]int{},
	}
}

func (o *operation) add(count string, number int) int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.counts[count] += number
	return o.counts[count]
}

func (o *operation) begin() string { return strconv.Itoa(o.add("operations", 1)) }

func (o *operation) record(id string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.sent = append(o.sent, id)
}

func (o *operation) receive(message *nats.Msg) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.received[string(message.Data)]++
}

// A message counts as lost after this time: more than a loaded machine needs.
const maxWait = 30 * time.Second

var digits = regexp.MustCompile(`\d+`)

type failure struct {
	err  error
	when time.Time
}

// lookUp leaves the class of the error to verify: a message that crossed the close was not delivered to anyone.
func (o *operation) lookUp(id string, err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.uncertain[id] = failure{err, time.Now()}
}

func (o *operation) fail(kind string, failure failure) {
	o.counts[kind]++
	text := kind + ": " + digits.ReplaceAllString(failure.err.Error(), "#")
	if kind != "found_closed" {
		// Such errors must not occur with a drain at a safe point: the time helps to find the reason.
		text += failure.when.UTC().Format(" (15:04:05 UTC)")
	}
	o.errors[text]++
}

// verify compares what was sent with what arrived. Only JetStream acknowledges.
func (o *operation) verify() {
	delete(o.received, first)
	for id, failure := range o.uncertain {
		kind := "found_closed"
		if o.received[id] > 0 {
			kind = "in_flight"
		}
		o.fail(kind, failure)
	}
	missing := "missed"
	if strings.Contains(o.name, "jetstream") {
		missing = "lost"
	}
	for _, id := range o.sent {
		if o.received[id] == 0 {
			o.add(missing, 1)
		}
	}
	for _, number := range o.received {
		o.add("delivered_twice", number-1)
	}
}

func (o *operation) report() {
	line := map[string]any{
		"version":   "nats.go " + nats.Version,
		"operation": o.name,
		"counts":    o.counts,
		"errors":    o.errors,
	}
	check(json.NewEncoder(os.Stdout).Encode(line))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func running() bool { return time.Now().Before(end) }

func pause(shortest, longest time.Duration) {
	time.Sleep(shortest + rand.N(longest-shortest))
}

// connect opens a connection; for o, through the proxy.
func connect(o *operation) *nats.Conn {
	url := "nats://" + direct[0]
	options := []nats.Option{nats.MaxReconnects(-1)}
	if o != nil {
		url = "nats://" + *address
		o.add("opened", 1)
		options = append(options, nats.ReconnectHandler(func(*nats.Conn) { o.add("opened", 1) }))
	}
	connection, err := nats.Connect(url, options...)
	check(err)
	return connection
}

// first is published until it arrives: from then on the servers know the subscription.
const first = "first"

func (o *operation) publishFirst(connection *nats.Conn) {
	for o.arrived() == 0 {
		check(connection.Publish(o.name, []byte(first)))
		check(connection.Flush())
		time.Sleep(50 * time.Millisecond)
	}
}

// arrived counts the different messages that arrived.
func (o *operation) arrived() int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return len(o.received)
}

// arrive waits until everything has arrived, for three seconds at most: longer than a client waits before it connects
// again.
func (o *operation) arrive() {
	limit := time.Now().Add(3 * time.Second)
	for o.arrived() <= len(o.sent) && time.Now().Before(limit) {
		time.Sleep(50 * time.Millisecond)
	}
}

// subscribe receives through the proxy; in a queue group with three members, or alone.
func subscribe(o *operation, group string) {
	members := 1
	if group != "" {
		members = 3
	}
	for range members {
		connection := connect(o)
		defer connection.Close()
		_, err := connection.QueueSubscribe(o.name, group, o.receive)
		check(err)
		check(connection.Flush())
	}
	publisher := connect(nil)
	defer publisher.Close()
	o.publishFirst(publisher)
	for running() {
		id := o.begin()
		o.record(id)
		check(publisher.Publish(o.name, []byte(id)))
		time.Sleep(100 * time.Millisecond)
	}
	check(publisher.Flush())
	o.arrive()
}

// publish sends through the proxy: the client sends last, and the server is silent.
func publish(o *operation) {
	subscriber := connect(nil)
	defer subscriber.Close()
	_, err := subscriber.Subscribe(o.name, o.receive)
	check(err)
	check(subscriber.Flush())
	connection := connect(o)
	defer connection.Close()
	o.publishFirst(connection)
	for running() {
		id := o.begin()
		o.record(id)
		check(connection.Publish(o.name, []byte(id)))
		pause(100*time.Millisecond, 1200*time.Millisecond)
	}
	o.arrive()
}

// awaitResponder returns once the server knows a responder.
func awaitResponder(server, subject string) {
	connection, err := nats.Connect("nats://" + server)
	check(err)
	defer connection.Close()
	for {
		_, err := connection.Request(subject, []byte(first), maxWait)
		if !errors.Is(err, nats.ErrNoResponders) {
			check(err)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// request waits for replies that take 0.8 s.
func request(o *operation) {
	responder := connect(nil)
	defer responder.Close()
	_, err := responder.Subscribe(o.name, func(message *nats.Msg) {
		o.receive(message)
		time.AfterFunc(800*time.Millisecond, func() { check(message.Respond(message.Data)) })
	})
	check(err)
	check(responder.Flush())
	for _, server := range direct {
		awaitResponder(server, o.name)
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			connection := connect(o)
			defer connection.Close()
			for running() {
				id := o.begin()
				if _, err := connection.Request(o.name, []byte(id), maxWait); err != nil {
					o.lookUp(id, err)
				}
				pause(100*time.Millisecond, 1200*time.Millisecond)
			}
		})
	}
	group.Wait()
}

func timeout() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), maxWait)
}

// createStream succeeds as soon as the cluster has elected a leader; before, nothing responds.
func createStream(manager jetstream.JetStream, name string) jetstream.Stream {
	config := jetstream.StreamConfig{Name: name, Subjects: []string{name}}
	for {
		setup, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		stream, err := manager.CreateStream(setup, config)
		cancel()
		if err == nil {
			return stream
		}
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrNoResponders) {
			check(err)
		}
	}
}

// jetstreamPublish waits for each acknowledgement; the stream is read at the end, without the proxy.
func jetstreamPublish(o *operation) {
	own := connect(nil)
	defer own.Close()
	manager, err := jetstream.New(own)
	check(err)
	stream := createStream(manager, o.name)
	connection := connect(o)
	defer connection.Close()
	js, err := jetstream.New(connection)
	check(err)
	for running() {
		id := o.begin()
		waiting, cancel := timeout()
		if _, err := js.Publish(waiting, o.name, []byte(id)); err != nil {
			o.lookUp(id, err)
		} else {
			o.record(id)
		}
		cancel()
		pause(100*time.Millisecond, 1200*time.Millisecond)
	}
	reading, cancel := timeout()
	defer cancel()
	info, err := stream.Info(reading)
	check(err)
	consumer, err := stream.CreateOrUpdateConsumer(reading, jetstream.ConsumerConfig{Durable: "reader"})
	check(err)
	for range info.State.Msgs {
		message, err := consumer.Next()
		check(err)
		o.receive(&nats.Msg{Data: message.Data()})
		check(message.Ack())
	}
}

func main() {
	flag.Var(&direct, "server", "a server, IP:PORT; repeated")
	flag.Parse()
	end = time.Now().Add(time.Duration(*seconds) * time.Second)
	kinds := []struct {
		name string
		run  func(*operation)
	}{
		{"go_core_subscribe", func(o *operation) { subscribe(o, "") }},
		{"go_queue_group", func(o *operation) { subscribe(o, "group") }},
		{"go_core_publish", publish},
		{"go_request_reply", request},
		{"go_jetstream_publish", jetstreamPublish},
	}
	var group sync.WaitGroup
	var operations []*operation
	for _, kind := range kinds {
		o := newOperation(kind.name)
		operations = append(operations, o)
		group.Go(func() { kind.run(o) })
	}
	group.Wait()
	for _, o := range operations {
		o.verify()
		o.report()
	}
}
