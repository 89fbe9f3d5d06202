// Command nethttp is the client of Go's standard library: one http.Client, shared by goroutines.
package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"evenkeel/clients/contract"
)

func main() {
	args := contract.Parse("h1", "h2")
	var opened atomic.Int64
	client := &http.Client{Transport: transport(args, &opened)}
	send := func(ctx context.Context, number int) error { return send(ctx, client, args, number) }

	report := contract.Run(args, slices.Repeat([]contract.Send{send}, args.Concurrency))
	report.Version = strings.Replace(runtime.Version(), "go", "Go ", 1)
	report.Connections = opened.Load()
	report.Print()
}

// Go's default transport without a proxy.
func transport(args contract.Args, opened *atomic.Int64) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(args.Protocol == "h1")
	// Without HTTP/1, this means HTTP/2 with prior knowledge.
	transport.Protocols.SetUnencryptedHTTP2(args.Protocol == "h2")
	if contract.Tuned() {
		transport.HTTP2 = &http.HTTP2Config{
			MaxReceiveBufferPerConnection: 8 << 20,
			MaxReceiveBufferPerStream:     1 << 20,
			MaxReadFrameSize:              32 << 10,
			MaxDecoderHeaderTableSize:     8 << 10,
		}
	}
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			opened.Add(1)
		}
		return conn, err
	}
	return transport
}

func send(ctx context.Context, client *http.Client, args contract.Args, number int) error {
	request, err := http.NewRequestWithContext(ctx, args.Method, args.URL(), args.Reader(number))
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
	if args.Trailers && response.Trailer.Get("x-trailer") != "end" {
		return errors.New("no trailer")
	}
	return args.Check(number, response.StatusCode, string(content))
}
