"""httpx again: one httpx.AsyncClient, shared by tasks.

Over HTTP/2 it is sounder than the client that threads share, in which frames of two threads can get mixed up.
"""

import asyncio
import itertools

import httpx

import contract


async def main():
    args = contract.arguments("h1", "h2")
    tally = contract.Tally(args)
    opened = itertools.count()

    async def trace(event, _info):
        if event == "connection.connect_tcp.complete":
            next(opened)

    async with httpx.AsyncClient(
        # Without HTTP/1 there is nothing to negotiate: HTTP/2 with prior knowledge.
        http1=args.protocol == "h1",
        http2=args.protocol == "h2",
        trust_env=False,
    ) as client:

        async def send(number):
            response = await client.request(
                args.method,
                contract.url(args),
                headers=contract.headers(args, number),
                content=contract.body(args, number) or None,
                extensions={"trace": trace},
            )
            contract.check(args, number, response.status_code, response.content)

        await contract.in_tasks(args, tally, [send] * args.concurrency)
    libraries = ["httpx", "h2"] if args.protocol == "h2" else ["httpx"]
    tally.print(contract.version(*libraries), next(opened))


asyncio.run(main())
