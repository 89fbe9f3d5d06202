//! What a pod shows of its load is what its clients see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;
use tokio::time::interval;

use crate::support::pods::Samples;
use crate::support::socket::{Socket, get};
use crate::support::{counted, counted_with, healthy, network, until};

/// A pod that compares itself with its peers, of which it has none.
const ALONE: &str = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"}, "rebalance": {"stabilization_window": "0s"}}"#;

/// A rate is an average over about ten seconds.
const SAMPLES: u32 = 10;

/// How far a rate may be from the mean of the whole story.
const TOLERANCE: f64 = 0.25;

async fn pod() -> (Envoy, Backend) {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in").route("/", "app").inbound();
    let bootstrap = Bootstrap::new()
        .listener(listener.evenkeel(Roles::Both, ALONE))
        .cluster(Cluster::new("app", [backend.address()]));
    (Envoy::start(bootstrap).await.unwrap(), backend)
}

#[tokio::test]
async fn the_age_of_all_connections_grows_by_a_second_each_second() {
    const CONNECTIONS: u64 = 10;
    let (envoy, _backend) = network(r#""max_connection_age": "1h""#).await;
    let start = Instant::now();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut socket = Socket::connect(envoy.address("in")).await;
        socket.send(get("/")).await;
        socket.answer().await;
        open.push((Instant::now(), socket));
    }

    // Three seconds each: no sum of fewer connections, or of other ages, is there as early.
    let wanted = 3 * CONNECTIONS;
    let shown = until(&envoy, "downstream_connections_age_sum_seconds", |age| {
        age >= wanted
    })
    .await;

    // Shown as a whole number.
    let most = start.elapsed().as_secs_f64() * CONNECTIONS as f64 + 0.5;
    assert!(shown as f64 <= most, "{shown} of {most}");
    drop(open);
    until(&envoy, "downstream_connections_age_sum_seconds", |age| {
        age == 0
    })
    .await;
    healthy(&envoy);
}

#[tokio::test]
async fn active_requests_are_those_that_wait_for_an_answer() {
    let (envoy, backend) = pod().await;
    let mut waiting = Tasks::new();
    for _ in 0..7 {
        let client = Client::http1(envoy.address("in"));
        waiting.spawn(async move { client.get("/hold").await.unwrap().status });
    }

    until(&envoy, "rebalanced_load_active_requests", |active| {
        active == 7
    })
    .await;
    backend.release();

    assert_eq!(waiting.join().await, [200; 7]);
    until(&envoy, "rebalanced_load_active_requests", |active| {
        active == 0
    })
    .await;
    healthy(&envoy);
}

/// What clients sent and received.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// A client that asks ten times a second.
async fn ask_steadily(to: SocketAddr, seen: Arc<Seen>) {
    let mut socket = Socket::connect(to).await;
    let mut turns = interval(Duration::from_millis(100));
    loop {
        turns.tick().await;
        let request = get("/bytes/5000");
        socket.send(&request).await;
        let (head, body) = socket.answer().await;
        let bytes = request.len() + head.len() + body.len();
        seen.requests.fetch_add(1, Ordering::Relaxed);
        seen.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn rates_are_those_of_the_requests_and_bytes_on_the_wire() {
    let (envoy, backend) = pod().await;
    let seen = Arc::<Seen>::default();
    let start = Instant::now();
    let mut clients = Tasks::new();
    for _ in 0..10 {
        clients.spawn(ask_steadily(envoy.address("in"), Arc::clone(&seen)));
    }

    Samples::of(&envoy).await.pass(SAMPLES).await;

    let upstream = backend.address().to_string();
    let upstream = [("upstream_host", &*upstream)];
    let expected = [
        (
            "rebalanced_load_requests_per_second",
            &seen.requests,
            &[][..],
        ),
        ("rebalanced_load_bytes_per_second", &seen.bytes, &[]),
        ("upstream_requests_per_second", &seen.requests, &upstream),
        ("upstream_bytes_per_second", &seen.bytes, &upstream),
    ];
    for (metric, seen, labels) in expected {
        let shown = counted_with(&envoy, metric, labels).await as f64;
        let mean = seen.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        assert!(
            (shown - mean).abs() <= TOLERANCE * mean,
            "{metric}: {shown} is shown, {mean} was seen"
        );
    }
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
    clients.stop().await;
    healthy(&envoy);
}
