"""mosquitto_sub with a persistent session, over MQTT 3.1.1 and MQTT 5. It connects again by itself."""

import collections
import os
import re
import subprocess
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

import contract

PREFIX = "message "
FIRST = "first"


class Subscriber:
    """A mosquitto_sub through the proxy, and a publisher that is not."""

    def __init__(self, args, clock, version, options):
        self.args = args
        self.clock = clock
        self.operation = contract.Operation(f"mosquitto_sub_mqtt{version}")
        self.sent = set()
        self.received = collections.Counter()
        host, port = args.address
        self.process = subprocess.Popen(
            [os.environ["EVENKEEL_MOSQUITTO_SUB"], "-h", host, "-p", str(port), "-V", version, "-q", "1"]
            + ["-i", self.operation.name, "-t", self.operation.name, "-d", "-F", f"{PREFIX}%p", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read(self):
        for line in self.process.stdout:
            if line.startswith(PREFIX):
                self.received[line.removeprefix(PREFIX).strip()] += 1
            elif line.endswith("sending CONNECT\n"):
                self.operation.opened()

    def work(self):
        reader = threading.Thread(target=self.read)
        reader.start()
        publisher = mqtt.Client(CallbackAPIVersion.VERSION2)
        publisher.connect(*self.args.servers[0])
        publisher.loop_start()
        # Until it arrives, nothing is subscribed.
        while not self.received:
            publisher.publish(self.operation.name, FIRST, qos=1).wait_for_publish()
            time.sleep(0.05)
        while self.clock.running():
            id = str(self.operation.begin().number)
            publisher.publish(self.operation.name, id, qos=1).wait_for_publish()
            self.sent.add(id)
            self.clock.pause(0.1, 0.9)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.sent - set(self.received):
            time.sleep(0.05)
        # It disconnects, so that the last line is written.
        self.process.terminate()
        reader.join()
        publisher.disconnect()
        publisher.loop_stop()
        del self.received[FIRST]
        self.operation.add("lost", len(self.sent - set(self.received)))
        self.operation.add("delivered_twice", sum(n - 1 for n in self.received.values()))


def version():
    command = [os.environ["EVENKEEL_MOSQUITTO_SUB"], "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return f"mosquitto_sub {re.search(r'version ([0-9.]+)', text)[1]}"


def main():
    args = contract.parse_arguments()
    clock = contract.Clock(args.seconds)
    subscribers = [
        Subscriber(args, clock, "311", ["-c"]),
        Subscriber(args, clock, "5", ["-c", "-x", "600"]),
    ]
    contract.run_threads([subscriber.work for subscriber in subscribers])
    for subscriber in subscribers:
        subscriber.operation.report(version())


main()
