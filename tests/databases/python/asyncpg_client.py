"""asyncpg: its pool, which replaces connections that it sees closed; and connections of its own."""

import asyncio
import time

import asyncpg

import contract
import postgresql
from contract import IN_FLIGHT, IN_TRANSACTION, UNKNOWN_OUTCOME

TABLE = "asyncpg_log"
INSERT = f"INSERT INTO {TABLE} VALUES ($1, $2)"
# What asyncpg raises when the connection is gone, on use or during use.
CLOSED = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError, OSError)


def create_pool(args, operation, size):
    async def connect(*arguments, **options):
        operation.opened()
        return await asyncpg.connect(*arguments, **options)

    url = postgresql.url(args.address)
    return asyncpg.create_pool(url, min_size=size, max_size=size, connect=connect)


async def pooled(args, clock, operation, body, size):
    """Runs `body` in as many tasks as the pool has connections."""

    async def work(pool):
        await clock.pause_async(0, 1)
        while clock.running():
            attempt = operation.begin()
            try:
                async with pool.acquire() as connection:
                    await body(clock, connection, attempt)
            except CLOSED as error:
                # The pool's own reset may fail after the operation has succeeded: that is no failed operation.
                if attempt.id not in operation.acknowledged:
                    attempt.fail(error)
            await clock.pause_async(0.1, 1.2)

    async with create_pool(args, operation, size) as pool:
        await asyncio.gather(*(work(pool) for _ in range(size)))


async def transaction(clock, connection, attempt):
    block = connection.transaction()
    await block.start()
    attempt.stage = IN_TRANSACTION
    await connection.execute(INSERT, attempt.id, 1)
    await clock.pause_async(0.2, 1.6)
    await connection.execute(INSERT, attempt.id, 2)
    await clock.pause_async(0, 0.8)
    attempt.stage = UNKNOWN_OUTCOME
    await block.commit()
    attempt.operation.acknowledge(attempt)


async def cursor(clock, connection, attempt):
    block = connection.transaction()
    await block.start()
    attempt.stage = IN_TRANSACTION
    cursor = await connection.cursor("SELECT i FROM generate_series(1, 500) i")
    for _ in range(5):
        if len(await cursor.fetch(100)) != 100:
            raise ValueError("the cursor returned too few rows")
        await clock.pause_async(0.9, 0.9)
    attempt.stage = UNKNOWN_OUTCOME
    await block.commit()
    attempt.operation.acknowledge(attempt)


async def slow_query(_, connection, attempt):
    def noticed(*_):
        attempt.stage = IN_FLIGHT

    connection.add_log_listener(noticed)
    await connection.execute("DO $$ BEGIN RAISE NOTICE 'begun'; PERFORM pg_sleep(4); END $$")
    attempt.operation.acknowledge(attempt)
    connection.remove_log_listener(noticed)


async def prepared(args, clock, operation):
    """A statement that is prepared once per connection; without a pool, so that nothing validates."""
    connection = statement = None
    while clock.running():
        attempt = operation.begin()
        try:
            if connection is None:
                operation.opened()
                connection = await asyncpg.connect(postgresql.url(args.address))
                statement = await connection.prepare(INSERT)
            await statement.fetch(attempt.id, 1)
            operation.acknowledge(attempt)
        except CLOSED as error:
            operation.look_up(attempt, error)
            connection = None
        await clock.pause_async(0.3, 1.2)
    if connection is not None:
        await connection.close()


async def listen(args, clock, operation):
    """A listener as the documentation shows it. It does not notice that its connection has ended."""
    received, sent = set(), set()
    operation.opened()
    connection = await asyncpg.connect(postgresql.url(args.address))
    await connection.add_listener("asyncpg_channel", lambda *message: received.add(message[3]))
    servers = [await asyncpg.connect(postgresql.url(server)) for server in args.servers]
    while time.monotonic() < clock.end - 1:
        number = str(operation.begin().number)
        for server in servers:
            await server.execute("SELECT pg_notify('asyncpg_channel', $1)", number)
        sent.add(number)
        await asyncio.sleep(0.25)
    await asyncio.sleep(1)
    operation.add("missed", len(sent - received))
    for each in [connection, *servers]:
        each.terminate()


async def main():
    args = contract.parse_arguments()
    postgresql.create_tables(args, TABLE)
    clock = contract.Clock(args.seconds)
    names = ["transaction", "cursor", "slow_query", "prepared", "listen"]
    operations = {name: contract.Operation(name) for name in names}
    await asyncio.gather(
        pooled(args, clock, operations["transaction"], transaction, 4),
        pooled(args, clock, operations["cursor"], cursor, 2),
        pooled(args, clock, operations["slow_query"], slow_query, 2),
        prepared(args, clock, operations["prepared"]),
        listen(args, clock, operations["listen"]),
    )
    found = postgresql.find_rows(args, TABLE)
    operations["transaction"].verify(found, 2)
    operations["prepared"].verify(found, 1)
    for operation in operations.values():
        operation.report(contract.version("asyncpg"))


asyncio.run(main())
