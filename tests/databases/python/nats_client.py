"""nats-py: clients that connect again by themselves. Every message has a number, so that gaps and copies show."""

import asyncio
import collections
import time

import nats
from nats.js.api import ConsumerConfig, RetentionPolicy, StreamConfig

import contract
from contract import IN_FLIGHT


# Published until it arrives: from then on the servers know the subscription.
FIRST = "first"

# Seconds until a message counts as lost: more than a loaded machine needs.
TIMEOUT = 30


class Stream:
    """What one kind of operation sent and received."""

    def __init__(self, name):
        self.operation = contract.Operation(name)
        # Only JetStream acknowledges.
        self.missing = "lost" if name.startswith("jetstream") else "missed"
        self.sent = []
        self.received = collections.Counter()

    async def handle(self, message):
        self.received[message.data.decode()] += 1

    async def arrive(self):
        """Waits until everything has arrived, for three seconds at most."""
        end = time.monotonic() + 3
        while time.monotonic() < end and not self.received.keys() >= set(self.sent):
            await asyncio.sleep(0.05)

    def verify(self):
        del self.received[FIRST]
        self.operation.resolve({f"{self.operation.name}-{number}": n for number, n in self.received.items()})
        self.operation.add(self.missing, sum(1 for id in self.sent if not self.received[id]))
        self.operation.add("delivered_twice", sum(n - 1 for n in self.received.values() if n > 1))


async def connect(address, stream=None):
    """Connects; through the proxy, each connection is counted for `stream`."""
    host, port = address

    async def reconnected():
        stream.operation.opened()

    options = {} if stream is None else {"reconnected_cb": reconnected}
    client = await nats.connect(f"nats://{host}:{port}", max_reconnect_attempts=-1, **options)
    if stream is not None:
        stream.operation.opened()
    return client


async def receive(address, stream, subject, queue="", counted=True):
    client = await connect(address, stream if counted else None)
    await client.subscribe(subject, queue=queue, cb=stream.handle)
    await client.flush()
    return client


async def publish_first(client, stream, subject):
    while not stream.received:
        await client.publish(subject, FIRST.encode())
        await client.flush()
        await asyncio.sleep(0.05)


async def publish_directly(args, clock, stream, subject):
    """Publishes without the proxy; the servers are a cluster."""
    client = await connect(args.servers[0])
    await publish_first(client, stream, subject)
    while clock.running():
        id = str(stream.operation.begin().number)
        stream.sent.append(id)
        await client.publish(subject, id.encode())
        await asyncio.sleep(0.1)
    await client.flush()
    await stream.arrive()
    return client


async def core_subscribe(args, clock, stream):
    """A core subscription misses what is published while its client connects again."""
    subscriber = await receive(args.address, stream, "core")
    publisher = await publish_directly(args, clock, stream, "core")
    return [subscriber, publisher]


async def queue_group(args, clock, stream):
    subscribers = [await receive(args.address, stream, "grouped", "group") for _ in range(3)]
    publisher = await publish_directly(args, clock, stream, "grouped")
    return [*subscribers, publisher]


async def core_publish(args, clock, stream):
    """The publisher is behind the proxy: the client sends last, and the server is silent."""
    subscriber = await receive(args.servers[0], stream, "published", counted=False)
    client = await connect(args.address, stream)
    await publish_first(client, stream, "published")
    while clock.running():
        attempt = stream.operation.begin()
        stream.sent.append(str(attempt.number))
        await client.publish("published", str(attempt.number).encode())
        await clock.pause_async(0.1, 1.2)
    await stream.arrive()
    return [subscriber, client]


async def is_known(subject, servers):
    """Whether every server knows a responder."""
    for server in servers:
        client = await connect(server)
        try:
            await client.request(subject, FIRST.encode(), timeout=TIMEOUT)
        except nats.errors.NoRespondersError:
            return False
        finally:
            await client.close()
    return True


async def request_reply(args, clock, stream):
    """The responder takes 0.8 s: between request and reply nothing moves on the requester's connection."""
    responder = await connect(args.servers[0])

    async def respond(message):
        await asyncio.sleep(0.8)
        await message.respond(message.data)

    # A task per request, so that they do not wait for each other.
    tasks = set()

    async def handle(message):
        await stream.handle(message)
        task = asyncio.create_task(respond(message))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await responder.subscribe("service", cb=handle)
    await responder.flush()
    while not await is_known("service", args.servers):
        await asyncio.sleep(0.05)
    clients = [await connect(args.address, stream) for _ in range(3)]

    async def request(client):
        while clock.running():
            attempt = stream.operation.begin()
            try:
                await client.request("service", str(attempt.number).encode(), timeout=TIMEOUT)
            except (nats.errors.Error, OSError) as error:
                # Whether it reached the responder decides what the error was.
                stream.operation.look_up(attempt, error)
            await clock.pause_async(0.1, 1.2)

    await asyncio.gather(*(request(client) for client in clients))
    return [responder, *clients]


async def create_stream(client, config):
    """Creates a stream as soon as the cluster has elected a leader; before, nothing responds."""
    while True:
        try:
            return await client.jetstream(timeout=2).add_stream(config)
        except (nats.errors.TimeoutError, nats.js.errors.ServiceUnavailableError):
            pass


async def jetstream_publish(args, clock, stream):
    """Each publication waits for the acknowledgement; the stream is read at the end, without the proxy."""
    direct = await connect(args.servers[0])
    config = StreamConfig(name="published", subjects=["js.published"])
    await create_stream(direct, config)
    client = await connect(args.address, stream)
    jetstream = client.jetstream(timeout=TIMEOUT)
    while clock.running():
        attempt = stream.operation.begin()
        try:
            await jetstream.publish("js.published", str(attempt.number).encode(), timeout=TIMEOUT)
            stream.sent.append(str(attempt.number))
        except (nats.errors.Error, OSError) as error:
            stream.operation.look_up(attempt, error)
        await clock.pause_async(0.1, 1.2)
    reader = await direct.jetstream(timeout=TIMEOUT).pull_subscribe("js.published", "reader")
    info = await direct.jetstream(timeout=TIMEOUT).stream_info("published")
    while sum(stream.received.values()) < info.state.messages:
        for message in await reader.fetch(100, timeout=TIMEOUT):
            stream.received[message.data.decode()] += 1
            await message.ack()
    return [direct, client]


async def jetstream_consume(args, clock, stream):
    """A pull consumer that works 0.8 s on each message before it acknowledges; AckWait is longer than the run."""
    direct = await connect(args.servers[0])
    config = StreamConfig(name="work", subjects=["js.work"], retention=RetentionPolicy.WORK_QUEUE)
    await create_stream(direct, config)
    client = await connect(args.address, stream)
    consumer = ConsumerConfig(ack_wait=120)
    subscription = await client.jetstream(timeout=TIMEOUT).pull_subscribe("js.work", "worker", config=consumer)

    async def consume():
        while clock.running():
            try:
                messages = await subscription.fetch(1, timeout=1)
            except (nats.errors.Error, OSError):
                # No message yet, or the connection is gone: fetched again, and nothing is lost.
                continue
            for message in messages:
                stream.received[message.data.decode()] += 1
                await asyncio.sleep(0.8)
                attempt = stream.operation.begin()
                attempt.stage = IN_FLIGHT
                try:
                    await message.ack_sync(timeout=TIMEOUT)
                except (nats.errors.Error, OSError) as error:
                    attempt.fail(error)

    async def produce():
        number = 0
        while time.monotonic() < clock.end - 2:
            number += 1
            await direct.jetstream(timeout=TIMEOUT).publish("js.work", str(number).encode())
            await clock.pause_async(0.3, 1.2)

    await asyncio.gather(consume(), produce())
    return [direct, client]


async def main():
    args = contract.parse_arguments()
    clock = contract.Clock(args.seconds)
    kinds = [
        core_subscribe,
        queue_group,
        core_publish,
        request_reply,
        jetstream_publish,
        jetstream_consume,
    ]
    streams = {kind: Stream(kind.__name__) for kind in kinds}
    clients = await asyncio.gather(*(kind(args, clock, streams[kind]) for kind in kinds))
    for client in sum(clients, []):
        await client.close()
    for stream in streams.values():
        stream.verify()
        stream.operation.report(contract.version("nats-py"))


asyncio.run(main())
