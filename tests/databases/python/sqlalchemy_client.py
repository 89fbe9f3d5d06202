"""SQLAlchemy's pool, with `pool_pre_ping`, with a maximum lifetime (`pool_recycle`), and without both.

The argument before those of the contract is the database.
"""

import sys

import sqlalchemy
from sqlalchemy import event, text

import contract
import mysql
import postgresql
from contract import IN_TRANSACTION, UNKNOWN_OUTCOME

TABLE = "sqlalchemy_log"
INSERT = text(f"INSERT INTO {TABLE} VALUES (:id, :part)")
SIZE = 3


def create_engine(url, operation, options):
    engine = sqlalchemy.create_engine(url, pool_size=SIZE, max_overflow=0, **options)
    event.listen(engine, "do_connect", lambda *_: operation.opened())
    return engine


def worker(clock, operation, engine):
    def work():
        clock.pause(0, 1)
        while clock.running():
            attempt = operation.begin()
            is_connected = False
            try:
                with engine.connect() as connection:
                    is_connected = True
                    connection.execute(text("SELECT 1"))
                    attempt.stage = IN_TRANSACTION
                    connection.execute(INSERT, {"id": attempt.id, "part": 1})
                    clock.pause(0.2, 1.6)
                    connection.execute(INSERT, {"id": attempt.id, "part": 2})
                    clock.pause(0, 0.8)
                    attempt.stage = UNKNOWN_OUTCOME
                    connection.commit()
                operation.acknowledge(attempt)
            except sqlalchemy.exc.DBAPIError as error:
                if is_connected and not error.connection_invalidated:
                    raise
                attempt.fail(error.orig)
            clock.pause(0.1, 1.2)

    return work


def main():
    database, driver, scheme = {
        "postgresql": (postgresql, "psycopg", "postgresql+psycopg"),
        "mysql": (mysql, "PyMySQL", "mysql+pymysql"),
    }[sys.argv.pop(1)]
    args = contract.parse_arguments()
    database.create_tables(args, TABLE)
    clock = contract.Clock(args.seconds)
    operations, workers = [], []
    # A connection that is older than a second is replaced instead of used again.
    settings = {"pre_ping": {"pool_pre_ping": True}, "recycle": {"pool_recycle": 1}, "no_pre_ping": {}}
    for name, options in settings.items():
        operation = contract.Operation(name)
        engine = create_engine(database.url(args.address, scheme), operation, options)
        operations.append(operation)
        workers += [worker(clock, operation, engine) for _ in range(SIZE)]
    contract.run_threads(workers)
    found = database.find_rows(args, TABLE)
    for operation in operations:
        operation.verify(found, 2)
        operation.report(contract.version("SQLAlchemy", driver))


main()
