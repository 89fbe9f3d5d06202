"""requests: one requests.Session with a connection for each thread, shared by threads as is common."""

import requests

import contract


def main():
    args = contract.arguments("h1")
    tally = contract.Tally(args)
    url = contract.url(args)
    with requests.Session() as session:
        session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=max(args.concurrency, 10))
        session.mount("http://", adapter)

        body = contract.stream if args.stream else contract.body

        def send(number, timeout):
            with session.request(
                args.method,
                url,
                headers=contract.headers(args, number),
                data=body(args, number) or None,
                timeout=timeout,
                stream=True,
            ) as response:
                content = contract.read(response.iter_content(None), timeout)
            contract.check(args, number, response.status_code, content)

        contract.in_threads(args, tally, send)
    # urllib3 counts the slots of its pool, not the opened connections.
    tally.print(contract.version("requests", "urllib3"), None)


main()
