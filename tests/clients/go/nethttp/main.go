// Command nethttp is the client of Go's standard library: one http.Client, shared by goroutines.
package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"evenkeel/clients/contract"
)

func main() {
	args := contract.Parse()
	var protocols http.Protocols
	protocols.SetHTTP1(args.Protocol == "h1")
	// Alone, it means HTTP/2 with prior knowledge.
	protocols.SetUnencryptedHTTP2(args.Protocol == "h2")
	var opened atomic.Int64
	var dialer net.Dialer
	transport := &http.Transport{
		Protocols: &protocols,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				opened.Add(1)
			}
			return conn, err
		},
	}
	client := &http.Client{Transport: transport, Timeout: contract.Timeout}

	report := contract.Run(args, func(number int) error { return send(client, args, number) })
	report.Version = strings.Replace(runtime.Version(), "go", "Go ", 1)
	report.Connections = opened.Load()
	report.Print()
}

func send(client *http.Client, args contract.Args, number int) error {
	// net/http knows how to rewind this body, and so can send it again by itself.
	request, err := http.NewRequest(args.Method, args.URL(), strings.NewReader(args.Body(number)))
	if err != nil {
		return err
	}
	request.Header.Set("x-id", strconv.Itoa(number))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return args.Check(number, response.StatusCode, string(answer))
}
