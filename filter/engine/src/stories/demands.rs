//! Requests for selections while a search of many connections is under way.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::hosts::UpstreamHostId;

/// A search takes a slice of 4,096 with each tick: three ticks.
const MANY: u64 = 12_000;

/// Raw TCP connections, of which the first 8,000 stay with the first host and the others with the second.
fn gateway() -> (Story, [UpstreamHostId; 2]) {
    let mut story = Story::new(
        json!({"budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}],
            "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"}}),
    );
    let hosts = [1, 2].map(|host| story.engine.find_upstream_host(b"db", &[host]).unwrap());
    for id in 0..MANY {
        let opened = story.open_tcp(id);
        let host = hosts[usize::from(id >= 8000)];
        story.engine.set_upstream_host(opened, host);
    }
    story.engine.track_rates(false);
    (story, hosts)
}

fn ten_of(scope: SelectionScope) -> SelectionRequest {
    SelectionRequest {
        scope,
        ..selection(10.0)
    }
}

/// Three samples of a gateway whose first host is overloaded.
fn sample_three_times(story: &mut Story) {
    for second in 1..=3 {
        story.at(second);
        sample(story, second);
    }
}

fn sample(story: &mut Story, seed: u64) -> bool {
    let rebalance = story.policy.rebalance.unwrap();
    story.engine.take_sample(true);
    story.compare_hosts(&rebalance, seed)
}

fn is_selected(effect: &Effect) -> bool {
    matches!(effect, Effect::DrainPending(_, DrainReason::Rebalance))
}

#[test]
fn host_that_is_no_longer_overloaded_gets_no_selection() {
    let (mut story, hosts) = gateway();
    sample_three_times(&mut story);
    assert_eq!(story.count(is_selected), 0, "the search has just started");
    // Before it ends, a quarter of the connections have moved to the other host.
    for id in 0..2000 {
        story.engine.set_upstream_host(ConnectionId(id), hosts[1]);
    }
    assert!(!sample(&mut story, 4));

    story.pass(Duration::from_secs(5));

    assert_eq!(story.count(is_selected), 0);
}

#[test]
fn request_confirmed_by_each_sample_is_served() {
    let (mut story, _) = gateway();
    sample_three_times(&mut story);
    assert!(sample(&mut story, 4));

    story.pass(Duration::from_millis(300));

    assert!(story.count(is_selected) > 0);
}

#[test]
fn unconfirmed_request_that_waits_for_a_search_is_dropped() {
    for case in [0, 1, 2] {
        let (mut story, hosts) = gateway();
        let waits = match case {
            0 => SelectionScope::Service,
            host => SelectionScope::Host(hosts[host - 1]),
        };
        let searched = match case {
            1 => SelectionScope::Host(hosts[1]),
            _ => SelectionScope::Host(hosts[0]),
        };
        story.engine.take_sample(true);
        story.engine.request_selection(ten_of(searched));
        story.engine.run_selection(|_| true, 1);
        story.engine.request_selection(ten_of(waits));
        story.pass(Duration::from_secs(1));
        assert_eq!(story.count(is_selected), 10, "those of the search");

        story.engine.take_sample(true);
        story.engine.run_selection(|_| true, 2);
        story.pass(Duration::from_secs(1));

        assert_eq!(story.count(is_selected), 0);
    }
}

#[test]
fn unconfirmed_search_is_dropped_for_the_next() {
    let (mut story, hosts) = gateway();
    story.engine.take_sample(true);
    story
        .engine
        .request_selection(ten_of(SelectionScope::Host(hosts[0])));
    story.engine.run_selection(|_| true, 1);

    story.engine.take_sample(true);
    story
        .engine
        .request_selection(ten_of(SelectionScope::Host(hosts[1])));
    story.engine.run_selection(|_| true, 2);
    story.pass(Duration::from_millis(300));

    let effects = story.effects();
    assert_eq!(effects.len(), 10);
    let is_of_second = |effect: &Effect| {
        matches!(
            effect,
            Effect::DrainPending(ConnectionId(8000..), DrainReason::Rebalance)
        )
    };
    assert!(effects.iter().all(is_of_second), "{effects:?}");
}
