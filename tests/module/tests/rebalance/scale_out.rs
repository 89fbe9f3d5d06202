//! Pods that exchange reports with each other, and clients that kube-proxy sends to a random pod.

use evenkeel_test_module::http1::response_with;
use evenkeel_test_module::pods::{Fleet, Pod, peers};

use super::SECOND;

/// Random numbers that are the same in every run (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

#[test]
fn scale_out_from_four_to_eight_pods_evens_the_load() {
    let keys = r#""rebalance": {"max_rate": 0.033, "min_connections": 10, "stabilization_window": "3s"}, "budget": {"per_second": 1, "burst": 1}"#;
    let mut fleet = Fleet::default();
    let mut clients = Vec::new();
    for pod in 0..4 {
        fleet.join(Pod::start(&format!("shop-{pod}"), 1, &peers(keys)));
        let opened = fleet.pods[pod].open(0, 60);
        clients.extend(opened.into_iter().map(|client| (pod, client)));
    }
    fleet.pass(10 * SECOND);
    let rebalance = |fleet: &Fleet| -> u64 {
        let metric = "drain_reason=.=rebalance;.;evenkeel_drain_signals_total";
        fleet.pods.iter().map(|pod| pod.metric(metric)).sum()
    };
    assert_eq!(rebalance(&fleet), 0);

    for pod in 4..8 {
        fleet.join(Pod::start(&format!("shop-{pod}"), 1, &peers(keys)));
    }
    let mut chance = Chance(7);
    let mut most = Vec::new();
    let mut closes = Vec::new();
    for _ in 0..150 {
        for tenth in 0..10 {
            fleet.pass(SECOND / 10);
            for (pod, client) in clients.iter_mut().skip(tenth).step_by(10) {
                if fleet.pods[*pod].workers[0].is_drained(client) {
                    // The random choice of kube-proxy.
                    *pod = chance.below(8);
                    let successor = &fleet.pods[*pod].workers[0];
                    *client = successor.network.connect();
                    assert_eq!(successor.exchange(client, "/"), response_with(""));
                }
            }
        }
        let on = |at| clients.iter().filter(|(pod, _)| *pod == at).count();
        most.push((0..8).map(on).max().unwrap_or_default());
        closes.push(rebalance(&fleet));
    }

    // A quarter above the mean of 30.
    assert!(most[100..].iter().all(|most| *most <= 37), "{most:?}");
    assert!(closes[149] <= 240, "{closes:?}");
    assert_eq!(closes[119], closes[149], "balanced, nothing is drained");
}
