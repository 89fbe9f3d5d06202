//! A pod that carries more than its peers moves the surplus, whatever they tell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use evenkeel_test_envoy::Envoy;

use crate::support::pods::{Samples, Service, message, open, peers, report};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, counted_with, healthy};

/// Every client asks once; who is told opens another connection to the same pod. How many were told.
async fn ask(pod: &Envoy, clients: &mut [Socket]) -> u64 {
    let mut told = 0;
    for client in clients {
        client.send(get("/")).await;
        let (head, body) = client.answer().await;
        assert_eq!(body, b"a");
        if closes(&head) {
            told += 1;
            assert_eq!(client.rest().await, b"");
            *client = Socket::connect(pod.address("in")).await;
        }
    }
    told
}

/// Says that it is idle, and that so are two and thirty others, never the same.
fn lie(_question: &str) -> Option<Vec<u8>> {
    static TURN: AtomicU64 = AtomicU64::new(1);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let invented = (0..32).map(|id| report(1_000 + 32 * turn + id, 0, turn));
    let reports: Vec<_> = [report(666, 0, turn)].into_iter().chain(invented).collect();
    Some(ok(&message(&reports)))
}

#[tokio::test]
async fn a_liar_that_invents_hundreds_of_idle_pods_moves_no_more_than_the_budget() {
    let liar = Server::start(lie).await;
    let keys = r#", "rebalance": {"max_rate": 1, "min_connections": 10, "stabilization_window": "0s"}, "budget": {"per_second": 1, "burst": 1}"#;
    let service = Service::start(2, &peers(keys), None).await;
    let mut clients = Vec::new();
    for pod in &service.pods {
        clients.push(open(pod.address("in"), 30).await);
    }
    service.introduce(&[liar.address]).await;

    // Two pods of equal load, that both believe to carry far too much.
    let start = Instant::now();
    let mut told = [0, 0];
    while told.iter().sum::<u64>() < 4 {
        for ((pod, clients), told) in service.pods.iter().zip(&mut clients).zip(&mut told) {
            *told += ask(pod, clients).await;
        }
        assert!(start.elapsed().as_secs() < 30, "{told:?}");
    }

    let allowed = 1.0 + start.elapsed().as_secs_f64();
    for (pod, told) in service.pods.iter().zip(told) {
        assert!(told as f64 <= allowed, "{told} in {:?}", start.elapsed());
        let by_rebalance =
            counted_with(pod, "drain_signals_total", &[("drain_reason", "rebalance")]).await;
        assert_eq!(by_rebalance, told);
        healthy(pod);
    }
}

#[tokio::test]
async fn the_surplus_goes_and_the_rest_stays() {
    let keys = r#", "rebalance": {"max_rate": 0.2, "min_connections": 10, "stabilization_window": "0s"}, "budget": "off""#;
    let service = Service::start(2, &peers(keys), None).await;
    let [full, idle] = &service.pods[..] else {
        panic!("two pods")
    };
    let mut clients = open(full.address("in"), 40).await;
    let mut moved = Vec::new();

    // All who are told go to the other pod.
    let start = Instant::now();
    while moved.len() < 16 || counted(full, "workers_rebalancing").await > 0 {
        let mut staying = Vec::new();
        for mut client in clients {
            client.send(get("/")).await;
            if closes(&client.answer().await.0) {
                moved.extend(open(idle.address("in"), 1).await);
            } else {
                staying.push(client);
            }
        }
        clients = staying;
        assert!(start.elapsed().as_secs() < 60, "{}", clients.len());
    }

    // The mean is 20, and neither has a fifth more.
    assert!((16..=24).contains(&clients.len()), "{}", clients.len());
    service.know(1, 20.0).await;
    // And then nothing, for several samples.
    let (mut first, mut second) = (Samples::of(full).await, Samples::of(idle).await);
    while first.taken().await < 5 || second.taken().await < 5 {
        assert_eq!(ask(full, &mut clients).await, 0);
        assert_eq!(ask(idle, &mut moved).await, 0);
    }
    service.pods.iter().for_each(healthy);
}
