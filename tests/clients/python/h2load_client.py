"""h2load: one run of the tool, with the flags and the report of the contract.

It judges a response by its status, and their length by its sum; at their content it does not look. It cannot
number requests: one that ran twice is not seen, and every body is that of request 0. Over HTTP/1 each worker has
a connection of its own; over HTTP/2 all share one, which h2load never replaces: what is left when the
server ends it has failed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import contract

PROGRAM = os.environ.get("EVENKEEL_H2LOAD", "h2load")
DATA = re.compile(r"traffic: .*\((\d+)\) data")
# The status in the log of a request without one.
NO_STATUS = -1


def flags(args, log, data):
    workers = args.concurrency
    at_once = ["--h1", "-c", workers] if args.protocol == "h1" else ["-c", "1", "-m", workers]
    method = ["-d", data] if args.method == "POST" else ["-H", f":method: {args.method}"]
    return [
        *at_once,
        *method,
        *("-n", args.requests, "-N", args.timeout // 1000, "--log-file", log),
        contract.url(args),
    ]


def run(args):
    """What h2load prints, and the status and the seconds of each request that was sent."""
    with tempfile.TemporaryDirectory() as directory:
        log, data = pathlib.Path(directory, "log"), pathlib.Path(directory, "body")
        data.write_bytes(contract.body(args, 0))
        said = subprocess.run(
            [PROGRAM, *map(str, flags(args, log, data))], capture_output=True, text=True
        )
        if said.returncode:
            sys.exit(f"{PROGRAM} ended with {said.returncode}\n{said.stderr}")
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    # A request that was not sent has no start time.
    sent = [line for line in lines if line[0] != "0"]
    return said.stdout, [(int(status), int(micros) / 1e6) for _, status, micros in sent]


def count(args, tally, responses):
    for status, seconds in responses:
        error = None
        if status == NO_STATUS:
            error = ConnectionError("ended before the response")
        elif status != 200:
            error = ValueError(f"status {status}")
        tally.finish(0, time.monotonic() - seconds, error)
    for _ in range(args.requests - len(responses)):
        tally.finish(0, time.monotonic(), ConnectionError("ended before the request was sent"))


def check_length(args, summary, responses):
    if any(status != 200 for status, _ in responses):
        return  # These responses differ in length.
    length = 0 if args.method == "HEAD" else args.response
    received = int(DATA.search(summary)[1])
    if received != len(responses) * length:
        sys.exit(f"{received} bytes in {len(responses)} responses of {length}")


def main():
    args = contract.arguments("h1", "h2")
    if args.burst or args.cancel or args.trailers:
        contract.does_not_apply("h2load does not pause, cancel or show trailers")
    if args.stream:
        contract.does_not_apply("h2load reads its bodies from a file")
    if args.protocol == "h1" and args.method == "HEAD":
        contract.does_not_apply("h2load awaits a body after every head of HTTP/1")
    if not shutil.which(PROGRAM):
        sys.exit(f"no {PROGRAM}: install nghttp2-client, or say in EVENKEEL_H2LOAD where it is")
    tally = contract.Tally(args)
    summary, responses = run(args)
    check_length(args, summary, responses)
    count(args, tally, responses)
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    tally.print(version.stdout.strip().replace("nghttp2/", ""), None)


main()
