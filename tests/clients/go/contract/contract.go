// Package contract is the shared code of the Go clients: flags, workers and report.
//
// Nothing is retried: the library's own retries apply, and a request that returns an error has failed.
package contract

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Messages is how many messages a CLIENT or BIDI call sends.
const Messages = 4

// Cause is the header of a 502 with the error of a proxy in the client's own process.
const Cause = "x-cause"

// Tuned says whether the library is configured with windows and limits like an application's.
func Tuned() bool {
	_, tuned := os.LookupEnv("EVENKEEL_TUNED")
	return tuned
}

// The exit code of a program whose library does not support the pattern.
const inapplicable = 3

var echoes = []string{"/echo", "/evenkeel.Test/Echo", "/evenkeel.Test/Chat"}

// Args are the flags.
type Args struct {
	Address     string // IP:PORT
	Protocol    string // h1, h2, grpc or ws
	Requests    int
	Concurrency int
	Method      string
	Path        string
	Body        int // bytes of a request's body
	Response    int // bytes of the whole response
	Burst       int // a worker pauses after this number of requests; 0: never
	Pause       int // milliseconds
	Cancel      int // milliseconds after which an odd request is cancelled; 0: never
	Timeout     int // milliseconds after which a request without a response is cancelled
	Expect      bool
	Trailers    bool
	Stream      bool // the body is a stream that cannot be read a second time
}

// Parse parses the flags of a client that speaks these protocols; it exits if they are invalid.
func Parse(protocols ...string) Args {
	var args Args
	flag.StringVar(&args.Address, "address", "", "IP:PORT to connect to")
	flag.StringVar(&args.Protocol, "protocol", "", "h1, h2, grpc or ws")
	flag.IntVar(&args.Requests, "requests", 0, "how many requests to send")
	flag.IntVar(&args.Concurrency, "concurrency", 0, "how many of them at a time")
	flag.StringVar(&args.Method, "method", "", "method, or kind of call")
	flag.StringVar(&args.Path, "path", "", "request target, or full method name")
	flag.IntVar(&args.Body, "body", -1, "bytes of a request's body")
	flag.IntVar(&args.Response, "response", -1, "bytes of the whole response")
	flag.IntVar(&args.Burst, "burst", -1, "each worker pauses after this number of requests")
	flag.IntVar(&args.Pause, "pause", -1, "milliseconds")
	flag.IntVar(&args.Cancel, "cancel", -1, "odd requests are cancelled after milliseconds")
	flag.IntVar(&args.Timeout, "timeout", 0, "milliseconds")
	flag.BoolVar(&args.Expect, "expect", false, "send Expect: 100-continue")
	flag.BoolVar(&args.Trailers, "trailers", false, "the response ends with x-trailer: end")
	flag.BoolVar(&args.Stream, "stream", false, "bodies cannot be read a second time")
	flag.Parse()
	texts := []string{args.Address, args.Protocol, args.Method, args.Path}
	numbers := []int{args.Body, args.Response, args.Burst, args.Pause, args.Cancel}
	if slices.Contains(texts, "") || slices.Min(numbers) < 0 || min(args.Requests, args.Concurrency, args.Timeout) < 1 {
		flag.Usage()
		os.Exit(2)
	}
	overHTTP := args.Protocol == "h1" || args.Protocol == "h2"
	switch {
	case !slices.Contains(protocols, args.Protocol):
		doesNotApply("the library does not speak " + args.Protocol)
	case (args.Expect || args.Trailers) && !overHTTP:
		doesNotApply(args.Protocol + " has no such thing")
	case args.Cancel > 0 && args.Protocol == "ws":
		doesNotApply("a message on a WebSocket cannot be cancelled")
	}
	return args
}

// Ends the process of a client whose library does not support the pattern.
func doesNotApply(why string) {
	fmt.Fprintln(os.Stderr, "this pattern does not apply:", why)
	os.Exit(inapplicable)
}

// URL to ask.
func (args Args) URL() string {
	scheme := "http"
	if args.Protocol == "ws" {
		scheme = "ws"
	}
	return scheme + "://" + args.Address + args.Path
}

// Headers of a request, name by name.
func (args Args) Headers(number int) map[string]string {
	headers := map[string]string{"x-id": strconv.Itoa(number)}
	if args.Expect {
		headers["expect"] = "100-continue"
	}
	if args.Trailers {
		// A server sends trailers only to a client that accepts them (RFC 9110, section 6.5.1).
		headers["te"] = "trailers"
	}
	return headers
}

// Content of a request, different for each, so that a response to another request is detected.
func (args Args) Content(number int) string {
	return args.cut("", number)
}

// Reader returns the content of a request: as a reader that net/http can rewind, or as a pipe, which it cannot.
func (args Args) Reader(number int) io.Reader {
	content := strings.NewReader(args.Content(number))
	if !args.Stream {
		return content
	}
	reader, writer := io.Pipe()
	go func() {
		_, err := io.Copy(writer, content)
		writer.CloseWithError(err)
	}()
	return reader
}

// Message returns the content for a WebSocket, which has the number in it, because messages have no headers.
func (args Args) Message(number int) string {
	return args.cut(strconv.Itoa(number)+":", number)
}

func (args Args) cut(beginning string, number int) string {
	text := fmt.Sprintf("body of %d ", number)
	return (beginning + strings.Repeat(text, args.Body/len(text)+1))[:args.Body]
}

// Check returns an error when the response is not the one to this request.
func (args Args) Check(number, status int, content string) error {
	length := args.Response
	if args.Method == "HEAD" {
		length = 0
	}
	messages := 1
	if args.Method == "BIDI" || args.Method == "CLIENT" {
		messages = Messages
	}
	switch {
	case status != 200:
		return fmt.Errorf("status %d", status)
	case len(content) != length:
		return fmt.Errorf("%d bytes instead of %d", len(content), length)
	case slices.Contains(echoes, args.Path) && content != strings.Repeat(args.Content(number), messages):
		return errors.New("another body than was sent")
	case args.Path == "/count" && content != fmt.Sprintf("%016d", args.Body):
		return errors.New("the server received another length than was sent")
	}
	return nil
}

// SendHTTP sends a request over HTTP to `url` and checks its response.
func (args Args) SendHTTP(ctx context.Context, client *http.Client, url string, number int) error {
	request, err := http.NewRequestWithContext(ctx, args.Method, url, args.Reader(number))
	if err != nil {
		return err
	}
	for name, value := range args.Headers(number) {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if text := response.Header.Get(Cause); text != "" {
		return errors.New("502: " + text)
	}
	if args.Trailers && response.Trailer.Get("x-trailer") != "end" {
		return errors.New("no trailer")
	}
	return args.Check(number, response.StatusCode, string(content))
}

// CountDials counts the connections that a transport opens.
func CountDials(transport *http.Transport, opened *atomic.Int64) {
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			opened.Add(1)
		}
		return conn, err
	}
}

func (args Args) timeout() time.Duration {
	return time.Duration(args.Timeout) * time.Millisecond
}

func (args Args) cancelled(number int) bool {
	return args.Cancel > 0 && number%2 == 1
}

// Returns a context with the deadline of the request.
func (args Args) context(number int) (context.Context, context.CancelFunc) {
	if args.cancelled(number) {
		return context.WithTimeout(context.Background(), time.Duration(args.Cancel)*time.Millisecond)
	}
	return context.WithTimeout(context.Background(), args.timeout())
}

// Waits after a worker's request, when it is the last one of a burst.
func (args Args) pause(done int) {
	if args.Burst > 0 && done%args.Burst == 0 {
		time.Sleep(time.Duration(args.Pause) * time.Millisecond)
	}
}
