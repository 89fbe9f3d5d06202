"""PyMySQL: each worker keeps one connection and opens another one only after an error."""

import pymysql
from pymysql.cursors import SSCursor

import contract
import mysql
from contract import IN_FLIGHT, IN_TRANSACTION, SESSION_LOST, UNKNOWN_OUTCOME

TABLE = "pymysql_log"
INSERT = f"INSERT INTO {TABLE} VALUES (%s, %s)"


class Session:
    """One connection at a time."""

    # The connection is gone: 2006, 2013, or the driver has closed it.
    closed = (pymysql.OperationalError, pymysql.InterfaceError)

    def __init__(self, args, operation):
        self.args = args
        self.operation = operation
        self.connection = None

    def get(self):
        if self.connection is None:
            self.operation.opened()
            self.connection = mysql.connect(self.args.address, autocommit=True)
        return self.connection

    def drop(self):
        if self.connection is not None and self.connection.open:
            self.connection.close()
        self.connection = None


def execute(connection, statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall()


def transaction(clock, connection, attempt, think=(0.2, 1.6)):
    execute(connection, "BEGIN")
    attempt.stage = IN_TRANSACTION
    execute(connection, INSERT, attempt.id, 1)
    clock.pause(*think)
    execute(connection, INSERT, attempt.id, 2)
    clock.pause(0, 0.8)
    attempt.stage = UNKNOWN_OUTCOME
    execute(connection, "COMMIT")
    attempt.operation.acknowledge(attempt)


def long_transaction(clock, connection, attempt):
    transaction(clock, connection, attempt, think=(7, 7))


def autocommit(_, connection, attempt):
    execute(connection, INSERT, attempt.id, 1)
    attempt.operation.acknowledge(attempt)


def slow_read(clock, connection, attempt):
    """32 MB, more than all buffers on the way, with pauses."""
    # Not in a `with` block: after an error, the end of the block fails with another one.
    cursor = connection.cursor(SSCursor)
    cursor.execute("SELECT seq, repeat('x', 8000) FROM seq_1_to_4000")
    for number, _ in enumerate(cursor):
        attempt.stage = IN_FLIGHT
        if number % 700 == 699:
            clock.pause(0.8, 0.8)
    cursor.close()


def slow_query(_, connection, attempt):
    """A statement that runs for four seconds, right after another one."""
    execute(connection, "SELECT 1")
    execute(connection, f"INSERT INTO {TABLE} SELECT %s, SLEEP(4)", attempt.id)
    attempt.operation.acknowledge(attempt)


def prepared(_, connection, attempt):
    """Prepared once per connection with SQL: the driver has no binary protocol."""
    if not getattr(connection, "is_prepared", False):
        execute(connection, f"PREPARE insertion FROM 'INSERT INTO {TABLE} VALUES (?, ?)'")
        connection.is_prepared = True
    execute(connection, "EXECUTE insertion USING %s, %s", attempt.id, 1)
    attempt.operation.acknowledge(attempt)


def get_lock(clock, connection, attempt):
    execute(connection, "SELECT GET_LOCK('lock', 10)")
    attempt.stage = SESSION_LOST
    clock.pause(1.2, 1.2)
    if execute(connection, "SELECT RELEASE_LOCK('lock')") != ((1,),):
        raise ValueError("the lock was not held")


def temporary_table(clock, connection, attempt):
    execute(connection, "CREATE TEMPORARY TABLE scratch (i int)")
    attempt.stage = SESSION_LOST
    clock.pause(1.2, 1.2)
    execute(connection, "DROP TEMPORARY TABLE scratch")


def main():
    args = contract.parse_arguments()
    mysql.create_tables(args, TABLE)
    clock = contract.Clock(args.seconds)
    bodies = {
        transaction: 4,
        long_transaction: 2,
        autocommit: 2,
        slow_read: 1,
        slow_query: 2,
        prepared: 2,
        get_lock: 1,
        temporary_table: 1,
    }
    workers = []
    operations = {}
    for body, number in bodies.items():
        operation = operations[body] = contract.Operation(body.__name__)
        looked_up = body in (autocommit, prepared, slow_query)
        repeated = contract.repeat(args, clock, operation, Session, body, looked_up)
        workers += [repeated] * number
    contract.run_threads(workers)
    found = mysql.find_rows(args, TABLE)
    parts_of = {transaction: 2, long_transaction: 2, autocommit: 1, prepared: 1, slow_query: 1}
    for body, parts in parts_of.items():
        operations[body].verify(found, parts)
    for operation in operations.values():
        operation.report(contract.version("PyMySQL"))


main()
