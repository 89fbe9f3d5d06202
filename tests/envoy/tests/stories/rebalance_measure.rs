//! Rebalancing by requests or bytes, where the connections are even.

use std::time::{Duration, Instant};

use evenkeel_test_envoy::Envoy;

use crate::support::pods::{Samples, Service, open, peers};
use crate::support::socket::{Socket, announces_close};
use crate::support::{assert_healthy, assert_metric_with, metric, metric_with};

/// Connections of each pod.
const CONNECTIONS: usize = 20;

/// Long enough for rates, which are averages over ten seconds.
const LIMIT: Duration = Duration::from_secs(90);

/// Clients of one pod that request the same path.
struct Clients<'a> {
    pod: &'a Envoy,
    path: &'a str,
    open: Vec<Socket>,
}

impl<'a> Clients<'a> {
    async fn of(pod: &'a Envoy, path: &'a str, count: usize) -> Self {
        let open = open(pod.address("in"), count).await;
        Self { pod, path, open }
    }

    /// Sends a request on each connection, and drops those with `connection: close`; returns how many.
    async fn request_all(&mut self) -> usize {
        let mut remaining = Vec::new();
        let before = self.open.len();
        for mut client in self.open.drain(..) {
            if !announces_close(&client.get(self.path).await.0) {
                remaining.push(client);
            }
        }
        self.open = remaining;
        before - self.open.len()
    }

    /// Opens more connections.
    async fn add(&mut self, count: usize) {
        self.open.extend(open(self.pod.address("in"), count).await);
    }
}

/// Two pods with the same number of connections: requests to the first are heavy, those to the second light, or there are
/// none. Drained clients connect to the second pod.
async fn assert_heavier_pod_is_rebalanced(measure: &str, heavy: &str, light: Option<&str>) {
    let keys = format!(
        r#", "rebalance": {{"measure": "{measure}", "max_rate": 0.2, "min_connections": 4, "stabilization_window": "0s"}}, "budget": "off""#
    );
    let service = Service::start(2, &peers(&keys), None).await;
    let [full, idle] = &service.pods[..] else {
        panic!("two pods")
    };
    let mut remaining = Clients::of(full, heavy, CONNECTIONS).await;
    let mut drained = Clients::of(idle, heavy, 0).await;
    let mut others = Clients::of(idle, light.unwrap_or("/"), CONNECTIONS).await;

    let start = Instant::now();
    while drained.open.len() < CONNECTIONS / 3 || metric(full, "workers_rebalancing").await > 0 {
        let signals = remaining.request_all().await;
        drained.add(signals).await;
        assert_eq!(drained.request_all().await, 0);
        if light.is_some() {
            assert_eq!(others.request_all().await, 0);
        }
        assert!(start.elapsed() < LIMIT, "{} drained", drained.open.len());
    }

    // About half of the heavy clients, and both pods are below the high watermark. The loop above ends with 14 at most.
    let left = remaining.open.len();
    assert!(left >= 8, "{left} of {CONNECTIONS}");
    let by_rebalance = [("drain_reason", "rebalance")];
    let signals = metric_with(full, "drain_signals_total", &by_rebalance).await;
    assert_eq!(signals, drained.open.len() as u64);
    // No further drain in several samples.
    let (mut first, mut second) = (Samples::of(full).await, Samples::of(idle).await);
    while first.taken().await < 5 || second.taken().await < 5 {
        assert_eq!(remaining.request_all().await, 0);
        assert_eq!(drained.request_all().await, 0);
        if light.is_some() {
            assert_eq!(others.request_all().await, 0);
        }
    }
    assert_metric_with(idle, "drain_signals_total", &by_rebalance, 0).await;
    service.pods.iter().for_each(assert_healthy);
}

#[tokio::test]
async fn requests_measure_rebalances_the_busier_pod() {
    assert_heavier_pod_is_rebalanced("requests", "/", None).await;
}

#[tokio::test]
async fn bytes_measure_rebalances_the_pod_with_larger_responses() {
    assert_heavier_pod_is_rebalanced("bytes", "/bytes/20000", Some("/")).await;
}
