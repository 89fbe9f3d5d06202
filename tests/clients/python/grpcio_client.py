"""grpcio: one channel, shared by threads, with bytes as messages."""

import queue

import grpc

import contract


def unary(channel, args, number, **call):
    return channel.unary_unary(args.path)(contract.body(args, number), **call)


def server(channel, args, _number, **call):
    return b"".join(channel.unary_stream(args.path)(b"", **call))


def client(channel, args, number, **call):
    requests = iter([contract.body(args, number)] * contract.MESSAGES)
    return b"".join(channel.stream_stream(args.path)(requests, **call))


def bidi(channel, args, number, **call):
    requests = queue.SimpleQueue()
    responses = channel.stream_stream(args.path)(iter(requests.get, None), **call)
    whole = b""
    try:
        for _ in range(contract.MESSAGES):
            requests.put(contract.body(args, number))
            whole += next(responses, b"")
    finally:
        # Half-closes the call, which ends the thread that reads the queue.
        requests.put(None)
    return whole + b"".join(responses)


# Ignore the proxy of the environment.
OPTIONS = [("grpc.enable_http_proxy", 0)]
TUNED = [
    ("grpc.http2.lookahead_bytes", 1 << 20),
    ("grpc.http2.max_frame_size", 32 << 10),
    ("grpc.max_metadata_size", 32 << 10),
]
KINDS = {"UNARY": unary, "SERVER": server, "CLIENT": client, "BIDI": bidi}


def main():
    args = contract.arguments("grpc")
    tally = contract.Tally(args)
    ask = KINDS[args.method]
    options = OPTIONS + (TUNED if contract.TUNED else [])
    with grpc.insecure_channel(args.address, options) as channel:

        def send(number, timeout):
            metadata = list(contract.headers(args, number).items())
            try:
                response = ask(channel, args, number, timeout=timeout, metadata=metadata)
            except grpc.RpcError as error:
                # str(error) has several lines and the time.
                raise RuntimeError(f"{error.code().name}: {error.details()}") from error
            contract.check(args, number, 200, response)

        contract.in_threads(args, tally, send)
    tally.print(contract.version("grpcio"), None)


main()
