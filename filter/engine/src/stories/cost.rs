//! What the sample and rebalancing cost with many connections, counted in connections that are looked at.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use evenkeel_policy::Measure;

use super::*;
use crate::{LoadSample, SelectionRequest, SelectionScope};

/// The most that one tick looks at for a sweep, and for a search.
const SLICE: u64 = 4096;
const MANY: u64 = 100_000;
const TICK: Duration = Duration::from_millis(100);

/// Raw TCP connections to 400 hosts in turn; the first 200 get three times as many.
fn gateway() -> Story {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}],
            "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"}}"#,
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

/// How much `act` looks at.
fn visits(story: &mut Story, act: impl FnOnce(&mut Story)) -> u64 {
    let before = story.engine.visits();
    act(story);
    story.engine.visits() - before
}

#[test]
fn a_sample_looks_at_no_connection_where_rebalancing_needs_no_rates() {
    let mut story = gateway();
    story.engine.track_rates(false);
    let mut looked = LoadSample::default();
    let visits = visits(&mut story, |story| {
        for second in 1..=10 {
            story.at(second);
            looked = story.engine.take_sample(true);
        }
    });
    assert_eq!(visits, 0);
    assert_eq!(looked.load.connections, MANY as f64);
    assert_eq!(looked.total_age, Duration::from_secs(10) * 100_000);
}

#[test]
fn without_a_sweep_the_rates_of_the_worker_are_known_all_the_same() {
    let mut story = Story::rule(r#""max_connection_age": "off""#);
    story.engine.track_rates(false);
    let ids = [1, 2].map(|id| story.open(id));
    for second in 1..=60 {
        story.at(second);
        for id in ids {
            let activity = Activity {
                requests: second * 5,
                active: 0,
                bytes: 100,
                undelivered: 0,
            };
            story.engine.read(id, activity);
        }
        let load = story.engine.take_sample(true).load;
        assert!((load.requests - 10.0).abs() < 1e-6, "{load:?}");
        assert!((load.bytes - 200.0).abs() < 1e-6, "{load:?}");
    }
}

#[test]
fn a_sweep_looks_at_each_connection_once_and_in_slices() {
    let mut story = gateway();
    let mut slices = vec![visits(&mut story, |story| {
        story.engine.take_sample(true);
    })];
    slices.extend((0..30).map(|_| visits(&mut story, |story| story.pass(TICK))));
    assert_eq!(slices.iter().max(), Some(&SLICE));
    assert_eq!(slices.iter().sum::<u64>(), MANY);
}

#[test]
fn one_search_in_slices_serves_all_hosts_with_too_much() {
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

    let mut slices = vec![visits(&mut story, |story| {
        assert!(story.compare_hosts(&rebalance, 3));
    })];
    while story.effects().is_empty() {
        slices.push(visits(&mut story, |story| story.pass(TICK)));
        assert!(slices.len() < 100);
    }

    assert_eq!(slices.iter().max(), Some(&SLICE));
    assert_eq!(slices.iter().sum::<u64>(), MANY, "for 200 hosts together");
    let chosen = story.engine.take_sample(true).selected.enforced;
    // Each of the 200 has 375, a hundred more than 1.1 times the mean.
    assert_eq!(chosen.connections, 200.0 * 100.0);
}

#[test]
fn what_is_wanted_of_a_search_under_way_is_not_chosen_twice() {
    let mut story = Story::rule(r#""max_connection_age": "off""#);
    for id in 0..20_000 {
        let id = story.open(id);
        story.exchange(id, 1);
    }
    let wanted = |load| SelectionRequest {
        measure: Measure::Connections,
        load,
        scope: SelectionScope::Service,
        reason: DrainReason::MeanConnectionAge,
        mode: Mode::Enforce,
    };
    assert_eq!(story.engine.select(&wanted(10.0), |_| true, 1), 0.0);
    assert_eq!(story.engine.select(&wanted(12.0), |_| true, 1), 0.0);
    story.pass(Duration::from_secs(1));
    assert_eq!(story.engine.take_selected(Mode::Enforce), 12.0);
    assert_eq!(story.engine.take_selected(Mode::Enforce), 0.0);
    assert_eq!(story.effects().len(), 12);
}

#[test]
fn whatever_happens_the_totals_are_what_a_recount_finds() {
    for mode in ["enforce", "dry_run"] {
        let mut story = Story::new(&format!(
            r#"{{"version": 1, "mode": "{mode}", "budget": {{"per_second": 5, "burst": 5}},
                "defaults": {{"max_connection_age": "20s", "max_requests_per_connection": 30, "websocket": {{"close_code": "going_away", "idle_timeout": "3s"}}}},
                "tcp": [{{"name": "db", "match": {{"port": 5432}}}}]}}"#
        ));
        let rebalances = story.policy.mode;
        story
            .engine
            .set_drain_rate(rebalances, Measure::Connections, 3.0);
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
                    let wanted = SelectionRequest {
                        measure: Measure::Connections,
                        load: 3.0,
                        scope: SelectionScope::Service,
                        reason: DrainReason::Rebalance,
                        mode: rebalances,
                    };
                    story.engine.select(&wanted, |_| true, chance);
                }
                9 => {
                    story.engine.take_sample(chance & 0x1_0000 == 0);
                }
                10..=12 => story.pass(Duration::from_millis(100)),
                13..=15 => story.read(id, step / 100, active),
                _ => {
                    story.write(id, step / 100, active, DrainPoint::ResponseHead);
                }
            }
            if step % 50 == 0 {
                let looked = story.engine.take_sample(true);
                let [load, leaving, drained] = story.engine.recount();
                for (found, expected) in [
                    (looked.load, load),
                    (
                        looked.selected.enforced.plus(looked.selected.dry_run),
                        leaving,
                    ),
                    (looked.dry_run_drained, drained),
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
        let is_chosen =
            |effect: &Effect| matches!(effect, Effect::DrainPending(_, DrainReason::Rebalance));
        assert!(effects.iter().any(is_chosen));
    }
}
