"""What the client programs have in common: arguments, counts per operation, and one line of JSON per operation.

README.md of this crate defines the counts. An operation records how far it got in `stage`; an error is counted under
the stage in which it occurred. Nothing is retried that the library does not retry by itself.
"""

import argparse
import asyncio
import collections
import importlib.metadata
import json
import os
import random
import re
import sys
import threading
import time
import traceback

IN_FLIGHT = "in_flight"
IN_TRANSACTION = "in_transaction"
UNKNOWN_OUTCOME = "unknown_outcome"
SESSION_LOST = "session_lost"
FOUND_CLOSED = "found_closed"

# What differs between errors that are the same.
ACCIDENTAL = re.compile(r"\d+|0x[0-9a-f]+")


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, type=address, help="the proxy, IP:PORT")
    parser.add_argument("--server", required=True, type=address, action="append", dest="servers")
    parser.add_argument("--seconds", required=True, type=int, help="start no operation after this time")
    return parser.parse_args()


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


class Clock:
    """How long the run still takes, and the pauses of its workers. It starts when the first worker asks: on a busy
    machine, the preparation takes seconds."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.started = None

    @property
    def end(self):
        if self.started is None:
            self.started = time.monotonic()
        return self.started + self.seconds

    def running(self):
        return time.monotonic() < self.end

    def pause(self, shortest, longest):
        time.sleep(random.uniform(shortest, longest))

    async def pause_async(self, shortest, longest):
        await asyncio.sleep(random.uniform(shortest, longest))


class Attempt:
    """One operation. `stage` is the class of an error that occurs now: at first nothing has run."""

    def __init__(self, operation, number):
        self.operation = operation
        self.stage = FOUND_CLOSED
        self.number = number
        self.id = f"{operation.name}-{number}"

    def fail(self, error):
        self.operation.fail(self.stage, error)


class Operation:
    """The counts of one kind of operation, over all of its workers.

    `drops_responses` is for a client that reports an error instead of a response that it reads together with the end
    of the connection: the servers' state decides whether the operation succeeded.
    """

    def __init__(self, name, drops_responses=False):
        self.name = name
        self.drops_responses = drops_responses
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.errors = collections.Counter()
        # The ids of operations whose change was acknowledged, and of those whose change must be looked up.
        self.acknowledged = set()
        self.uncertain = {}

    def begin(self):
        with self.lock:
            self.counts["operations"] += 1
            return Attempt(self, self.counts["operations"])

    def add(self, count, number=1):
        with self.lock:
            self.counts[count] += number

    def opened(self):
        self.add("opened")

    def acknowledge(self, attempt):
        with self.lock:
            self.acknowledged.add(attempt.id)

    def fail(self, stage, error):
        self.record(stage, error, time.gmtime())

    def record(self, stage, error, moment):
        text = f"{stage}: {describe(error)}"
        if stage != FOUND_CLOSED:
            # Such errors must not occur with a drain at a safe point: where and when helps to find the reason.
            text += f" ({time.strftime('%H:%M:%S', moment)} UTC, {place(error)})"
        with self.lock:
            self.counts[stage] += 1
            self.errors[text] += 1

    def look_up(self, attempt, error):
        """Leaves the class of the error to `verify`, where the connection was open: whether the change exists decides."""
        if attempt.stage != FOUND_CLOSED and not self.drops_responses:
            attempt.fail(error)
            return
        with self.lock:
            self.uncertain[attempt.id] = attempt.stage, error, time.gmtime()

    def resolve(self, found, parts=1):
        """Classifies the errors that were left: `found` has the number of rows or messages per id."""
        for id, (stage, error, moment) in self.uncertain.items():
            number = found.get(id, 0)
            if not (self.drops_responses and number >= parts):
                self.record(IN_FLIGHT if number and stage == FOUND_CLOSED else stage, error, moment)

    def verify(self, found, parts=1, missing="lost"):
        """Compares with the servers' state, as `resolve` does."""
        self.resolve(found, parts)
        lost = sum(1 for id in self.acknowledged if found.get(id, 0) < parts)
        own = {id: n for id, n in found.items() if id.rsplit("-", 1)[0] == self.name}
        twice = sum(1 for n in own.values() if n > parts)
        self.add(missing, lost)
        self.add("delivered_twice", twice)

    def report(self, version):
        counts = {name: n for name, n in self.counts.items() if n}
        line = {"version": version, "operation": self.name, "counts": counts, "errors": self.errors}
        print(json.dumps(line), flush=True)


def describe(error):
    text = str(error).strip().splitlines()
    name = type(error).__name__
    return ACCIDENTAL.sub("#", f"{name}: {text[0][:120]}" if text else name)


def repeat(args, clock, operation, session, body, looked_up=False):
    """Repeats `body` on a connection that `session` keeps, and opens another one only after an error. An error is counted
    under the stage that `body` reached; with `looked_up`, whether the change exists decides what it was."""

    def work():
        kept = session(args, operation)
        clock.pause(0, 1)
        while clock.running():
            attempt = operation.begin()
            try:
                connection = kept.get()
                body(clock, connection, attempt)
            except session.closed as error:
                if looked_up:
                    operation.look_up(attempt, error)
                elif attempt.id not in operation.acknowledged:
                    attempt.fail(error)
                kept.drop()
            clock.pause(0.1, 1.2)
        kept.drop()

    return work


def place(error):
    """The line of a client program that raised the error; that of the library where none is in the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.dirname(frame.filename) == os.path.dirname(__file__)]
    last = (own or frames or [None])[-1]
    return f"{os.path.basename(last.filename)}:{last.lineno}" if last else "not raised"


def version(*names):
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def run_threads(workers):
    """Runs functions in threads; an unexpected exception in one ends the program with an error."""

    def guarded(worker):
        try:
            worker()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            # Not sys.exit: that ends the thread alone.
            os._exit(1)

    threads = [threading.Thread(target=guarded, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
