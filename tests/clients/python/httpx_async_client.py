"""httpx over HTTP/2: one httpx.AsyncClient, shared by tasks."""

import asyncio
import itertools

import httpx

import contract


async def stream(args, number):
    yield contract.body(args, number)


async def main():
    args = contract.arguments("h2")
    tally = contract.Tally(args)
    opened = itertools.count()

    async def trace(event, _info):
        if event == "connection.connect_tcp.complete":
            next(opened)

    async with httpx.AsyncClient(
        # Without HTTP/1, this means HTTP/2 with prior knowledge.
        http1=False,
        http2=True,
        trust_env=False,
        timeout=None,
    ) as client:
        body = stream if args.stream else contract.body

        async def send(number):
            response = await client.request(
                args.method,
                contract.url(args),
                headers=contract.headers(args, number),
                content=body(args, number) or None,
                extensions={"trace": trace},
            )
            contract.check(args, number, response.status_code, response.content)

        await contract.in_tasks(args, tally, [send] * args.concurrency)
    tally.print(contract.version("httpx", "h2"), next(opened))


asyncio.run(main())
