// Command reverseproxy is a gateway with net/http/httputil: one ReverseProxy, which forwards requests from
// HTTP/1.1 to HTTP/2. It cannot rewind the bodies that it forwards.
package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"evenkeel/clients/contract"
)

// The header of a 502 with the error of the proxy.
const cause = "x-cause"

func main() {
	args := contract.Parse("h2")
	var opened atomic.Int64
	gateway, err := start(args, &opened)
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: args.Concurrency}}
	send := func(ctx context.Context, number int) error {
		return send(ctx, client, "http://"+gateway.String()+args.Path, args, number)
	}

	report := contract.Run(args, slices.Repeat([]contract.Send{send}, args.Concurrency))
	report.Version = strings.Replace(runtime.Version(), "go", "Go ", 1) + " ReverseProxy"
	report.Connections = opened.Load()
	report.Print()
}

// Starts the gateway in this process, and returns its address.
func start(args contract.Args, opened *atomic.Int64) (net.Addr, error) {
	upstream := http.DefaultTransport.(*http.Transport).Clone()
	upstream.Proxy = nil
	upstream.Protocols = new(http.Protocols)
	upstream.Protocols.SetUnencryptedHTTP2(true)
	dial := upstream.DialContext
	upstream.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			opened.Add(1)
		}
		return conn, err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: args.Address})
	proxy.Transport = upstream
	proxy.ErrorHandler = func(writer http.ResponseWriter, _ *http.Request, err error) {
		writer.Header().Set(cause, err.Error())
		writer.WriteHeader(http.StatusBadGateway)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go http.Serve(listener, proxy)
	return listener.Addr(), nil
}

func send(ctx context.Context, client *http.Client, url string, args contract.Args, number int) error {
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
	if text := response.Header.Get(cause); text != "" {
		return errors.New("502: " + text)
	}
	if args.Trailers && response.Trailer.Get("x-trailer") != "end" {
		return errors.New("no trailer")
	}
	return args.Check(number, response.StatusCode, string(content))
}
