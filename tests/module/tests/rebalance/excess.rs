//! The amount and the rate of drains.

use std::time::Duration;

use evenkeel_test_host::Connection;
use evenkeel_test_module::http1::{CLOSE, head, response_with};
use evenkeel_test_module::pods::{Pod, message, peers};

use super::SECOND;
use super::service::{OTHERS, Service};

#[test]
fn excess_is_drained_at_max_rate_down_to_the_low_watermark() {
    // The mean is 40: 2 a second, until 44 are left.
    let mut service =
        Service::new(r#""rebalance": {"max_rate": 0.05, "min_connections": 20}, "budget": "off""#);
    service.run(10);
    assert_eq!(service.pod.metric("evenkeel_workers_rebalancing"), 1);
    while service.pod.metric("evenkeel_workers_rebalancing") == 1 {
        service.run(1);
    }
    let ended = service.drained.len();
    service.run(60);

    assert!((25..=45).contains(&ended), "{:?}", service.drained);
    assert!(
        service.drained.iter().all(|drained| *drained <= 4),
        "{:?}",
        service.drained
    );
    // The reports of the others are slightly out of date.
    let left = service.clients.len();
    assert!((42..=44).contains(&left), "{:?}", service.drained);
    assert_eq!(service.by_rebalance("drain_signals"), 100 - left as u64);
    assert_eq!(service.by_rebalance("requests_aborted"), 0);
    // Once the load is even, nothing is drained, not even a selected connection.
    assert!(
        service.drained[ended..].iter().all(|drained| *drained == 0),
        "{:?}",
        service.drained
    );
}

#[test]
fn budget_limits_rebalancing() {
    let keys = r#""rebalance": {"max_rate": 1, "min_connections": 20}, "budget": {"per_second": 1, "burst": 1}"#;
    let mut service = Service::new(keys);
    service.run(30);
    let total: usize = service.drained.iter().sum();
    assert!((20..=30).contains(&total), "{:?}", service.drained);
    assert!(
        service.drained.iter().all(|drained| *drained <= 2),
        "{:?}",
        service.drained
    );
}

#[test]
fn dry_run_counts_each_drain_of_rebalancing_once() {
    let keys = r#""mode": "dry_run", "rebalance": {"max_rate": 0.05, "min_connections": 20}, "budget": "off""#;
    let mut service = Service::new(keys);
    for _ in 0..100 {
        service.others_carry(20);
    }
    assert_eq!(service.clients.len(), 100);
    assert_eq!(service.by_rebalance("drain_signals"), 0);
    let observed = service.by_rebalance("dry_run_drains");
    // As many as the excess, and none twice.
    assert_eq!(observed, 56);
    assert_eq!(
        service.pod.metric("evenkeel_rebalanced_load_connections"),
        100
    );
    assert!(
        service.pod.host.logged("by rebalance"),
        "{:?}",
        service.pod.host.log()
    );
}

#[test]
fn nothing_is_drained_while_a_pod_starts() {
    let mut service =
        Service::new(r#""rebalance": {"max_rate": 0.05, "min_connections": 20}, "budget": "off""#);
    service.run(10);
    assert!(service.drained[9] > 0, "{:?}", service.drained);

    // Within `stabilization_window`.
    let mut uptime = Duration::ZERO;
    for _ in 0..5 {
        service.second_with_responses(|now| {
            uptime += SECOND / 10;
            let others = message(now, OTHERS.map(|id| (id, 22)));
            let starting = message(uptime, [(10, 0)]);
            if uptime.subsec_millis().is_multiple_of(200) {
                others
            } else {
                starting
            }
        });
    }
    service.run(6);

    // The pod was not known in the first second.
    assert_eq!(service.drained[11..15], [0; 4], "{:?}", service.drained);
    assert!(service.drained[20] > 0, "{:?}", service.drained);
}

#[test]
fn workers_drain_the_excess_of_their_pod_together() {
    let keys = r#""rebalance": {"max_rate": 0.1, "min_connections": 20}, "budget": "off""#;
    let pod = Pod::start("shop-1", 2, &peers(keys));
    let mut clients = [pod.open(0, 120), pod.open(1, 60)];
    for _ in 0..60 {
        // 400 connections on four pods.
        let left = clients.iter().map(Vec::len).sum::<usize>() as u64;
        for tenth in 0..10 {
            pod.pass(SECOND / 10, |call| {
                let words = message(pod.host.now(), OTHERS.map(|id| (id, (400 - left) / 3)));
                call.respond(&[(":status", "200")], words);
            });
            for (proxy, clients) in pod.workers.iter().zip(&mut clients) {
                clients.retain(|client| client.id() % 10 != tenth || !proxy.is_drained(client));
            }
        }
    }
    let left = clients.each_ref().map(Vec::len);
    assert!((102..=110).contains(&(left[0] + left[1])), "{left:?}");
    // Each drains its share.
    assert!((66..=75).contains(&left[0]), "{left:?}");
}

#[test]
fn pod_without_peers_uses_fallback_mean_connection_age() {
    let keys = r#""rebalance": {"fallback_mean_connection_age": "60s"}, "budget": "off""#;
    let mut service = Service::new(keys);
    for _ in 0..31 {
        service.silence();
    }
    // 100 connections, each with a chance of 1 in 60 a second, for half a minute: 40.
    let by_chance = service
        .pod
        .metric("drain_reason=.=mean_connection_age;.;evenkeel_drain_signals_total");
    assert!((34..=44).contains(&by_chance), "{by_chance}");
    assert_eq!(by_chance as usize, 100 - service.clients.len());

    // With the first response the mean is known: no pod has excess load.
    service.others_carry(60);
    let left = service.clients.len();
    for _ in 0..20 {
        service.others_carry(60);
    }
    assert_eq!(service.clients.len(), left);

    let mut silent = Service::new(r#""rebalance": {}, "budget": "off""#);
    for _ in 0..31 {
        silent.silence();
    }
    assert_eq!(silent.clients.len(), 100);
}

#[test]
fn rebalancing_does_not_select_protected_connections() {
    let keys = r#""rebalance": {"max_rate": 0.2, "min_connections": 20}, "budget": "off",
        "routes": [{"name": "exports", "match": {"path_prefix": "/exports"}, "protect": true, "drain_timeout": "off"}]"#;
    let mut service = Service::new(keys);
    let busy = service.clients.split_off(10);
    let exports: Vec<_> = busy
        .iter()
        .map(|client| service.pod.workers[0].get(client, "/exports"))
        .collect();
    for _ in 0..30 {
        service.others_carry(20);
    }
    assert_eq!(
        service.clients.len(),
        0,
        "those that nothing protects are gone"
    );
    let proxy = &service.pod.workers[0];
    for (client, export) in busy.iter().zip(&exports) {
        assert_eq!(proxy.respond(client, export), response_with(""));
    }

    // When the protected stream has ended, the connection can be selected.
    service.clients = busy;
    for _ in 0..10 {
        service.others_carry(20);
    }
    assert!(service.clients.len() < 80, "{:?}", service.drained);
}

#[test]
fn rebalancing_does_not_select_connections_without_requests() {
    let keys = r#""rebalance": {"max_rate": 1, "min_connections": 20}, "budget": "off""#;
    let pod = Pod::start("shop-1", 1, &peers(keys));
    let silent: Vec<_> = (0..100).map(|_| pod.workers[0].network.connect()).collect();
    pod.pass(30 * SECOND, |call| {
        let words = message(pod.host.now(), OTHERS.map(|id| (id, 0)));
        call.respond(&[(":status", "200")], words);
    });
    assert!(silent.iter().all(Connection::is_open));
    // Its first response is a safe point.
    let first = &silent[0];
    pod.workers[0].exchange(first, "/");
    pod.pass(2 * SECOND, |call| call.fail());
    let closing = head(&format!("content-length: 5\r\n{CLOSE}"));
    assert!(pod.workers[0].exchange(first, "/").starts_with(&closing));
}
