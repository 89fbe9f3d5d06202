"""redis-py: a client per worker with one connection. By default it retries a command three times after an error."""

import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import contract
from contract import IN_FLIGHT, IN_TRANSACTION, SESSION_LOST, UNKNOWN_OUTCOME

LOG = "log"
# Seconds until a push counts as lost: more than a loaded machine needs.
PUSH_TIMEOUT = 30
# What redis-py raises when the connection is gone.
CLOSED = (redis.ConnectionError, redis.TimeoutError)


def create_client(args, operation, **options):
    class Counted(redis.Connection):
        """Counts each connection that is opened."""

        def _connect(self, *arguments, **keywords):
            operation.opened()
            return super()._connect(*arguments, **keywords)

    host, port = args.address
    # The library's defaults apply to a client that makes its own pool.
    pool = redis.Redis(host=host, port=port, **options).connection_pool
    pool.connection_class = Counted
    return redis.Redis(connection_pool=pool, single_connection_client=True)


def connect(server, **options):
    host, port = server
    return redis.Redis(host=host, port=port, decode_responses=True, **options)


def worker(args, clock, operation, body, **options):
    def work():
        client = create_client(args, operation, **options)
        clock.pause(0, 1)
        while clock.running():
            attempt = operation.begin()
            try:
                body(clock, client, attempt)
                operation.acknowledge(attempt)
            except CLOSED as error:
                if body is push:
                    operation.look_up(attempt, error)
                else:
                    attempt.fail(error)
            except (redis.WatchError, redis.ResponseError) as error:
                # The client connected again: what followed MULTI or WATCH ran outside of it.
                attempt.fail(error)
            clock.pause(0.1, 1.2)
        client.close()

    return work


def push(_, client, attempt):
    client.rpush(LOG, attempt.id)


def multi(clock, client, attempt):
    """MULTI with pauses: the commands are queued on the connection."""
    client.execute_command("MULTI")
    attempt.stage = IN_TRANSACTION
    first = client.execute_command("RPUSH", LOG, attempt.id)
    clock.pause(0.2, 1.6)
    second = client.execute_command("RPUSH", LOG, attempt.id)
    clock.pause(0, 0.8)
    if first == second == b"QUEUED":
        attempt.stage = UNKNOWN_OUTCOME
    # A command that the client retried on another connection ran alone; then this is an error.
    client.execute_command("EXEC")


def watch(clock, client, attempt):
    """No one else writes the key, so that only a lost connection aborts the transaction."""
    with client.pipeline() as pipeline:
        pipeline.watch("watched")
        attempt.stage = IN_TRANSACTION
        pipeline.get("watched")
        clock.pause(0.8, 0.8)
        pipeline.multi()
        pipeline.rpush(LOG, attempt.id)
        pipeline.rpush(LOG, attempt.id)
        pipeline.execute()


def pipeline(clock, client, attempt):
    with client.pipeline(transaction=False) as pipeline:
        for _ in range(10):
            pipeline.rpush(LOG, attempt.id)
        pipeline.execute()
    clock.pause(0.3, 0.3)


class Queue:
    """Items that are pushed on all servers, and consumed with BLPOP through the proxy."""

    def __init__(self, args, clock, operation):
        self.args = args
        self.clock = clock
        self.operation = operation
        self.pushed = []
        self.popped = []

    def consume(self):
        client = create_client(self.args, self.operation, decode_responses=True)
        # Until the last push is over, so that what is left was never popped.
        while time.monotonic() < self.clock.end + 2:
            try:
                item = client.blpop(["queue"], timeout=2)
            except CLOSED as error:
                self.operation.fail(IN_FLIGHT, error)
                continue
            if item is not None:
                self.popped.append(item[1])
        client.close()

    def produce(self):
        servers = [connect(server) for server in self.args.servers]
        while self.clock.running():
            number = self.operation.begin().number
            for name, server in enumerate(servers):
                self.pushed.append(f"{name}-{number}")
                server.rpush("queue", f"{name}-{number}")
            # Longer than the age and the drain timeout, too: an idle BLPOP must not be closed.
            self.clock.pause(*((4, 4) if number % 4 == 0 else (0.2, 0.9)))

    def verify(self):
        left = [item for server in self.args.servers for item in connect(server).lrange("queue", 0, -1)]
        seen = self.popped + left
        self.operation.add("lost", len(set(self.pushed) - set(seen)))
        self.operation.add("delivered_twice", len(seen) - len(set(seen)))


class Subscription:
    """Messages that are published on all servers, and received through the proxy."""

    def __init__(self, args, clock, operation, protocol):
        self.args = args
        self.clock = clock
        self.operation = operation
        self.protocol = protocol
        self.channel = f"channel-{protocol}"
        self.sent = set()
        self.received = []

    def subscribe(self):
        options = {"protocol": self.protocol, "decode_responses": True}
        with create_client(self.args, self.operation, **options).pubsub() as subscription:
            subscription.subscribe(self.channel)
            while time.monotonic() < self.clock.end + 1:
                try:
                    message = subscription.get_message(timeout=0.5)
                except CLOSED as error:
                    self.operation.fail(SESSION_LOST, error)
                    continue
                if message is not None and message["type"] == "message":
                    self.received.append(message["data"])

    def publish(self):
        servers = [connect(server) for server in self.args.servers]
        while not self.received:
            for server in servers:
                server.publish(self.channel, "first")
            time.sleep(0.05)
        while self.clock.running():
            number = str(self.operation.begin().number)
            for server in servers:
                server.publish(self.channel, number)
            self.sent.add(number)
            time.sleep(0.2)

    def verify(self):
        own = [number for number in self.received if number != "first"]
        self.operation.add("missed", len(self.sent - set(own)))
        self.operation.add("delivered_twice", len(own) - len(set(own)))


class Cache:
    """Client-side caching: a RESP3 push invalidates the cached value after a write through another connection.

    The library's own cache needs Redis 7.4.
    """

    def __init__(self, args, clock, operation):
        self.clock = clock
        self.operation = operation
        self.servers = [connect(server) for server in args.servers]
        self.client = create_client(args, operation, protocol=3, decode_responses=True)
        self.cached = None

    def work(self):
        connection = None
        while self.clock.running():
            attempt = self.operation.begin()
            for server in self.servers:
                server.set("tracked", attempt.number)
            try:
                if connection is None:
                    connection = self.track()
                attempt.stage = SESSION_LOST
                while self.cached != str(attempt.number):
                    if self.cached is None:
                        self.cached = self.client.get("tracked")
                    elif connection.can_read(timeout=PUSH_TIMEOUT):
                        connection.read_response(push_request=True)
                    else:
                        # The cached value is stale, and will be: nothing is tracked any more.
                        self.operation.add("lost")
                        connection = None
                        break
            except CLOSED as error:
                attempt.fail(error)
                # Nothing would invalidate it any more.
                self.cached = None
                connection = None
            self.clock.pause(0.2, 1.2)
        self.client.close()

    def track(self):
        def invalidated(_):
            self.cached = None

        connection = self.client.connection
        connection.disconnect()
        connection.connect()
        connection._parser.set_invalidation_push_handler(invalidated)
        self.client.execute_command("CLIENT", "TRACKING", "ON")
        self.cached = self.client.get("tracked")
        return connection


def find_log(args):
    found = {}
    for server in args.servers:
        for id in connect(server).lrange(LOG, 0, -1):
            found[id] = found.get(id, 0) + 1
    return found


def main():
    args = contract.parse_arguments()
    clock = contract.Clock(args.seconds)
    operations = {}
    workers = []

    def add(name, body, number, parts, **options):
        operation = contract.Operation(name)
        operations[operation] = parts
        workers.extend(worker(args, clock, operation, body, **options) for _ in range(number))

    add("push", push, 2, 1)
    add("push_without_retry", push, 2, 1, retry=Retry(NoBackoff(), 0))
    add("push_health_check", push, 2, 1, retry=Retry(NoBackoff(), 0), health_check_interval=1)
    add("multi", multi, 4, 2)
    add("watch", watch, 2, 2)
    add("pipeline", pipeline, 2, 10)
    queue = Queue(args, clock, contract.Operation("blpop"))
    subscriptions = [
        Subscription(args, clock, contract.Operation(f"subscribe_resp{protocol}"), protocol)
        for protocol in (2, 3)
    ]
    cache = Cache(args, clock, contract.Operation("tracking"))
    workers += [queue.consume, queue.consume, queue.produce, cache.work]
    for subscription in subscriptions:
        workers += [subscription.subscribe, subscription.publish]
    contract.run_threads(workers)

    found = find_log(args)
    for operation, parts in operations.items():
        operation.verify(found, parts)
    queue.verify()
    for subscription in subscriptions:
        subscription.verify()
    others = [queue.operation, cache.operation, *(subscription.operation for subscription in subscriptions)]
    for operation in [*operations, *others]:
        operation.report(contract.version("redis"))


main()
