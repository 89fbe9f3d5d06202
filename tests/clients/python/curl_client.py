"""curl: libcurl's multi interface, which the curl tool uses, with one handle for each worker.

The tool itself would be whichever the system has: 7.88, still in wide use, gets a response to its first request
over HTTP/2 with prior knowledge and fails every further one with error 16, by a bare Envoy, too.
"""

import io
import time

import pycurl

import contract

VERSIONS = {
    "h1": pycurl.CURL_HTTP_VERSION_1_1,
    "h2": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}
# The longest wait for a socket before the timers of curl and of the workers are checked.
WAIT_SECONDS = 0.1


class Worker:
    """Sends requests one after the other with a handle of the multi handle."""

    def __init__(self, args):
        self._args = args
        self._done = 0
        self.handle = pycurl.Curl()
        self.handle.worker = self
        self.ready = 0.0

    def begin(self, number):
        args, handle = self._args, self.handle
        self.number = number
        self.began = time.monotonic()
        self._head, self._content = [], io.BytesIO()
        headers = contract.headers(args, number)
        if args.expect:
            headers["expect"] = "100-continue"
        handle.reset()
        handle.setopt(pycurl.URL, contract.url(args))
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.HTTP_VERSION, VERSIONS[args.protocol])
        # Wait for a connection that is being opened instead of opening another one.
        handle.setopt(pycurl.PIPEWAIT, 1)
        handle.setopt(pycurl.TIMEOUT_MS, int(contract.request_timeout(args, number) * 1000))
        handle.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
        handle.setopt(pycurl.HEADERFUNCTION, self._head.append)
        handle.setopt(pycurl.WRITEDATA, self._content)
        if args.method == "HEAD":
            handle.setopt(pycurl.NOBODY, 1)
        elif args.method == "POST" and args.stream:
            # Without a function to seek with, it cannot be rewound.
            handle.setopt(pycurl.POST, 1)
            handle.setopt(pycurl.READFUNCTION, io.BytesIO(contract.body(args, number)).read)
        elif args.method == "POST":
            handle.setopt(pycurl.POSTFIELDS, contract.body(args, number))

    def end(self):
        """Ends the request; the next one may begin after the pause."""
        self._done += 1
        self.ready = time.monotonic() + contract.pause(self._args, self._done)

    def check(self):
        status = self.handle.getinfo(pycurl.RESPONSE_CODE)
        contract.check(self._args, self.number, status, self._content.getvalue())
        # curl reports trailers like headers, none of which has that name.
        if self._args.trailers and b"x-trailer: end\r\n" not in self._head:
            raise ValueError("no trailer")


def finished(multi):
    """The workers whose requests are over, each with curl's error or None."""
    waiting = 1
    while waiting:
        waiting, done, failed = multi.info_read()
        for handle in done:
            yield handle.worker, None
        for handle, code, text in failed:
            yield handle.worker, pycurl.error(code, text)


def outcome(worker, error):
    """The error of the worker's request, or None."""
    if error is not None:
        return error
    try:
        worker.check()
    except ValueError as wrong:
        return wrong


def wait(multi, idle, busy):
    """Waits until a socket is ready or the pause of a worker ends."""
    now = time.monotonic()
    pauses = [worker.ready - now for worker in idle if worker.ready > now]
    seconds = min([WAIT_SECONDS, *pauses])
    multi.select(seconds) if busy else time.sleep(seconds)


def main():
    args = contract.arguments("h1", "h2", expect=True)
    tally = contract.Tally(args)
    numbers = iter(range(args.requests))
    connections = over = busy = 0
    multi = pycurl.CurlMulti()
    idle = [Worker(args) for _ in range(args.concurrency)]
    while over < args.requests:
        now = time.monotonic()
        for worker, number in zip([worker for worker in idle if worker.ready <= now], numbers):
            idle.remove(worker)
            worker.begin(number)
            multi.add_handle(worker.handle)
            busy += 1
        _, running = multi.perform()
        if running == busy:
            wait(multi, idle, busy)
        for worker, error in finished(multi):
            connections += worker.handle.getinfo(pycurl.NUM_CONNECTS)
            multi.remove_handle(worker.handle)
            tally.finish(worker.number, worker.began, outcome(worker, error))
            worker.end()
            idle.append(worker)
            busy -= 1
            over += 1
    version = next(part for part in pycurl.version.split() if part.startswith("libcurl"))
    tally.print(version.replace("/", " "), connections)


main()
