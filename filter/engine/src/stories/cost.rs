//! The cost of samples and selections with many connections, in visited connections.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::LoadSample;

/// The most connections that one tick visits for a sweep, and for a search.
const SLICE: u64 = 4096;
const MANY: u64 = 100_000;

/// Raw TCP connections to 400 hosts in turn; the first 200 get three times as many.
fn gateway() -> Story {
    let mut story = Story::new(
        json!({"budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}],
            "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"}}),
    );
    let hosts: Vec<_> = (0..400_u32)
        .map(|host| {
            story
                .engine
                .find_upstream_host(b"db", &host.to_le_bytes())
                .unwrap()
        })
        .collect();
    for id in 0..MANY {
        let opened = story.open_tcp(id);
        let host = if id % 4 == 3 {
            200 + id / 4 % 200
        } else {
            (id / 4 * 3 + id % 4) % 200
        };
        story.engine.set_upstream_host(opened, hosts[host as usize]);
    }
    story
}

#[test]
fn sample_without_rates_visits_no_connection() {
    let mut story = gateway();
    story.engine.track_rates(false);
    let mut sample = LoadSample::default();
    let visits = story.visits(|story| {
        for second in 1..=10 {
            story.at(second);
            sample = story.engine.take_sample(true);
        }
    });
    assert_eq!(visits, 0);
    assert_eq!(sample.load.connections, MANY as f64);
    assert_eq!(sample.total_age, Duration::from_secs(10) * 100_000);
}

#[test]
fn rates_of_the_worker_need_no_sweep() {
    let mut story = Story::rule(json!({"max_connection_age": "off"}));
    story.engine.track_rates(false);
    let ids = [1, 2].map(|id| story.open(id));
    for second in 1..=60 {
        story.at(second);
        for id in ids {
            let activity = Activity {
                bytes: 100,
                ..activity(second * 5, 0)
            };
            story.engine.read(id, &activity);
        }
        let load = story.engine.take_sample(true).load;
        assert!((load.requests / 10.0 - 1.0).abs() < 1e-6, "{load:?}");
        assert!((load.bytes / 200.0 - 1.0).abs() < 1e-6, "{load:?}");
    }
}

#[test]
fn sweep_visits_each_connection_once_in_slices() {
    let mut story = gateway();
    let mut slices = vec![story.visits(|story| {
        story.engine.take_sample(true);
    })];
    slices.extend((0..30).map(|_| story.visits(|story| story.pass(TICK))));
    assert_eq!(slices.iter().max(), Some(&SLICE));
    assert_eq!(slices.iter().sum::<u64>(), MANY);
}

#[test]
fn one_search_serves_all_overloaded_hosts() {
    let mut story = gateway();
    story.engine.track_rates(false);
    let rebalance = story.policy.rebalance.unwrap();
    for second in 1..=2 {
        story.at(second);
        story.engine.take_sample(true);
        assert!(!story.compare_hosts(&rebalance, second));
    }
    story.at(3);
    story.engine.take_sample(true);

    let mut slices = vec![story.visits(|story| {
        assert!(story.compare_hosts(&rebalance, 3));
    })];
    let mut selected = Vec::new();
    while selected.is_empty() {
        slices.push(story.visits(|story| story.pass(TICK)));
        assert!(slices.len() < 100);
        selected = story.effects();
    }
    assert!(
        selected.len() < 300,
        "a step selects for a few hosts: {}",
        selected.len()
    );
    story.pass(Duration::from_secs(12));
    selected.extend(story.effects());

    assert_eq!(slices.iter().max(), Some(&SLICE));
    assert_eq!(slices.iter().sum::<u64>(), MANY, "for 200 hosts together");
    // Each of the 200 has 375, a hundred more than 1.1 times the mean.
    assert_eq!(selected.len(), 200 * 100);
}

#[test]
fn repeated_request_selects_no_connection_twice() {
    let mut story = Story::rule(json!({"max_connection_age": "off"}));
    for id in 0..20_000 {
        let id = story.open(id);
        story.exchange(id, 1);
    }
    let request = |load| SelectionRequest {
        reason: DrainReason::MeanConnectionAge,
        ..selection(load)
    };
    assert_eq!(story.select(request(10.0), 1), 0.0);
    assert_eq!(story.select(request(12.0), 1), 0.0);
    story.pass(Duration::from_secs(1));
    assert_eq!(story.engine.take_selected(Mode::Enforce), 12.0);
    assert_eq!(story.engine.take_selected(Mode::Enforce), 0.0);
    assert_eq!(story.effects().len(), 12);
}

#[test]
fn totals_equal_a_recount_after_random_events() {
    for name in ["enforce", "dry_run"] {
        let mut story = Story::new(
            json!({"mode": name, "budget": {"per_second": 5, "burst": 5},
                "defaults": {"max_connection_age": "20s", "max_requests_per_connection": 30, "websocket": {"close_code": "going_away", "idle_timeout": "3s"}},
                "tcp": [{"name": "db", "match": {"port": 5432}}]}),
        );
        let mode = story.policy.mode;
        story.engine.set_drain_rate(mode, Measure::Connections, 3.0);
        let host = story.engine.find_upstream_host(b"c", b"a").unwrap();
        let mut chance = 1;
        for step in 0..20_000_u64 {
            chance = crate::mix(chance);
            let id = ConnectionId(chance >> 8 & 63);
            let active = (chance >> 16 & 3) as u32;
            match chance % 20 {
                0 => {
                    story.open(id.0);
                }
                1 => {
                    story.open_tcp(id.0);
                }
                2 => {
                    story.engine.upgrade_to_websocket(id);
                }
                3 => story.engine.bypass(id),
                4 => story.engine.record_proxy_drain(id),
                5 => story.engine.record_peer_exchange(id),
                6 => story.engine.set_upstream_host(id, host),
                7 => {
                    story.engine.closed(id);
                }
                8 => {
                    let request = SelectionRequest {
                        mode,
                        ..selection(3.0)
                    };
                    story.select(request, chance);
                }
                9 => {
                    story.engine.take_sample(chance & 0x1_0000 == 0);
                }
                10..=12 => story.pass(TICK),
                13..=15 => story.read(id, step / 100, active),
                _ => {
                    story.write(id, step / 100, active, DrainPoint::ResponseHead);
                }
            }
            if step % 50 == 0 {
                let sample = story.engine.take_sample(true);
                let [load, leaving, drained] = story.engine.recount();
                for (found, expected) in [
                    (sample.load, load),
                    (
                        sample.selected.enforced.plus(sample.selected.dry_run),
                        leaving,
                    ),
                    (sample.dry_run_drained, drained),
                ] {
                    assert_eq!(
                        (found.connections, found.active),
                        (expected.connections, expected.active),
                        "{step}"
                    );
                }
            }
        }
        let effects = story.effects();
        let is_selected =
            |effect: &Effect| matches!(effect, Effect::DrainPending(_, DrainReason::Rebalance));
        assert!(effects.iter().any(is_selected));
    }
}
