"""pgbench: four connections, active without a pause or with pauses. It aborts a client at its first error."""

import collections
import os
import re
import subprocess
import tempfile
import time

import psycopg

import contract
import postgresql
from contract import FOUND_CLOSED, IN_TRANSACTION, UNKNOWN_OUTCOME

CLIENTS = 4
PAUSED = """\\set think random(200, 1600)
\\set idle random(100, 1200)
BEGIN;
INSERT INTO log VALUES ('paused', 1);
\\sleep :think ms
INSERT INTO log VALUES ('paused', 2);
END;
\\sleep :idle ms
"""
ACTIVE = """BEGIN;
INSERT INTO log VALUES ('active', 1);
INSERT INTO log VALUES ('active', 2);
END;
"""
# The rate keeps the load of the machine low: a connection is idle for about 100 ms between transactions.
RATES = {"paused": [], "active": ["--rate", "40"]}
# The command of the script in which a client was aborted; the first is 0.
ABORTED = re.compile(r"aborted in command (\d+)")
PROCESSED = re.compile(r"transactions actually processed: (\d+)")


def connect(server):
    return psycopg.connect(postgresql.url(server), autocommit=True)


def prepare(args, name):
    for server in args.servers:
        with connect(server) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = postgresql.url(server).replace(f"/{postgresql.DATABASE}", f"/{name}")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE log (id text, part int)")
    return count_sessions(args, name)


def count_sessions(args, name):
    """How many connections the database had so far, once none is left."""
    sessions = 0
    for server in args.servers:
        with connect(server) as connection:
            left = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            while connection.execute(left, (name,)).fetchone()[0]:
                time.sleep(0.05)
            query = "SELECT sessions FROM pg_stat_database WHERE datname = %s"
            sessions += connection.execute(query, (name,)).fetchone()[0]
    return sessions


def count_rows(args, name):
    rows = collections.Counter()
    for server in args.servers:
        url = postgresql.url(server).replace(f"/{postgresql.DATABASE}", f"/{name}")
        with psycopg.connect(url) as connection:
            for part, n in connection.execute("SELECT part, count(*) FROM log GROUP BY part"):
                rows[part] += n
    return rows


def start(args, name, script, directory):
    file = os.path.join(directory, name)
    with open(file, "w", encoding="utf-8") as out:
        out.write(script)
    host, port = args.address
    command = [os.environ["EVENKEEL_PGBENCH"], "--no-vacuum", "--client", str(CLIENTS), "--jobs", "1"]
    command += ["--time", str(args.seconds), "--file", file, *RATES[name]]
    command += ["--host", host, "--port", str(port), "--username", postgresql.USER, name]
    environment = os.environ | {"LD_LIBRARY_PATH": os.environ["EVENKEEL_PGBENCH_LIBRARIES"], "LC_ALL": "C"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )


def report(args, name, script, before, process):
    out, err = process.communicate()
    operation = contract.Operation(name)
    processed = PROCESSED.search(out)
    if processed is None:
        raise SystemExit(err)
    operation.add("operations", int(processed[1]))
    commands = script.splitlines()
    begin, end = commands.index("BEGIN;"), commands.index("END;")
    unknown = 0
    for command in map(int, ABORTED.findall(err)):
        operation.begin()
        if command == begin:
            stage = FOUND_CLOSED
        elif command < end:
            stage = IN_TRANSACTION
        elif command == end:
            stage = UNKNOWN_OUTCOME
            unknown += 1
        else:
            raise SystemExit(err)
        operation.fail(stage, RuntimeError("the client was aborted"))
    operation.add("opened", count_sessions(args, name) - before)
    rows = count_rows(args, name)
    operation.add("lost", max(0, int(processed[1]) - rows[2]))
    operation.add("delivered_twice", max(0, rows[2] - int(processed[1]) - unknown))
    with subprocess.Popen([*process.args[:1], "--version"], stdout=subprocess.PIPE, text=True) as asked:
        version = re.search(r"\d+\.\d+", asked.communicate()[0])[0]
    operation.report(f"pgbench {version}")


def main():
    args = contract.parse_arguments()
    scripts = {"paused": PAUSED, "active": ACTIVE}
    before = {name: prepare(args, name) for name in scripts}
    with tempfile.TemporaryDirectory() as directory:
        processes = {name: start(args, name, script, directory) for name, script in scripts.items()}
        for name, process in processes.items():
            report(args, name, scripts[name], before[name], process)


main()
