"""httpx: one httpx.Client, shared by threads as its documentation allows."""

import importlib.metadata
import itertools

import httpx

import contract


def main():
    args = contract.arguments()
    tally = contract.Tally()
    opened = itertools.count()

    def trace(event, _info):
        if event == "connection.connect_tcp.complete":
            next(opened)

    with httpx.Client(
        # Without HTTP/1 there is nothing to negotiate: HTTP/2 with prior knowledge.
        http1=args.protocol == "h1",
        http2=args.protocol == "h2",
        trust_env=False,
        timeout=contract.TIMEOUT_SECONDS,
    ) as client:

        def send(number):
            response = client.request(
                args.method,
                contract.url(args),
                headers={"x-id": str(number)},
                content=contract.body(args, number),
                extensions={"trace": trace},
            )
            contract.check(args, number, response.status_code, response.content)

        contract.in_threads(args, tally, send)
    libraries = ["httpx", "h2"] if args.protocol == "h2" else ["httpx"]
    version = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in libraries)
    tally.print(version, next(opened))


main()
