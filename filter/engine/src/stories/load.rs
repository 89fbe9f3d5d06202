//! What connections count as while they are drained, bypassed, or only observed.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::Load;

const RULE: &str = r#""max_connection_age": "10s", "http2": {"idle_wait": "0s"}"#;

/// A connection with two streams, on each of which a hundred bytes come in a second.
fn flow(story: &mut Story, id: ConnectionId, seconds: u64) {
    for _ in 0..seconds {
        let activity = Activity {
            requests: 2,
            active: 2,
            bytes: 200,
            undelivered: 0,
        };
        story.engine.read(id, activity);
        story.pass(Duration::from_secs(1));
        story.engine.take_sample(true);
    }
}

fn is_about(load: Load, connections: f64, active: f64, bytes: f64) {
    assert_eq!((load.connections, load.active), (connections, active));
    assert!((load.bytes - bytes).abs() < 1e-3, "{load:?}");
}

#[test]
fn a_bypassed_connection_has_no_active_request() {
    let mut story = Story::rule(RULE);
    let id = story.open(1);
    story.read(id, 1, 1);
    assert_eq!(story.engine.take_sample(true).load.active, 1.0);

    story.engine.bypass(id);

    let load = story.engine.take_sample(true).load;
    assert_eq!((load.connections, load.active), (1.0, 0.0));
}

#[test]
fn a_draining_connection_counts_what_is_in_flight_and_no_connection() {
    let mut story = Story::rule(RULE);
    let id = story.open(1);
    flow(&mut story, id, 11);
    let decision = story.write(id, 2, 2, active(ANY_TIME));
    assert_eq!(decision, Decision::Drain(DrainReason::MaxConnectionAge));

    flow(&mut story, id, 1);

    let looked = story.engine.take_sample(true);
    is_about(looked.load, 0.0, 2.0, 200.0);
    assert_eq!(
        looked.selected.enforced, looked.load,
        "it is not to be chosen again"
    );
}

#[test]
fn a_connection_that_the_proxy_drains_is_not_counted_again() {
    let mut story = Story::rule(RULE);
    let id = story.open(1);
    flow(&mut story, id, 1);

    story.engine.record_proxy_drain(id);
    flow(&mut story, id, 20);

    let looked = story.engine.take_sample(true);
    is_about(looked.load, 0.0, 2.0, 200.0);
    assert_eq!(looked.selected.enforced, looked.load);
    assert_eq!(story.effects(), [], "it is not drained a second time");
    assert_eq!(story.engine.closed(id), Some(ConnectionEnd::NotDrained));
}

#[test]
fn a_connection_that_is_draining_stays_so_when_the_proxy_drains_it_too() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "1s""#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.engine.record_proxy_drain(id);
    story.at(2);
    let reason = DrainReason::MaxRequestsPerConnection;
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::ClosedByEngine(reason))
    );
}

#[test]
fn a_dry_run_leaves_the_age_of_a_connection_as_it_is() {
    let policy = r#"{"version": 1, "mode": "dry_run", "budget": "off",
        "defaults": {"max_connection_age": "10s", "jitter": 0}}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    for second in 1..=60 {
        story.at(second);
        story.exchange(id, second);
    }
    let observed = |effect: &&Effect| matches!(effect, Effect::DryRunDrain(..));
    assert_eq!(story.effects().iter().filter(observed).count(), 6);
    assert_eq!(
        story.engine.take_sample(true).total_age,
        Duration::from_secs(60)
    );
}
