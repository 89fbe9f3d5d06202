//! What a pod carries too much of is what `measure` says: requests or bytes, where connections are even.

use std::time::{Duration, Instant};

use evenkeel_test_envoy::Envoy;

use crate::support::pods::{Samples, Service, open, peers};
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, counted_with, healthy};

/// Connections of each pod.
const CONNECTIONS: usize = 20;

/// Long enough for rates, which are averages over ten seconds, on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// Clients of one pod, all of which ask for the same.
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

    /// Every client asks once. Those that are told leave; returns how many they are.
    async fn ask(&mut self) -> usize {
        let mut staying = Vec::new();
        let before = self.open.len();
        for mut client in self.open.drain(..) {
            client.send(get(self.path)).await;
            if !closes(&client.answer().await.0) {
                staying.push(client);
            }
        }
        self.open = staying;
        before - self.open.len()
    }

    /// So many more.
    async fn join(&mut self, count: usize) {
        self.open.extend(open(self.pod.address("in"), count).await);
    }
}

/// Two pods with as many connections each: what is asked for on the first is heavy, on the second it is light, or
/// nothing. Heavy clients that are told go to the second pod.
async fn the_heavier_pod_moves_its_surplus(measure: &str, heavy: &str, light: Option<&str>) {
    let keys = format!(
        r#", "rebalance": {{"measure": "{measure}", "max_rate": 0.2, "min_connections": 4, "stabilization_window": "0s"}}, "budget": "off""#
    );
    let service = Service::start(2, &peers(&keys), None).await;
    let [full, idle] = &service.pods[..] else {
        panic!("two pods")
    };
    let mut staying = Clients::of(full, heavy, CONNECTIONS).await;
    let mut moved = Clients::of(idle, heavy, 0).await;
    let mut others = Clients::of(idle, light.unwrap_or("/"), CONNECTIONS).await;

    let start = Instant::now();
    while moved.open.len() < CONNECTIONS / 3 || counted(full, "workers_rebalancing").await > 0 {
        let told = staying.ask().await;
        moved.join(told).await;
        assert_eq!(moved.ask().await, 0);
        if light.is_some() {
            assert_eq!(others.ask().await, 0);
        }
        assert!(start.elapsed() < LIMIT, "{} moved", moved.open.len());
    }

    // Half of what is heavy, and neither pod has a fifth more.
    let left = staying.open.len();
    assert!((8..=12).contains(&left), "{left} of {CONNECTIONS}");
    let by_rebalance = [("drain_reason", "rebalance")];
    let told = counted_with(full, "drain_signals_total", &by_rebalance).await;
    assert_eq!(told, moved.open.len() as u64);
    // And then nothing, for several samples.
    let (mut first, mut second) = (Samples::of(full).await, Samples::of(idle).await);
    while first.taken().await < 5 || second.taken().await < 5 {
        assert_eq!(staying.ask().await, 0);
        assert_eq!(moved.ask().await, 0);
        if light.is_some() {
            assert_eq!(others.ask().await, 0);
        }
    }
    assert_eq!(
        counted_with(idle, "drain_signals_total", &by_rebalance).await,
        0
    );
    service.pods.iter().for_each(healthy);
}

#[tokio::test]
async fn by_requests_it_is_the_pod_whose_clients_ask() {
    the_heavier_pod_moves_its_surplus("requests", "/", None).await;
}

#[tokio::test]
async fn by_bytes_it_is_the_pod_whose_clients_ask_for_much() {
    the_heavier_pod_moves_its_surplus("bytes", "/bytes/20000", Some("/")).await;
}
