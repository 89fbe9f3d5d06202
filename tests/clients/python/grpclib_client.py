"""grpclib: one Channel, shared by tasks, with bytes as messages."""

import asyncio

import grpclib.const
from grpclib.client import Channel

import contract

CARDINALITIES = {
    "UNARY": grpclib.const.Cardinality.UNARY_UNARY,
    "SERVER": grpclib.const.Cardinality.UNARY_STREAM,
    "CLIENT": grpclib.const.Cardinality.STREAM_STREAM,
    "BIDI": grpclib.const.Cardinality.STREAM_STREAM,
}


class Raw:
    """A codec of messages that are bytes."""

    # The default of the content-type.
    __content_subtype__ = "proto"

    def encode(self, message, _type):
        return message

    def decode(self, data, _type):
        return data


async def call(channel, args, number):
    call = channel.request(
        args.path,
        CARDINALITIES[args.method],
        bytes,
        bytes,
        timeout=contract.request_timeout(args, number),
        metadata=contract.headers(args, number),
    )
    async with call as stream:
        return await ASK[args.method](stream, contract.body(args, number))


async def unary(stream, body):
    await stream.send_message(body, end=True)
    return await stream.recv_message()


async def server(stream, _body):
    await stream.send_message(b"", end=True)
    return b"".join([message async for message in stream])


async def client(stream, body):
    for _ in range(contract.MESSAGES):
        await stream.send_message(body)
    await stream.end()
    return b"".join([message async for message in stream])


async def bidi(stream, body):
    whole = b""
    for _ in range(contract.MESSAGES):
        await stream.send_message(body)
        whole += await stream.recv_message() or b""
    await stream.end()
    return whole + b"".join([message async for message in stream])


ASK = {"UNARY": unary, "SERVER": server, "CLIENT": client, "BIDI": bidi}


async def main():
    args = contract.arguments("grpc")
    tally = contract.Tally(args)
    host, port = args.address.rsplit(":", 1)
    async with Channel(host, int(port), codec=Raw()) as channel:

        async def send(number):
            contract.check(args, number, 200, await call(channel, args, number))

        await contract.in_tasks(args, tally, [send] * args.concurrency)
    tally.print(contract.version("grpclib", "h2"), None)


asyncio.run(main())
