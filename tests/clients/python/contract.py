"""The shared code of the Python clients: flags, workers and report.

A client is one object for all workers, as in an application. Nothing is retried: the library's own retries apply, and a
request that raises has failed.
"""

import argparse
import asyncio
import collections
import importlib.metadata
import json
import os
import re
import sys
import threading
import time

# How many messages a CLIENT or BIDI call sends.
MESSAGES = 4
# The library is configured with windows and limits like an application's.
TUNED = "EVENKEEL_TUNED" in os.environ
# The exit code of a program whose library does not support the pattern.
DOES_NOT_APPLY = 3
ECHOES = ["/echo", "/evenkeel.Test/Echo", "/evenkeel.Test/Chat"]
# The parts in which equal errors differ: objects, addresses, ports and streams.
VARIABLE_PARTS = re.compile(
    r"(?<=\b0x)[0-9a-f]+|\b\d+(?:\.\d+){3}(?::\d+)?\b|(?<=\bport=)\d+|(?<=stream_id:)\d+|(?<=Error: )\d+$"
)


def arguments(*protocols, expect=False):
    """Parses the flags of a client that speaks these protocols; `expect`: it can wait for a 100 (Continue)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, help="IP:PORT to connect to")
    parser.add_argument("--protocol", required=True, choices=["h1", "h2", "grpc", "ws"])
    parser.add_argument("--requests", required=True, type=int)
    parser.add_argument("--concurrency", required=True, type=int)
    parser.add_argument("--method", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--body", required=True, type=int, help="bytes of a request's body")
    parser.add_argument("--response", required=True, type=int, help="bytes of the whole response")
    parser.add_argument("--burst", required=True, type=int, help="pause after this number of requests")
    parser.add_argument("--pause", required=True, type=int, help="milliseconds")
    parser.add_argument("--cancel", required=True, type=int, help="odd ones, after milliseconds")
    parser.add_argument("--timeout", required=True, type=int, help="milliseconds per request")
    parser.add_argument("--expect", action="store_true", help="Expect: 100-continue")
    parser.add_argument("--trailers", action="store_true", help="expect x-trailer: end")
    parser.add_argument("--stream", action="store_true", help="bodies that can be read once only")
    args = parser.parse_args()
    if args.protocol not in protocols:
        does_not_apply(f"the library does not speak {args.protocol}")
    if args.expect and not expect:
        does_not_apply("the library does not wait for a 100 (Continue)")
    if args.trailers and args.protocol not in ("h1", "h2"):
        does_not_apply(f"{args.protocol} has no such thing")
    if args.cancel and args.protocol == "ws":
        does_not_apply("a message on a WebSocket cannot be cancelled")
    return args


def does_not_apply(why):
    print(f"this pattern does not apply: {why}", file=sys.stderr)
    sys.exit(DOES_NOT_APPLY)


def url(args):
    scheme = "ws" if args.protocol == "ws" else "http"
    return f"{scheme}://{args.address}{args.path}"


def headers(args, number):
    # A server sends trailers only to a client that accepts them (RFC 9110, section 6.5.1).
    return {"x-id": str(number)} | ({"te": "trailers"} if args.trailers else {})


def body(args, number):
    """The body of a request, different for each, so that a response to another request is detected."""
    return cut(args, "", number)


def stream(args, number):
    """The body of a request as a generator, which no library can read a second time."""
    yield body(args, number)


def message(args, number):
    """The content of a WebSocket message, which has the number in it, because messages have no headers."""
    return cut(args, f"{number}:", number).decode()


def cut(args, beginning, number):
    text = f"body of {number} "
    return (beginning + text * (args.body // len(text) + 1)).encode()[: args.body]


def cancelled(args, number):
    return args.cancel > 0 and number % 2 == 1


def request_timeout(args, number):
    """After how many seconds the request is cancelled."""
    return (args.cancel if cancelled(args, number) else args.timeout) / 1000


def pause(args, done):
    """How many seconds a worker waits before its next request, after this number of requests."""
    return args.pause / 1000 if args.burst and done % args.burst == 0 else 0


def read(chunks, seconds):
    """Reads the chunks of a response within this number of seconds."""
    end = time.monotonic() + seconds
    whole = bytearray()
    for chunk in chunks:
        whole += chunk
        if time.monotonic() > end:
            raise TimeoutError("the response takes too long")
    return bytes(whole)


def check(args, number, status, content):
    """Raises when the response is not the one to this request."""
    if status != 200:
        raise ValueError(f"status {status}")
    length = 0 if args.method == "HEAD" else args.response
    if len(content) != length:
        raise ValueError(f"{len(content)} bytes instead of {length}")
    if args.path in ECHOES:
        messages = MESSAGES if args.method in ("CLIENT", "BIDI") else 1
        if content != body(args, number) * messages:
            raise ValueError("another body than was sent")
    if args.path == "/count" and content != f"{args.body:016}".encode():
        raise ValueError("the server received another length than was sent")


def version(*names):
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


class Tally:
    """Counts the outcomes of all workers."""

    def __init__(self, args):
        self._args = args
        self._lock = threading.Lock()
        self._ok = 0
        self._cancelled = 0
        self._hung = 0
        self._errors = collections.Counter()

    def finish(self, number, began, error=None):
        """Counts a request that began at that `time.monotonic()`, and its error, if any."""
        with self._lock:
            self._hung += time.monotonic() - began >= self._args.timeout / 2000
            if cancelled(self._args, number):
                self._cancelled += 1
            elif error is None:
                self._ok += 1
            else:
                text = f"{type(error).__name__}: {error}".removesuffix(": ")
                self._errors[VARIABLE_PARTS.sub("..", text)] += 1

    def print(self, version, connections):
        failed = self._errors.total()
        print(
            json.dumps(
                {
                    "version": version,
                    "sent": self._ok + failed + self._cancelled,
                    "ok": self._ok,
                    "failed": failed,
                    "cancelled": self._cancelled,
                    "hung": self._hung,
                    "connections": connections,
                    "errors": self._errors,
                }
            )
        )


def in_threads(args, tally, send):
    """Calls `send(number, timeout)` for every number of a request, each once, in as many threads as asked for."""
    numbers = iter(range(args.requests))
    lock = threading.Lock()

    def next_number():
        with lock:
            return next(numbers, None)

    def work():
        done = 0
        while (number := next_number()) is not None:
            began = time.monotonic()
            try:
                send(number, request_timeout(args, number))
            except Exception as error:
                tally.finish(number, began, error)
            else:
                tally.finish(number, began)
            done += 1
            time.sleep(pause(args, done))

    threads = [threading.Thread(target=work) for _ in range(args.concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def in_tasks(args, tally, senders):
    """Awaits a `send(number)` for every number of a request, each once, in a task for each of the senders.

    A request that takes too long is cancelled as tasks are.
    """
    numbers = iter(range(args.requests))

    async def work(send):
        for done, number in enumerate(numbers, 1):
            began = time.monotonic()
            try:
                async with asyncio.timeout(request_timeout(args, number)):
                    await send(number)
            except Exception as error:
                tally.finish(number, began, error)
            else:
                tally.finish(number, began)
            await asyncio.sleep(pause(args, done))

    await asyncio.gather(*map(work, senders))
