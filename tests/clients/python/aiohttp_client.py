"""aiohttp: one aiohttp.ClientSession, shared by tasks."""

import asyncio
import itertools

import aiohttp

import contract


async def stream(args, number):
    yield contract.body(args, number)


async def main():
    args = contract.arguments("h1", expect=True)
    tally = contract.Tally(args)
    opened = itertools.count()

    async def count(*_event):
        next(opened)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(count)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:

        body = stream if args.stream else contract.body

        async def send(number):
            async with session.request(
                args.method,
                contract.url(args),
                headers=contract.headers(args, number),
                data=body(args, number) or None,
                expect100=args.expect,
            ) as response:
                contract.check(args, number, response.status, await response.read())

        await contract.in_tasks(args, tally, [send] * args.concurrency)
    tally.print(contract.version("aiohttp"), next(opened))


asyncio.run(main())
