// Command grpcserver is a server of grpc-go that limits the age of its connections by itself (MAX_CONNECTION_AGE), with
// bytes as messages. It prints its address.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
)

func main() {
	age := flag.Duration("max-connection-age", 0, "the age, which grpc-go varies by a tenth")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(raw{}),
		grpc.UnknownServiceHandler(respond),
		// Without a grace period, streams in flight are never aborted.
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: *age}),
	)
	fmt.Println(listener.Addr())
	fmt.Fprintln(os.Stderr, server.Serve(listener))
	os.Exit(1)
}

// respond echoes each message of /evenkeel.Test/Echo; of /evenkeel.Test/Stream/N/MS it sends N messages of 1 KiB, one every
// MS milliseconds.
func respond(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var message []byte
	if err := stream.RecvMsg(&message); err != nil {
		return err
	}
	parts := strings.Split(method, "/")
	if len(parts) < 5 {
		return stream.SendMsg(&message)
	}
	count, _ := strconv.Atoi(parts[3])
	pause, _ := strconv.Atoi(parts[4])
	message = make([]byte, 1024)
	for range count {
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
	return nil
}

// raw passes messages through as bytes.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}
