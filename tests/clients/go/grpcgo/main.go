// Command grpcgo is grpc-go: one channel, shared by goroutines, with bytes as messages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"evenkeel/clients/contract"
)

func main() {
	args := contract.Parse("grpc")
	ask, known := kinds[args.Method]
	if !known {
		fmt.Fprintln(os.Stderr, "no kind of call:", args.Method)
		os.Exit(2)
	}
	var opened atomic.Int64
	var dialer net.Dialer
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, "tcp", address)
			if err == nil {
				opened.Add(1)
			}
			return conn, err
		}),
	}
	if contract.Tuned() {
		options = append(options,
			grpc.WithInitialWindowSize(1<<20),
			grpc.WithInitialConnWindowSize(4<<20),
			grpc.WithMaxHeaderListSize(32<<10))
	}
	channel, err := grpc.NewClient(args.Address, options...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer channel.Close()
	send := func(ctx context.Context, number int) error {
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(args.Headers(number)))
		response, err := ask(ctx, channel, args, number)
		if err != nil {
			return err
		}
		return args.Check(number, 200, string(response))
	}

	report := contract.Run(args, slices.Repeat([]contract.Send{send}, args.Concurrency))
	report.Version = "grpc-go " + grpc.Version
	report.Connections = opened.Load()
	report.Print()
}

type call func(ctx context.Context, channel *grpc.ClientConn, args contract.Args, number int) ([]byte, error)

var kinds = map[string]call{"UNARY": unary, "SERVER": server, "CLIENT": client, "BIDI": bidi}

func unary(ctx context.Context, channel *grpc.ClientConn, args contract.Args, number int) ([]byte, error) {
	request := []byte(args.Content(number))
	var response []byte
	err := channel.Invoke(ctx, args.Path, &request, &response)
	return response, err
}

func server(ctx context.Context, channel *grpc.ClientConn, args contract.Args, _ int) ([]byte, error) {
	stream, err := channel.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, args.Path)
	if err != nil {
		return nil, err
	}
	if err := send(stream, nil); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return receiveRest(stream, nil)
}

func client(ctx context.Context, channel *grpc.ClientConn, args contract.Args, number int) ([]byte, error) {
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := channel.NewStream(ctx, description, args.Path)
	if err != nil {
		return nil, err
	}
	request := []byte(args.Content(number))
	for range contract.Messages {
		if err := send(stream, request); err != nil {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return receiveRest(stream, nil)
}

func bidi(ctx context.Context, channel *grpc.ClientConn, args contract.Args, number int) ([]byte, error) {
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := channel.NewStream(ctx, description, args.Path)
	if err != nil {
		return nil, err
	}
	request := []byte(args.Content(number))
	var response, received []byte
	for range contract.Messages {
		if err := send(stream, request); err != nil {
			return nil, err
		}
		if err := stream.RecvMsg(&response); err != nil {
			return nil, err
		}
		received = append(received, response...)
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return receiveRest(stream, received)
}

func send(stream grpc.ClientStream, message []byte) error {
	// io.EOF means that the call has ended: receiving returns its status.
	if err := stream.SendMsg(&message); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// Receives the remaining messages and appends them.
func receiveRest(stream grpc.ClientStream, received []byte) ([]byte, error) {
	var response []byte
	for {
		err := stream.RecvMsg(&response)
		if errors.Is(err, io.EOF) {
			return received, nil
		}
		if err != nil {
			return nil, err
		}
		received = append(received, response...)
	}
}

// A codec of messages that are bytes, each a *[]byte.
type raw struct{}

func (raw) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

func (raw) Name() string { return "raw" }
