//! The budget applies to all workers of a proxy together, and each policy has its own.

use std::net::SocketAddr;
use std::time::Instant;

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;

use crate::support::{assert_healthy, assert_metric, metric, start_listeners, wait_until_metric};

const TEN_A_SECOND: &str = r#"{"version": 1, "budget": {"per_second": 10, "burst": 10},
    "defaults": {"jitter": 0, "max_connection_age": "500ms"}}"#;

#[tokio::test]
async fn budget_limits_four_workers_together() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .route("/", "app")
        .evenkeel(Roles::Network, TEN_A_SECOND);
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new()
        .concurrency(4)
        .listener(listener)
        .cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let to = envoy.address("in");
    let clients: Vec<_> = (0..200).map(|_| Client::http1(to)).collect();
    let start = Instant::now();
    for client in &clients {
        client.get("/").await.unwrap();
    }
    wait_until_metric(&envoy, "connections_expired_total", |due| due >= 200).await;

    let mut users = Tasks::new();
    for client in clients {
        users.spawn(async move {
            loop {
                assert_eq!(client.get("/delay/20").await.unwrap().status, 200);
            }
        });
    }
    // The burst, and several seconds of the rate.
    let mut signals = 0;
    while signals < 40 {
        signals = metric(&envoy, "drain_signals_total").await;
        let most = 10.0 + 10.0 * start.elapsed().as_secs_f64() + 1.0;
        assert!(
            signals as f64 <= most,
            "{signals} after {:?}",
            start.elapsed()
        );
    }
    users.stop().await;

    assert!(metric(&envoy, "drain_budget_exhausted_total").await >= 100);
    assert_healthy(&envoy);
}

const DRAIN_FIVE: &str = r#""budget": {"per_second": 0.001, "burst": 5}, "defaults": {"jitter": 0, "max_requests_per_connection": 1}"#;

/// Opens ten connections; returns how many get `connection: close` with their first response.
async fn drained_of_ten(to: SocketAddr) -> usize {
    let mut drained = 0;
    for _ in 0..10 {
        let response = Client::http1(to).get("/").await.unwrap();
        assert_eq!(response.status, 200);
        drained += usize::from(response.headers.contains_key("connection"));
    }
    drained
}

#[tokio::test]
async fn dry_run_takes_nothing_from_the_budget() {
    let dry_run = format!(r#"{{"version": 1, "mode": "dry_run", {DRAIN_FIVE}}}"#);
    let enforce = format!(r#"{{"version": 1, {DRAIN_FIVE}}}"#);
    let (envoy, _backend) = start_listeners(&[
        ("dry", Roles::Network, &dry_run),
        ("in", Roles::Network, &enforce),
    ])
    .await;

    assert_eq!(drained_of_ten(envoy.address("dry")).await, 0);
    assert_metric(&envoy, "dry_run_drains_total", 5).await;
    assert_eq!(drained_of_ten(envoy.address("in")).await, 5);
    assert_eq!(drained_of_ten(envoy.address("in")).await, 0);
    assert_eq!(drained_of_ten(envoy.address("dry")).await, 0);
    assert_metric(&envoy, "dry_run_drains_total", 5).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn policies_with_different_budgets_do_not_share() {
    let slow = format!(r#"{{"version": 1, {DRAIN_FIVE}}}"#);
    let fast = slow.replace("0.001", "0.002");
    let (envoy, _backend) = start_listeners(&[
        ("slow", Roles::Network, &slow),
        ("fast", Roles::Network, &fast),
    ])
    .await;

    assert_eq!(drained_of_ten(envoy.address("slow")).await, 5);
    assert_eq!(drained_of_ten(envoy.address("slow")).await, 0);
    assert_eq!(drained_of_ten(envoy.address("fast")).await, 5);
    assert_eq!(drained_of_ten(envoy.address("fast")).await, 0);
    assert_healthy(&envoy);
}
