"""aio-pika's robust connection, which connects again by itself, with publisher confirms and acknowledgements."""

import asyncio
import collections
import time

import aio_pika
import aiormq

import contract
from contract import IN_FLIGHT, IN_TRANSACTION, UNKNOWN_OUTCOME

CLOSED = (aio_pika.exceptions.AMQPError, aiormq.exceptions.AMQPError, RuntimeError, OSError, asyncio.TimeoutError)


async def connect(address, operation=None):
    host, port = address
    connection = await aio_pika.connect_robust(f"amqp://guest:guest@{host}:{port}/", reconnect_interval=0.1)
    if operation is not None:
        operation.opened()
        connection.reconnect_callbacks.add(lambda *_: operation.opened())
    return connection


def message(id):
    return aio_pika.Message(id.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)


async def confirmed(args, clock, operation):
    connection = await connect(args.address, operation)
    channel = await connection.channel()
    while clock.running():
        attempt = operation.begin()
        try:
            await channel.default_exchange.publish(message(attempt.id), operation.name, timeout=20)
            operation.acknowledge(attempt)
        except CLOSED as error:
            # Whether the message is in the queue decides what the error was.
            operation.look_up(attempt, error)
        await clock.pause_async(0.1, 1.2)
    await connection.close()


async def transaction(args, clock, operation):
    connection = await connect(args.address, operation)
    channel = await connection.channel(publisher_confirms=False)
    while clock.running():
        attempt = operation.begin()
        try:
            async with asyncio.timeout(20):
                block = channel.transaction()
                await block.select()
                await channel.default_exchange.publish(message(attempt.id), operation.name)
                # No publication of a transaction is acknowledged before its commit: this response shows that the
                # server has it.
                await channel.get_queue(operation.name)
                attempt.stage = IN_TRANSACTION
                await clock.pause_async(0.2, 1.2)
                await channel.default_exchange.publish(message(attempt.id), operation.name)
                attempt.stage = UNKNOWN_OUTCOME
                await block.commit()
            operation.acknowledge(attempt)
        except CLOSED as error:
            attempt.fail(error)
        await clock.pause_async(0.1, 1.2)
    await connection.close()


async def acknowledged(args, clock, operation, sent, processed):
    """Each message is processed for 0.4 s before it is acknowledged."""
    connection = await connect(args.address, operation)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=5)
    queue = await channel.declare_queue(operation.name, durable=True)

    async def process(delivery):
        # The effect of a message comes before its acknowledgement.
        processed[delivery.body.decode()] += 1
        await asyncio.sleep(0.4)
        try:
            await delivery.ack()
        except CLOSED as error:
            operation.fail(IN_FLIGHT, error)

    await queue.consume(process)
    direct = await connect(args.servers[0])
    producer = await direct.channel()
    while time.monotonic() < clock.end - 2:
        id = str(operation.begin().number)
        await producer.default_exchange.publish(message(id), operation.name)
        sent.add(id)
        await asyncio.sleep(0.3)
    end = time.monotonic() + 30
    while time.monotonic() < end and sent - set(processed):
        await asyncio.sleep(0.05)
    await direct.close()
    await connection.close()


async def main():
    args = contract.parse_arguments()
    clock = contract.Clock(args.seconds)
    publishers = {confirmed: 1, transaction: 2}
    operations = {body: contract.Operation(f"aio_{body.__name__}") for body in publishers}
    consumer, sent, processed = contract.Operation("aio_acknowledged"), set(), collections.Counter()
    connection = await connect(args.servers[0])
    channel = await connection.channel()
    queues = {
        operation: await channel.declare_queue(operation.name, durable=True)
        for operation in [*operations.values(), consumer]
    }
    tasks = [body(args, clock, operations[body]) for body in publishers for _ in range(2)]
    await asyncio.gather(*tasks, acknowledged(args, clock, consumer, sent, processed))
    for body, parts in publishers.items():
        found = collections.Counter()
        while (left := await queues[operations[body]].get(no_ack=True, fail=False)) is not None:
            found[left.body.decode()] += 1
        operations[body].verify(found, parts)
        operations[body].report(contract.version("aio-pika"))
    await connection.close()
    consumer.add("lost", len(sent - set(processed)))
    consumer.add("delivered_twice", sum(n - 1 for n in processed.values()))
    consumer.report(contract.version("aio-pika"))


asyncio.run(main())
