//! The load metrics of a pod match what its clients see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;
use tokio::time::interval;

use crate::support::pods::Samples;
use crate::support::socket::{Socket, get};
use crate::support::{
    assert_healthy, assert_metric, metric_with, start_network, wait_for_metric, wait_until_metric,
};

/// Rebalancing without peers, for the load metrics.
const ALONE: &str = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off"}, "rebalance": {"stabilization_window": "0s"}}"#;

/// Rates are averages over about ten seconds.
const SAMPLES: u32 = 10;

/// The tolerated relative difference between a rate and its mean over the story.
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
async fn age_sum_grows_with_each_open_connection() {
    const CONNECTIONS: u64 = 10;
    let (envoy, _backend) = start_network(r#""max_connection_age": "1h""#).await;
    let start = Instant::now();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut socket = Socket::connect(envoy.address("in")).await;
        socket.get("/").await;
        open.push((Instant::now(), socket));
    }

    // Three seconds for each connection.
    let wanted = 3 * CONNECTIONS;
    let shown = wait_until_metric(&envoy, "downstream_connections_age_sum_seconds", |age| {
        age >= wanted
    })
    .await;

    // The metric is a whole number.
    let most = start.elapsed().as_secs_f64() * CONNECTIONS as f64 + 0.5;
    assert!(shown as f64 <= most, "{shown} of {most}");
    drop(open);
    wait_for_metric(&envoy, "downstream_connections_age_sum_seconds", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn active_requests_are_those_without_a_response() {
    let (envoy, backend) = pod().await;
    let mut waiting = Tasks::new();
    for _ in 0..7 {
        let client = Client::http1(envoy.address("in"));
        waiting.spawn(async move { client.get("/hold").await.unwrap().status });
    }

    wait_for_metric(&envoy, "rebalanced_load_active_requests", 7).await;
    backend.release();

    assert_eq!(waiting.join().await, [200; 7]);
    wait_for_metric(&envoy, "rebalanced_load_active_requests", 0).await;
    assert_healthy(&envoy);
}

/// What clients sent and received.
#[derive(Default)]
struct Traffic {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// Sends ten requests a second.
async fn request_steadily(to: SocketAddr, traffic: Arc<Traffic>) {
    let mut socket = Socket::connect(to).await;
    let mut turns = interval(Duration::from_millis(100));
    loop {
        turns.tick().await;
        let request = get("/bytes/5000");
        socket.send(&request).await;
        let (head, body) = socket.response().await;
        let bytes = request.len() + head.len() + body.len();
        traffic.requests.fetch_add(1, Ordering::Relaxed);
        traffic.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn rates_match_requests_and_bytes_on_the_wire() {
    let (envoy, backend) = pod().await;
    let traffic = Arc::<Traffic>::default();
    let start = Instant::now();
    let mut clients = Tasks::new();
    for _ in 0..10 {
        clients.spawn(request_steadily(envoy.address("in"), Arc::clone(&traffic)));
    }

    Samples::of(&envoy).await.wait_for(SAMPLES).await;

    let upstream = backend.address().to_string();
    let upstream = [("upstream_host", &*upstream)];
    let expected = [
        (
            "rebalanced_load_requests_per_second",
            &traffic.requests,
            &[][..],
        ),
        ("rebalanced_load_bytes_per_second", &traffic.bytes, &[]),
        ("upstream_requests_per_second", &traffic.requests, &upstream),
        ("upstream_bytes_per_second", &traffic.bytes, &upstream),
    ];
    for (name, total, labels) in expected {
        let shown = metric_with(&envoy, name, labels).await as f64;
        let mean = total.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
        assert!(
            (shown - mean).abs() <= TOLERANCE * mean,
            "{name}: {shown}, expected {mean}"
        );
    }
    assert_metric(&envoy, "drain_signals_total", 0).await;
    clients.stop().await;
    assert_healthy(&envoy);
}
