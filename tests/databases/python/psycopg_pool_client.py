"""psycopg_pool, with and without the check that its documentation recommends."""

import psycopg
from psycopg_pool import ConnectionPool

import contract
import postgresql
from contract import IN_TRANSACTION, UNKNOWN_OUTCOME

TABLE = "psycopg_pool_log"
INSERT = f"INSERT INTO {TABLE} VALUES (%s, %s)"
SIZE = 3


def create_pool(args, operation, check):
    # Called for each connection that was opened.
    def configure(_):
        operation.opened()

    return ConnectionPool(
        postgresql.url(args.address),
        kwargs={"autocommit": True},
        min_size=SIZE,
        max_size=SIZE,
        configure=configure,
        check=check,
        open=True,
    )


def worker(clock, operation, pool):
    def work():
        clock.pause(0, 1)
        while clock.running():
            attempt = operation.begin()
            try:
                with pool.connection() as connection:
                    connection.execute("BEGIN")
                    attempt.stage = IN_TRANSACTION
                    connection.execute(INSERT, (attempt.id, 1))
                    clock.pause(0.2, 1.6)
                    connection.execute(INSERT, (attempt.id, 2))
                    clock.pause(0, 0.8)
                    attempt.stage = UNKNOWN_OUTCOME
                    connection.execute("COMMIT")
                operation.acknowledge(attempt)
            except psycopg.OperationalError as error:
                attempt.fail(error)
            clock.pause(0.1, 1.2)

    return work


def main():
    args = contract.parse_arguments()
    postgresql.create_tables(args, TABLE)
    clock = contract.Clock(args.seconds)
    checks = {"checked": ConnectionPool.check_connection, "unchecked": None}
    operations, pools, workers = [], [], []
    for name, check in checks.items():
        operation = contract.Operation(name)
        pool = create_pool(args, operation, check)
        operations.append(operation)
        pools.append(pool)
        workers += [worker(clock, operation, pool) for _ in range(SIZE)]
    contract.run_threads(workers)
    for pool in pools:
        pool.close()
    found = postgresql.find_rows(args, TABLE)
    for operation in operations:
        operation.verify(found, 2)
        operation.report(contract.version("psycopg", "psycopg-pool"))


main()
