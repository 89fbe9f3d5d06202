// Command nethttp is the client of Go's standard library: one http.Client, shared by goroutines.
package main

import (
	"context"
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
	send := func(ctx context.Context, number int) error { return args.SendHTTP(ctx, client, args.URL(), number) }

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
	contract.CountDials(transport, opened)
	return transport
}
