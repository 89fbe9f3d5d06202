// Command reverseproxy is a gateway with net/http/httputil: one ReverseProxy, which forwards requests from
// HTTP/1.1 to HTTP/2. It cannot rewind the bodies that it forwards.
package main

import (
	"context"
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

func main() {
	args := contract.Parse("h2")
	var opened atomic.Int64
	gateway, err := start(args, &opened)
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: args.Concurrency}}
	send := func(ctx context.Context, number int) error {
		return args.SendHTTP(ctx, client, "http://"+gateway.String()+args.Path, number)
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
	contract.CountDials(upstream, opened)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: args.Address})
	proxy.Transport = upstream
	proxy.ErrorHandler = func(writer http.ResponseWriter, _ *http.Request, err error) {
		writer.Header().Set(contract.Cause, err.Error())
		writer.WriteHeader(http.StatusBadGateway)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go http.Serve(listener, proxy)
	return listener.Addr(), nil
}
