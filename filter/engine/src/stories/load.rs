//! The load of connections that drain, that are bypassed, or that a dry run would have drained.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::Load;

fn story() -> Story {
    Story::rule(json!({"max_connection_age": "10s", "http2": {"idle_wait": "0s"}}))
}

/// Two streams carry a hundred bytes a second each.
fn send(story: &mut Story, id: ConnectionId, seconds: u64) {
    for _ in 0..seconds {
        let activity = Activity {
            requests: 2,
            active: 2,
            bytes: 200,
            ..Activity::default()
        };
        story.engine.read(id, &activity);
        story.pass(Duration::from_secs(1));
        story.engine.take_sample(true);
    }
}

fn assert_load(load: Load, connections: f64, active: f64, bytes: f64) {
    assert_eq!((load.connections, load.active), (connections, active));
    assert!((load.bytes - bytes).abs() < 1e-3, "{load:?}");
}

#[test]
fn bypassed_connection_has_no_active_request() {
    let mut story = story();
    let id = story.open(1);
    story.read(id, 1, 1);
    assert_eq!(story.engine.take_sample(true).load.active, 1.0);

    story.engine.bypass(id);

    let load = story.engine.take_sample(true).load;
    assert_eq!((load.connections, load.active), (1.0, 0.0));
}

#[test]
fn draining_connection_counts_only_its_active_requests() {
    let mut story = story();
    let id = story.open(1);
    send(&mut story, id, 11);
    let decision = story.write(id, 2, 2, active(ANY_TIME));
    assert_eq!(decision, DRAIN_BY_AGE);

    send(&mut story, id, 1);

    let sample = story.engine.take_sample(true);
    assert_load(sample.load, 0.0, 2.0, 200.0);
    assert_eq!(
        sample.selected.enforced, sample.load,
        "it must not be selected again"
    );
}

#[test]
fn connection_drained_by_the_proxy_counts_only_its_active_requests() {
    let mut story = story();
    let id = story.open(1);
    send(&mut story, id, 1);

    story.engine.record_proxy_drain(id);
    send(&mut story, id, 20);

    let sample = story.engine.take_sample(true);
    assert_load(sample.load, 0.0, 2.0, 200.0);
    assert_eq!(sample.selected.enforced, sample.load);
    assert_eq!(story.effects(), [], "it is not drained a second time");
    assert_eq!(story.engine.closed(id), Some(ConnectionEnd::NotDrained));
}

#[test]
fn drain_by_the_proxy_does_not_end_a_drain() {
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "1s"}))
            .with_connection();
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
fn dry_run_does_not_change_the_total_age() {
    let policy = json!({"mode": "dry_run", "budget": "off",
        "defaults": {"max_connection_age": "10s", "jitter": 0}});
    let (mut story, id) = Story::new(policy).with_connection();
    for second in 1..=60 {
        story.at(second);
        story.exchange(id, second);
    }
    assert_eq!(story.count(is_dry_run), 6);
    assert_eq!(
        story.engine.take_sample(true).total_age,
        Duration::from_secs(60)
    );
}
