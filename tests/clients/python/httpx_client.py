"""httpx: one httpx.Client, shared by threads as its documentation allows.

HTTP/1 only: threads that share a connection of HTTP/2 fail, and after some thousand requests hang, with a proxy that
drains nothing, too. httpx_async_client.py has HTTP/2.
"""

import itertools

import httpx

import contract


def main():
    args = contract.arguments("h1")
    tally = contract.Tally(args)
    opened = itertools.count()

    def trace(event, _info):
        if event == "connection.connect_tcp.complete":
            next(opened)

    with httpx.Client(trust_env=False) as client:
        body = contract.stream if args.stream else contract.body

        def send(number, timeout):
            with client.stream(
                args.method,
                contract.url(args),
                headers=contract.headers(args, number),
                content=body(args, number) or None,
                timeout=timeout,
                extensions={"trace": trace},
            ) as response:
                content = contract.read(response.iter_bytes(), timeout)
            contract.check(args, number, response.status_code, content)

        contract.in_threads(args, tally, send)
    tally.print(contract.version("httpx"), next(opened))


main()
