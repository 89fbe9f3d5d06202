"""curl: libcurl's multi interface, which curl's own tool stands on, with one handle a request on its way.

The tool itself would be whichever the system has: 7.88, still in wide use, is answered its first request
over HTTP/2 with prior knowledge and fails every further one with error 16, by a bare Envoy, too.
"""

import io

import pycurl

import contract

VERSIONS = {
    "h1": pycurl.CURL_HTTP_VERSION_1_1,
    "h2": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}
# The longest wait for a socket before curl is asked for its own timers.
WAIT_SECONDS = 0.1


def prepare(handle, args, number):
    handle.reset()
    handle.number = number
    handle.answer = io.BytesIO()
    handle.setopt(pycurl.URL, contract.url(args))
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.HTTP_VERSION, VERSIONS[args.protocol])
    # Rather share a connection than open another while the first is being opened.
    handle.setopt(pycurl.PIPEWAIT, 1)
    handle.setopt(pycurl.TIMEOUT_MS, int(contract.TIMEOUT_SECONDS * 1000))
    handle.setopt(pycurl.HTTPHEADER, [f"x-id: {number}"])
    handle.setopt(pycurl.WRITEDATA, handle.answer)
    if args.method == "POST":
        handle.setopt(pycurl.POSTFIELDS, contract.body(args, number))


def finished(multi):
    """The handles that are done, each with curl's error or None."""
    waiting = 1
    while waiting:
        waiting, done, failed = multi.info_read()
        for handle in done:
            yield handle, None
        for handle, code, text in failed:
            yield handle, pycurl.error(code, text)


def outcome(args, handle, error):
    """What went wrong with the handle's request, or None."""
    if error is not None:
        return error
    try:
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        contract.check(args, handle.number, status, handle.answer.getvalue())
    except ValueError as wrong:
        return wrong


def main():
    args = contract.arguments()
    tally = contract.Tally()
    numbers = iter(range(args.requests))
    connections = 0
    multi = pycurl.CurlMulti()
    idle = [pycurl.Curl() for _ in range(args.concurrency)]
    busy = 0
    while True:
        for handle, number in zip(list(idle), numbers):
            idle.remove(handle)
            prepare(handle, args, number)
            multi.add_handle(handle)
            busy += 1
        if not busy:
            break
        _, running = multi.perform()
        if running == busy:
            multi.select(WAIT_SECONDS)
        for handle, error in finished(multi):
            connections += handle.getinfo(pycurl.NUM_CONNECTS)
            multi.remove_handle(handle)
            wrong = outcome(args, handle, error)
            tally.failed(wrong) if wrong else tally.succeeded()
            idle.append(handle)
            busy -= 1
    version = next(part for part in pycurl.version.split() if part.startswith("libcurl"))
    tally.print(version.replace("/", " "), connections)


main()
