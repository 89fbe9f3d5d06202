"""paho-mqtt: clients with persistent sessions that connect again by themselves, over MQTT 3.1.1 and MQTT 5."""

import collections
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import contract


class Kind:
    """One kind of operation: messages of one quality of service over one topic."""

    def __init__(self, name, version, qos, subscription=None, clean=False, work=0):
        self.operation = contract.Operation(name)
        self.version = version
        self.qos = qos
        self.topic = f"topic/{name}"
        self.subscription = (subscription or "{}").format(self.topic)
        self.clean = clean
        self.may_miss = qos == 0 or clean
        # How long a message is processed before paho acknowledges it.
        self.work = work
        self.lock = threading.Lock()
        self.sent = set()
        self.received = collections.Counter()

    def on_message(self, client, userdata, message):
        with self.lock:
            self.received[message.payload.decode()] += 1
        time.sleep(self.work)

    def verify(self):
        received = {id: n for id, n in self.received.items() if id in self.sent}
        self.operation.add("missed" if self.may_miss else "lost", len(self.sent) - len(received))
        self.operation.add("delivered_twice", sum(n - 1 for n in received.values()))


def start(address, kind, name, operation=None, on_message=None, subscription=None):
    """Connects, and subscribes where a subscription is given; returns once both are acknowledged."""
    ready = threading.Event()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{kind.operation.name}-{name}",
        protocol=kind.version,
        **({} if kind.version == mqtt.MQTTv5 else {"clean_session": kind.clean}),
    )
    client.reconnect_delay_set(min_delay=1, max_delay=1)

    def on_connect(client, userdata, flags, reason, properties):
        if operation is not None:
            operation.opened()
        if subscription is None:
            ready.set()
        elif not flags.session_present:
            client.subscribe(subscription, options=SubscribeOptions(qos=kind.qos)) if (
                kind.version == mqtt.MQTTv5
            ) else client.subscribe(subscription, qos=kind.qos)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    options = {}
    if kind.version == mqtt.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0 if kind.clean else 600
        options = {"clean_start": kind.clean, "properties": properties}
    client.connect(*address, keepalive=60, **options)
    client.loop_start()
    if not ready.wait(20):
        raise TimeoutError(f"{kind.operation.name}: no acknowledgement")
    return client


def subscribe_kind(args, clock, kind, subscribers):
    """Subscribers behind the proxy; the publisher is not."""

    def work():
        clients = [
            start(args.address, kind, f"in-{n}", kind.operation, kind.on_message, kind.subscription)
            for n in range(subscribers)
        ]
        publisher = start(args.servers[0], kind, "out")
        while clock.running():
            publish(kind, publisher)
            clock.pause(kind.work + 0.1, kind.work + 0.9)
        finish(kind, clients, publisher)

    return work


def publish_kind(args, clock, kind):
    """The publisher is behind the proxy; the subscriber is not."""

    def work():
        subscriber = start(args.servers[0], kind, "in", None, kind.on_message, kind.subscription)
        publisher = start(args.address, kind, "out", kind.operation)
        while clock.running():
            publish(kind, publisher)
            clock.pause(0.1, 1.2)
        finish(kind, [subscriber], publisher)

    return work


def publish(kind, client):
    id = str(kind.operation.begin().number)
    info = client.publish(kind.topic, id, qos=kind.qos)
    # paho keeps what it cannot send now and sends it later, except at QoS 0.
    if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS or kind.qos > 0:
        with kind.lock:
            kind.sent.add(id)


def finish(kind, clients, publisher):
    """Waits for what is under way: five seconds for messages that may be missed, for others until they are lost."""
    end = time.monotonic() + (5 if kind.may_miss else 30)
    while time.monotonic() < end and kind.sent - set(kind.received):
        time.sleep(0.05)
    # A copy comes after its original.
    time.sleep(1)
    for client in [*clients, publisher]:
        client.disconnect()
        client.loop_stop()


def retained(args, clock, kind):
    """A retained message is delivered to a subscription, not again to a session that is present."""

    def work():
        publisher = start(args.servers[0], kind, "out")
        publisher.publish(kind.topic, "0", qos=1, retain=True).wait_for_publish(10)
        client = start(args.address, kind, "in", kind.operation, kind.on_message, kind.subscription)
        while clock.running():
            id = str(kind.operation.begin().number)
            publisher.publish(kind.topic, id, qos=kind.qos, retain=True)
            kind.sent.add(id)
            clock.pause(0.3, 1.2)
        finish(kind, [client], publisher)

    return work


def main():
    args = contract.parse_arguments()
    clock = contract.Clock(args.seconds)
    v3, v5 = mqtt.MQTTv311, mqtt.MQTTv5
    workers, kinds = [], []

    def add(work, kind, *arguments):
        kinds.append(kind)
        workers.append(work(args, clock, kind, *arguments))

    for qos in (0, 1, 2):
        add(subscribe_kind, Kind(f"subscribe_qos{qos}", v3, qos), 1)
        if qos > 0:
            add(subscribe_kind, Kind(f"slow_subscribe_qos{qos}", v3, qos, work=0.7), 1)
        add(publish_kind, Kind(f"publish_qos{qos}", v3, qos))
    add(subscribe_kind, Kind("subscribe_qos1_mqtt5", v5, 1), 1)
    add(publish_kind, Kind("publish_qos1_mqtt5", v5, 1))
    add(subscribe_kind, Kind("shared_qos1_mqtt5", v5, 1, "$share/group/{}", work=0.7), 2)
    add(subscribe_kind, Kind("clean_session_qos1", v3, 1, clean=True), 1)
    add(retained, Kind("retained_qos1", v3, 1))
    contract.run_threads(workers)
    for kind in kinds:
        kind.verify()
        kind.operation.report(contract.version("paho-mqtt"))


main()
