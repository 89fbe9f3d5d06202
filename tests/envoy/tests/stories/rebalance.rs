//! A pod with more load than its peers drains the excess, and no more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use evenkeel_test_envoy::Envoy;
use evenkeel_test_frames::http2::{ClientPreface, MAX_STREAM_ID};

use crate::support::pods::{Samples, Service, message, open, peers, report};
use crate::support::raw_client::{RawClient, last_stream_id};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, announces_close};
use crate::support::{assert_healthy, assert_metric, metric, metric_with};

/// Sends a request on each connection, and opens a new one where a response has `connection: close`; returns how many.
async fn request_all(pod: &Envoy, clients: &mut [Socket]) -> u64 {
    let mut drains = 0;
    for client in clients {
        let (head, body) = client.get("/").await;
        assert_eq!(body, b"a");
        if announces_close(&head) {
            drains += 1;
            assert_eq!(client.read_to_end().await, b"");
            *client = Socket::connect(pod.address("in")).await;
        }
    }
    drains
}

/// Returns a message that invents 32 more idle pods each time.
fn forge_reports(_request: &str) -> Option<Vec<u8>> {
    static TURN: AtomicU64 = AtomicU64::new(1);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let invented = (0..32).map(|id| report(1_000 + 32 * turn + id, 0, turn));
    let reports: Vec<_> = [report(666, 0, turn)].into_iter().chain(invented).collect();
    Some(ok(&message(&reports)))
}

#[tokio::test]
async fn invented_idle_pods_drain_no_more_than_the_budget() {
    let forger = Server::start(forge_reports).await;
    let keys = r#", "rebalance": {"max_rate": 1, "min_connections": 10, "stabilization_window": "0s"}, "budget": {"per_second": 1, "burst": 1}"#;
    let service = Service::start(2, &peers(keys), None).await;
    let mut clients = Vec::new();
    for pod in &service.pods {
        clients.push(open(pod.address("in"), 30).await);
    }
    service.update_endpoints(&[forger.address]).await;

    // The pods have equal loads, and both take theirs for far too high.
    let start = Instant::now();
    let mut drains = [0, 0];
    while drains.iter().sum::<u64>() < 4 {
        for ((pod, clients), drains) in service.pods.iter().zip(&mut clients).zip(&mut drains) {
            *drains += request_all(pod, clients).await;
        }
        assert!(start.elapsed().as_secs() < 30, "{drains:?}");
    }

    let allowed = 1.0 + start.elapsed().as_secs_f64();
    for (pod, drains) in service.pods.iter().zip(drains) {
        assert!(
            drains as f64 <= allowed,
            "{drains} in {:?}",
            start.elapsed()
        );
        let by_rebalance =
            metric_with(pod, "drain_signals_total", &[("drain_reason", "rebalance")]).await;
        assert_eq!(by_rebalance, drains);
        assert_healthy(pod);
    }
}

const UNEVEN: &str = r#", "rebalance": {"max_rate": 0.2, "min_connections": 10, "stabilization_window": "0s"}, "budget": "off""#;

#[tokio::test]
async fn rebalancing_drains_only_the_excess() {
    drains_only_the_excess(Service::start(2, &peers(UNEVEN), None).await).await;
}

#[tokio::test]
async fn rebalancing_needs_the_http_filter_for_requests_of_peers_only() {
    drains_only_the_excess(Service::start_on_demand(2, &peers(UNEVEN), None).await).await;
}

async fn drains_only_the_excess(service: Service) {
    let [full, idle] = &service.pods[..] else {
        panic!("two pods")
    };
    let mut clients = open(full.address("in"), 40).await;
    let mut drained = Vec::new();

    // All drained clients connect to the other pod.
    let start = Instant::now();
    while drained.len() < 16 || metric(full, "workers_rebalancing").await > 0 {
        let mut remaining = Vec::new();
        for mut client in clients {
            if announces_close(&client.get("/").await.0) {
                drained.extend(open(idle.address("in"), 1).await);
            } else {
                remaining.push(client);
            }
        }
        clients = remaining;
        assert!(start.elapsed().as_secs() < 60, "{}", clients.len());
    }

    // The mean is 20, and the high watermark 20 % above.
    assert!((16..=24).contains(&clients.len()), "{}", clients.len());
    service.wait_until_known(1, 20.0).await;
    // No further drain in several samples.
    let (mut first, mut second) = (Samples::of(full).await, Samples::of(idle).await);
    while first.taken().await < 5 || second.taken().await < 5 {
        assert_eq!(request_all(full, &mut clients).await, 0);
        assert_eq!(request_all(idle, &mut drained).await, 0);
    }
    service.pods.iter().for_each(assert_healthy);
}

/// Node's http2 is better drained when it is idle. Without pauses it is drained late, but before its selection ends.
#[tokio::test]
async fn node_without_pauses_is_drained_within_its_selection() {
    let service = Service::start(2, &peers(UNEVEN), None).await;
    let full = &service.pods[0];
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(RawClient::connect(full.address("in"), ClientPreface::Node).await);
    }

    let start = Instant::now();
    let mut last_stream_ids = Vec::new();
    for stream in (1..).step_by(2) {
        for client in &mut clients {
            client.send_get(stream, "/").await;
            let frames = client.read_response(stream).await;
            last_stream_ids.extend(last_stream_id(&frames));
        }
        if !last_stream_ids.is_empty() {
            break;
        }
        assert!(start.elapsed().as_secs() < 60);
    }

    assert!(last_stream_ids.iter().all(|id| *id == MAX_STREAM_ID));
    let by_rebalance = [("drain_reason", "rebalance")];
    let drains = metric_with(full, "drain_signals_total", &by_rebalance).await;
    assert_eq!(drains, last_stream_ids.len() as u64);
    assert_metric(full, "drain_deferred_total", 0).await;
    assert_healthy(full);
}
