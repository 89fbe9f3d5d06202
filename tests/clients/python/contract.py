"""What the Python clients have in common: the flags, the workers, and the one line of JSON.

A client is one object for all workers, as an application shares it. Nothing is tried again here: what the
library does by itself is what its users get, and a request that raises has failed.
"""

import argparse
import collections
import json
import threading

# The server answers GET / with some name and POST /echo with the body it was sent.
PATHS = {"GET": "/", "POST": "/echo"}
# A request that takes longer hangs.
TIMEOUT_SECONDS = 5.0


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, help="IP:PORT to connect to")
    parser.add_argument("--protocol", required=True, choices=["h1", "h2"])
    parser.add_argument("--requests", required=True, type=int)
    parser.add_argument("--concurrency", required=True, type=int)
    parser.add_argument("--method", required=True, choices=sorted(PATHS))
    return parser.parse_args()


def url(args):
    return f"http://{args.address}{PATHS[args.method]}"


def body(args, number):
    """The body of a request: its own, so that an answer to another one shows."""
    return f"body of {number} ".encode() * 64 if args.method == "POST" else None


def check(args, number, status, answer):
    """Raises when the answer is not the one to this request."""
    if status != 200:
        raise ValueError(f"status {status}")
    if args.method == "POST" and answer != body(args, number):
        raise ValueError("another body than was sent")
    if not answer:
        raise ValueError("an empty answer")


class Tally:
    """Counts the outcomes of all workers."""

    def __init__(self):
        self._lock = threading.Lock()
        self._ok = 0
        self._errors = collections.Counter()

    def succeeded(self):
        with self._lock:
            self._ok += 1

    def failed(self, error):
        with self._lock:
            self._errors[f"{type(error).__name__}: {error}"] += 1

    def print(self, version, connections):
        failed = sum(self._errors.values())
        print(
            json.dumps(
                {
                    "version": version,
                    "sent": self._ok + failed,
                    "ok": self._ok,
                    "failed": failed,
                    "errors": self._errors,
                    "connections": connections,
                }
            )
        )


def in_threads(args, tally, send):
    """Calls `send(number)` for every number of a request, each once, in as many threads as asked for."""
    numbers = iter(range(args.requests))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                send(number)
            except Exception as error:
                tally.failed(error)
            else:
                tally.succeeded()

    threads = [threading.Thread(target=work) for _ in range(args.concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
