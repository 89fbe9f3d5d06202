"""psycopg: each worker keeps one connection and opens another one only after an error."""

import time

import psycopg

import contract
import postgresql
from contract import FOUND_CLOSED, IN_FLIGHT, IN_TRANSACTION, SESSION_LOST, UNKNOWN_OUTCOME

TABLE = "psycopg_log"
INSERT = f"INSERT INTO {TABLE} VALUES (%s, %s)"


class Session:
    """One connection at a time."""

    closed = psycopg.OperationalError

    def __init__(self, args, operation):
        self.url = postgresql.url(args.address)
        self.operation = operation
        self.connection = None

    def get(self):
        if self.connection is None:
            self.operation.opened()
            self.connection = psycopg.connect(self.url, autocommit=True)
        return self.connection

    def drop(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def transaction(clock, connection, attempt, think=(0.2, 1.6)):
    connection.execute("BEGIN")
    attempt.stage = IN_TRANSACTION
    connection.execute(INSERT, (attempt.id, 1))
    clock.pause(*think)
    connection.execute(INSERT, (attempt.id, 2))
    clock.pause(0, 0.8)
    attempt.stage = UNKNOWN_OUTCOME
    connection.execute("COMMIT")
    attempt.operation.acknowledge(attempt)


def long_transaction(clock, connection, attempt):
    transaction(clock, connection, attempt, think=(7, 7))


def notice(_, connection, attempt):
    """A NOTICE is no response: the statement continues for four seconds."""

    def noticed(_):
        attempt.stage = IN_FLIGHT

    connection.add_notice_handler(noticed)
    try:
        connection.execute("DO $$ BEGIN RAISE NOTICE 'begun'; PERFORM pg_sleep(4); END $$")
    finally:
        connection.remove_notice_handler(noticed)


def copy(clock, connection, attempt):
    """32 MB, more than all buffers on the way, with pauses."""
    query = "COPY (SELECT i, repeat('x', 8000) FROM generate_series(1, 4000) i) TO STDOUT"
    with connection.cursor() as cursor, cursor.copy(query) as rows:
        for number, _ in enumerate(rows):
            attempt.stage = IN_FLIGHT
            if number % 700 == 699:
                clock.pause(0.8, 0.8)


def cursor(clock, connection, attempt):
    with connection.transaction(), connection.cursor(name="c") as cursor:
        cursor.execute("SELECT i FROM generate_series(1, 500) i")
        attempt.stage = IN_TRANSACTION
        for _ in range(5):
            if len(cursor.fetchmany(100)) != 100:
                raise ValueError("the cursor returned too few rows")
            clock.pause(0.9, 0.9)


def prepared(_, connection, attempt):
    connection.execute(INSERT, (attempt.id, 1), prepare=True)
    attempt.operation.acknowledge(attempt)


def advisory_lock(clock, connection, attempt):
    connection.execute("SELECT pg_advisory_lock(%s)", (1,))
    attempt.stage = SESSION_LOST
    clock.pause(1.2, 1.2)
    released = connection.execute("SELECT pg_advisory_unlock(%s)", (1,)).fetchone()[0]
    if not released:
        raise ValueError("the lock was not held")


def temporary_table(clock, connection, attempt):
    connection.execute("CREATE TEMPORARY TABLE scratch (i int)")
    attempt.stage = SESSION_LOST
    clock.pause(1.2, 1.2)
    connection.execute("DROP TABLE scratch")


def pipeline(clock, connection, attempt):
    """Without an explicit BEGIN, the statements up to the next Sync are one transaction."""
    with connection.pipeline() as pipeline:
        connection.execute("SELECT 1").fetchone()
        attempt.stage = IN_TRANSACTION
        connection.execute(INSERT, (attempt.id, 1))
        clock.pause(0.8, 0.8)
        connection.execute(INSERT, (attempt.id, 2))
        attempt.stage = UNKNOWN_OUTCOME
        pipeline.sync()
        # The end of the block sends another Sync, which may find the connection closed.
        attempt.operation.acknowledge(attempt)


class Listener:
    """Listens through the proxy, and listens again after an error. Every notification is sent on all servers."""

    def __init__(self, args, clock, operation):
        self.args = args
        self.clock = clock
        self.operation = operation
        self.received = set()
        self.sent = set()

    def listen(self):
        session = Session(self.args, self.operation)
        while self.clock.running():
            stage = FOUND_CLOSED
            try:
                connection = session.get()
                connection.execute("LISTEN channel")
                stage = SESSION_LOST
                while self.clock.running():
                    for notification in connection.notifies(timeout=0.5):
                        self.received.add(notification.payload)
            except Session.closed as error:
                self.operation.fail(stage, error)
                session.drop()
        session.drop()

    def notify(self):
        servers = [psycopg.connect(postgresql.url(server), autocommit=True) for server in self.args.servers]
        # What is sent before the first LISTEN, or at the end of the run, proves nothing.
        while not self.received:
            for server in servers:
                server.execute("NOTIFY channel, 'first'")
            time.sleep(0.05)
        while time.monotonic() < self.clock.end - 1:
            number = str(self.operation.begin().number)
            for server in servers:
                server.execute("SELECT pg_notify('channel', %s)", (number,))
            self.sent.add(number)
            time.sleep(0.25)
        for server in servers:
            server.close()

    def verify(self):
        self.operation.add("missed", len(self.sent - self.received))


def main():
    args = contract.parse_arguments()
    postgresql.create_tables(args, TABLE)
    clock = contract.Clock(args.seconds)
    bodies = {
        transaction: 4,
        long_transaction: 2,
        notice: 2,
        copy: 1,
        cursor: 2,
        prepared: 2,
        advisory_lock: 1,
        temporary_table: 1,
        pipeline: 2,
    }
    workers = []
    operations = {}
    for body, number in bodies.items():
        operation = operations[body] = contract.Operation(body.__name__)
        repeated = contract.repeat(args, clock, operation, Session, body, looked_up=body is prepared)
        workers += [repeated] * number
    listener = Listener(args, clock, contract.Operation("listen"))
    contract.run_threads([*workers, listener.listen, listener.notify])

    found = postgresql.find_rows(args, TABLE)
    for body, parts in {transaction: 2, long_transaction: 2, prepared: 1, pipeline: 2}.items():
        operations[body].verify(found, parts)
    listener.verify()
    for operation in [*operations.values(), listener.operation]:
        operation.report(contract.version("psycopg"))


main()
