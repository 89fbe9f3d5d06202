//! 200,000 connections in one worker: what the callbacks cost then, in instructions of the module. Compiled by Envoy, a
//! million of them take less than a millisecond.

use std::time::Duration;

use evenkeel_test_host::{Connection, Host, Root, module};
use evenkeel_test_module::{TICK, network};

const MILLION: u64 = 1_000_000;

const CONNECTIONS: usize = 200_000;

/// So many of them open a minute before the others, and expire at once.
const EXPIRING: usize = 50_000;

/// Upstream hosts of the connections.
const HOSTS: usize = 400;

/// Drains per second.
const BUDGET: usize = 100;

/// A worker with raw TCP connections, which a tick closes as the budget allows.
struct LoadedWorker {
    host: Host,
    root: Root,
}

impl LoadedWorker {
    fn new(max_connection_age: &str) -> Self {
        let host = Host::new(&module());
        let worker = host.start_worker();
        let policy = format!(
            r#"{{"version": 1, "budget": {{"per_second": {BUDGET}, "burst": {BUDGET}}}, "rebalance": {{"stabilization_window": "0s"}},
            "tcp": [{{"name": "db", "match": {{"port": 8080}}, "protocol": "raw", "max_connection_age": "{max_connection_age}",
                "jitter": 0, "idle_time": "0s", "drain_timeout": "1s", "when_active": "defer"}}]}}"#
        );
        let root = worker.configure(&network(&policy));
        Self { host, root }
    }

    /// Counts the instructions of `action`.
    fn count<T>(&self, action: impl FnOnce() -> T) -> (T, u64) {
        let before = self.host.counts().instructions;
        let result = action();
        (result, self.host.counts().instructions - before)
    }

    /// Opens connections. `host_of` gives the upstream host of each; it is known with the second write.
    fn open(&self, count: usize, host_of: impl Fn(usize) -> usize) -> Vec<Connection> {
        let open = |number| {
            let (connection, accept) = self.count(|| self.root.connect());
            assert!(accept < MILLION / 10, "accept {number}: {accept}");
            let host = host_of(number);
            let address = format!("10.0.{}.{}:5432", host / 200, host % 200);
            connection.set_property(&["upstream", "address"], address);
            connection.set_property(&["xds", "cluster_name"], "db");
            connection.server_writes("a");
            connection.server_writes("b");
            connection
        };
        (0..count).map(open).collect()
    }

    /// Lets time pass. Returns the instructions of each tick; samples are taken in some.
    fn ticks(&self, time: Duration) -> Vec<u64> {
        let ticks = time.as_millis() / TICK.as_millis();
        (0..ticks)
            .map(|_| self.count(|| self.host.advance(TICK)).1)
            .collect()
    }
}

/// Returns the most instructions of one tick, and of the ticks of one second.
fn most(ticks: &[u64]) -> (u64, u64) {
    let seconds = ticks.chunks(10).map(|second| second.iter().sum());
    (
        ticks.iter().copied().max().unwrap_or_default(),
        seconds.max().unwrap_or_default(),
    )
}

fn closed(connections: &[Connection]) -> usize {
    connections.iter().filter(|it| !it.is_open()).count()
}

#[test]
fn callbacks_are_independent_of_the_number_of_connections() {
    let worker = LoadedWorker::new("10m");
    let write = |connection: &Connection| {
        connection.client_sends("c");
        worker.count(|| connection.server_writes("d")).1
    };
    let mut first = worker.open(1, |_| 0);
    let alone = write(&first[0]);
    first.extend(worker.open(EXPIRING - 1, |number| number % HOSTS));
    worker.host.advance(Duration::from_secs(60));
    let others = worker.open(CONNECTIONS - EXPIRING, |number| number % HOSTS);

    let among_many = write(&others[CONNECTIONS / 4]);
    let (tick, second) = most(&worker.ticks(Duration::from_secs(5)));
    worker.host.advance(Duration::from_secs(600 - 60 - 5 - 1));
    assert_eq!(closed(&first), 0);
    let (expired, _) = most(&worker.ticks(Duration::from_secs(11)));

    // The connection is found by a hash, its context in a tree.
    assert!(
        among_many < 2 * alone,
        "a write: {among_many}, {alone} alone"
    );
    assert!(tick < 4 * MILLION, "a tick with a sample: {tick}");
    assert!(
        second < 5 * MILLION,
        "a second of idle connections: {second}"
    );
    assert!(
        expired < 10 * MILLION,
        "a tick and {EXPIRING} expired connections: {expired}"
    );
    let drained = closed(&first);
    assert!((9 * BUDGET..=12 * BUDGET).contains(&drained), "{drained}");
    assert_eq!(closed(&others), 0);
}

#[test]
fn half_of_400_upstream_hosts_are_overloaded() {
    let worker = LoadedWorker::new("off");
    // The first 200 have twice as many connections as the others.
    let connections = worker.open(60_000, |number| number % 600 % HOSTS);

    let (tick, second) = most(&worker.ticks(Duration::from_secs(25)));

    assert!(tick < 20 * MILLION, "a tick: {tick}");
    assert!(second < 100 * MILLION, "a second: {second}");
    let drained = closed(&connections);
    assert!(drained > BUDGET, "{drained}");
}
