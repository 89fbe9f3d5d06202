//! What a sample wants to go while a search of many connections is under way.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use evenkeel_policy::Measure;

use super::*;
use crate::hosts::UpstreamHostId;
use crate::{SelectionRequest, SelectionScope};

/// A search takes a slice of 4,096 with each tick: three ticks.
const MANY: u64 = 12_000;

/// Raw TCP connections, of which the first 8,000 stay with the first host and the others with the second.
fn gateway() -> (Story, [UpstreamHostId; 2]) {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}],
            "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"}}"#,
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

fn wanted(among: SelectionScope) -> SelectionRequest {
    SelectionRequest {
        measure: Measure::Connections,
        load: 10.0,
        scope: among,
        reason: DrainReason::Rebalance,
        mode: Mode::Enforce,
    }
}

/// How many have been selected since this was last asked.
fn selected(story: &mut Story) -> usize {
    let effects = story.effects().into_iter();
    let selected =
        effects.filter(|effect| matches!(effect, Effect::DrainPending(_, DrainReason::Rebalance)));
    selected.count()
}

#[test]
fn no_connection_is_selected_for_a_host_that_is_overloaded_no_longer() {
    let (mut story, hosts) = gateway();
    let rebalance = story.policy.rebalance.unwrap();
    for second in 1..=3 {
        story.at(second);
        story.engine.take_sample(true);
        story.compare_hosts(&rebalance, second);
    }
    assert_eq!(selected(&mut story), 0, "the search has just begun");
    // Before it ends, a quarter of them have reconnected and are even.
    for id in 0..2000 {
        story.engine.set_upstream_host(ConnectionId(id), hosts[1]);
    }
    story.engine.take_sample(true);
    assert!(!story.compare_hosts(&rebalance, 4));

    story.pass(Duration::from_secs(5));

    assert_eq!(selected(&mut story), 0);
}

#[test]
fn demand_that_each_sample_confirms_is_served() {
    let (mut story, _) = gateway();
    let rebalance = story.policy.rebalance.unwrap();
    for second in 1..=3 {
        story.at(second);
        story.engine.take_sample(true);
        story.compare_hosts(&rebalance, second);
    }
    story.engine.take_sample(true);
    assert!(story.compare_hosts(&rebalance, 4));

    story.pass(Duration::from_millis(300));

    assert!(selected(&mut story) > 0);
}

#[test]
fn demand_of_an_earlier_sample_that_waits_for_a_search_is_dropped() {
    for among in [0, 1, 2] {
        let (mut story, hosts) = gateway();
        let waits = match among {
            0 => SelectionScope::Service,
            host => SelectionScope::Host(hosts[host - 1]),
        };
        let searched = match among {
            1 => SelectionScope::Host(hosts[1]),
            _ => SelectionScope::Host(hosts[0]),
        };
        story.engine.take_sample(true);
        story.engine.request_selection(wanted(searched));
        story.engine.run_selection(|_| true, 1);
        story.engine.request_selection(wanted(waits));
        story.pass(Duration::from_secs(1));
        assert_eq!(selected(&mut story), 10, "those of the search");

        story.engine.take_sample(true);
        story.engine.run_selection(|_| true, 2);
        story.pass(Duration::from_secs(1));

        assert_eq!(selected(&mut story), 0);
    }
}

#[test]
fn search_that_no_sample_confirms_makes_room_for_the_next() {
    let (mut story, hosts) = gateway();
    story.engine.take_sample(true);
    story
        .engine
        .request_selection(wanted(SelectionScope::Host(hosts[0])));
    story.engine.run_selection(|_| true, 1);

    story.engine.take_sample(true);
    story
        .engine
        .request_selection(wanted(SelectionScope::Host(hosts[1])));
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
