"""pika's BlockingConnection: it does not connect again by itself, so that each worker does."""

import collections
import time

import pika

import contract
from contract import IN_FLIGHT, IN_TRANSACTION, UNKNOWN_OUTCOME

CLOSED = (pika.exceptions.AMQPError, OSError)
BATCH = 5


def connect(address):
    host, port = address
    return pika.BlockingConnection(pika.ConnectionParameters(host=host, port=port, heartbeat=30))


class Session:
    """One connection with one channel at a time."""

    def __init__(self, args, operation, prepare=None):
        self.address = args.address
        self.operation = operation
        self.prepare = prepare
        self.connection = self.channel = None

    def get(self):
        if self.connection is None:
            self.operation.opened()
            self.connection = connect(self.address)
            self.channel = self.connection.channel()
            if self.prepare is not None:
                self.prepare(self.channel)
        return self.channel

    def drop(self):
        try:
            if self.connection is not None and self.connection.is_open:
                self.connection.close()
        except CLOSED:
            # It was closed meanwhile, which this client notices only when it reads.
            pass
        self.connection = None


def publish(channel, queue, id):
    persistent = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("", queue, id.encode(), properties=persistent, mandatory=True)


def publisher(args, clock, operation, body, prepare=None):
    def work():
        session = Session(args, operation, prepare)
        clock.pause(0, 1)
        while clock.running():
            attempt = operation.begin()
            try:
                channel = session.get()
                # As the event loop of an application would: heartbeats are sent, and a close is noticed.
                session.connection.process_data_events(0)
                body(clock, channel, attempt)
                operation.acknowledge(attempt)
            except CLOSED as error:
                operation.look_up(attempt, error)
                session.drop()
            clock.pause(0.1, 1.2)
        session.drop()

    return work


def confirmed(_, channel, attempt):
    publish(channel, attempt.operation.name, attempt.id)


def unconfirmed(_, channel, attempt):
    publish(channel, attempt.operation.name, attempt.id)


def transaction(clock, channel, attempt):
    publish(channel, attempt.operation.name, attempt.id)
    # No publication of a transaction is acknowledged before its commit: this response shows that the server has it.
    channel.queue_declare(attempt.operation.name, passive=True)
    attempt.stage = IN_TRANSACTION
    clock.pause(0.2, 1.2)
    publish(channel, attempt.operation.name, attempt.id)
    attempt.stage = UNKNOWN_OUTCOME
    channel.tx_commit()


class Consumer:
    """Consumes through the proxy what is published directly; each message is processed for a while."""

    def __init__(self, args, clock, name, batch=1, auto_ack=False, work=0.4):
        self.args = args
        self.clock = clock
        self.operation = contract.Operation(name)
        self.batch = batch
        self.auto_ack = auto_ack
        self.pause = work
        self.sent = set()
        self.processed = collections.Counter()
        self.unacknowledged = 0

    def produce(self):
        connection = connect(self.args.servers[0])
        channel = connection.channel()
        channel.confirm_delivery()
        while time.monotonic() < self.clock.end - 2:
            id = str(self.operation.begin().number)
            publish(channel, self.operation.name, id)
            self.sent.add(id)
            connection.sleep(self.pause)
        connection.close()

    def consume(self):
        prepare = None if self.auto_ack else lambda channel: channel.basic_qos(prefetch_count=self.batch)
        session = Session(self.args, self.operation, prepare)
        # Until every message was processed, so that none is left in the queue.
        while time.monotonic() < self.clock.end + 30 and (
            self.clock.running() or self.sent - set(self.processed)
        ):
            try:
                self.consume_on(session)
            except CLOSED as error:
                if self.unacknowledged:
                    self.operation.fail(IN_FLIGHT, error)
                session.drop()
        session.drop()

    def consume_on(self, session):
        self.unacknowledged = 0
        channel = session.get()
        consumption = channel.consume(
            self.operation.name, auto_ack=self.auto_ack, inactivity_timeout=0.5
        )
        for method, _, body in consumption:
            if method is not None:
                self.unacknowledged += 0 if self.auto_ack else 1
                # The effect of a message comes before its acknowledgement.
                self.processed[body.decode()] += 1
                session.connection.sleep(self.pause)
                if self.unacknowledged >= self.batch:
                    channel.basic_ack(method.delivery_tag, multiple=True)
                    self.unacknowledged = 0
            elif self.unacknowledged:
                # An incomplete batch is acknowledged when nothing more comes.
                channel.basic_ack(0, multiple=True)
                self.unacknowledged = 0
            if not self.clock.running() and not self.sent - set(self.processed) and not self.unacknowledged:
                return

    def verify(self):
        missing = "missed" if self.auto_ack else "lost"
        self.operation.add(missing, len(self.sent - set(self.processed)))
        self.operation.add("delivered_twice", sum(n - 1 for n in self.processed.values()))


def drain_queue(args, name):
    """The messages that are in the queue, with how often each is there."""
    connection = connect(args.servers[0])
    channel = connection.channel()
    found = collections.Counter()
    while True:
        method, _, body = channel.basic_get(name, auto_ack=True)
        if method is None:
            break
        found[body.decode()] += 1
    connection.close()
    return found


def main():
    args = contract.parse_arguments()
    clock = contract.Clock(args.seconds)
    bodies = {
        confirmed: (3, 1, lambda channel: channel.confirm_delivery()),
        unconfirmed: (2, 1, None),
        transaction: (3, 2, lambda channel: channel.tx_select()),
    }
    operations = {body: contract.Operation(body.__name__, drops_responses=True) for body in bodies}
    consumers = [
        Consumer(args, clock, "acknowledged"),
        Consumer(args, clock, "batched", batch=BATCH),
        Consumer(args, clock, "automatic", auto_ack=True),
    ]
    connection = connect(args.servers[0])
    channel = connection.channel()
    for operation in [*operations.values(), *(consumer.operation for consumer in consumers)]:
        channel.queue_declare(operation.name, durable=True)
    connection.close()
    workers = []
    for body, (number, _, prepare) in bodies.items():
        workers += [publisher(args, clock, operations[body], body, prepare) for _ in range(number)]
    for consumer in consumers:
        workers += [consumer.produce, consumer.consume]
    contract.run_threads(workers)
    for body, (_, parts, _) in bodies.items():
        missing = "missed" if body is unconfirmed else "lost"
        operations[body].verify(drain_queue(args, operations[body].name), parts, missing)
    for consumer in consumers:
        consumer.verify()
    for operation in [*operations.values(), *(consumer.operation for consumer in consumers)]:
        operation.report(contract.version("pika"))


main()
