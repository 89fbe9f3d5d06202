"""httpx: one httpx.Client, shared by threads as its documentation allows."""

import itertools

import httpx

import contract


def main():
    args = contract.arguments("h1", "h2")
    if args.cancel and args.protocol == "h2":
        contract.does_not_apply("a timeout of one request ends the connection, and all others on it")
    tally = contract.Tally(args)
    opened = itertools.count()

    def trace(event, _info):
        if event == "connection.connect_tcp.complete":
            next(opened)

    with httpx.Client(
        # Without HTTP/1 there is nothing to negotiate: HTTP/2 with prior knowledge.
        http1=args.protocol == "h1",
        http2=args.protocol == "h2",
        trust_env=False,
    ) as client:

        body = contract.stream if args.stream else contract.body

        def send(number, patience):
            with client.stream(
                args.method,
                contract.url(args),
                headers=contract.headers(args, number),
                content=body(args, number) or None,
                timeout=patience,
                extensions={"trace": trace},
            ) as response:
                answer = contract.read(response.iter_bytes(), patience)
            contract.check(args, number, response.status_code, answer)

        contract.in_threads(args, tally, send)
    libraries = ["httpx", "h2"] if args.protocol == "h2" else ["httpx"]
    tally.print(contract.version(*libraries), next(opened))


main()
