//! What happens between the drain signal and the close.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::delivery::{MINUTE, NONE};
use super::*;

#[test]
fn connection_is_closed_after_close_delay() {
    let reason = DrainReason::MaxRequestsPerConnection;
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "2s"}))
            .with_connection();
    story.exchange(id, 1);
    story.pass(Duration::from_millis(1900));
    assert_eq!(story.effects(), [Effect::DrainPending(id, reason)]);
    story.pass(Duration::from_millis(200));
    assert_eq!(story.effects(), [close(id, reason, 0)]);
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::ClosedByEngine(reason))
    );
}

#[test]
fn request_in_transit_restarts_close_delay() {
    let reason = DrainReason::MaxRequestsPerConnection;
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "2s"}))
            .with_connection();
    story.exchange(id, 1);
    story.pass(Duration::from_secs(1));
    story.read(id, 2, 1);
    story.pass(Duration::from_secs(60));
    assert_eq!(story.effects(), [Effect::DrainPending(id, reason)]);
    assert_eq!(
        story.write(id, 2, 0, DrainPoint::ResponseHead),
        Decision::RepeatSignal
    );
    story.pass(Duration::from_secs(1));
    assert_eq!(story.effects(), []);
    story.pass(Duration::from_secs(1));
    assert_eq!(story.effects(), [close(id, reason, 0)]);
}

#[test]
fn active_requests_are_aborted_only_after_a_drain_timeout() {
    for (drain_timeout, expected) in [("off", None), ("5s", Some(3))] {
        let (mut story, id) = Story::rule(
            json!({"max_connection_age": "1s", "http2": {"idle_wait": "0s"}, "drain_timeout": drain_timeout}),
        ).with_connection();
        story.at(2);
        story.read(id, 3, 3);
        assert_eq!(story.write(id, 3, 3, active(ANY_TIME)), DRAIN_BY_AGE);
        story.pass(Duration::from_millis(4900));
        assert_eq!(story.effects(), [expired(id)]);
        story.pass(Duration::from_secs(3600));
        let reason = DrainReason::MaxConnectionAge;
        let closes = expected.map(|aborted| close(id, reason, aborted));
        let closes: Vec<_> = closes.into_iter().collect();
        assert_eq!(story.effects(), closes);
    }
}

/// A draining connection under the rule `five`, with an active request under each of these rules.
fn draining(rules: &[&str]) -> (Story, ConnectionId) {
    let (mut story, id) = Story::new(json!({"budget": "off",
    "defaults": {"max_connection_age": "1s", "jitter": 0, "http2": {"idle_wait": "0s"}, "drain_timeout": "2s"},
    "routes": [{"name": "long", "match": {"path_prefix": "/long"}, "drain_timeout": "off"},
               {"name": "five", "match": {"path_prefix": "/five"}, "drain_timeout": "5s"},
               {"name": "events", "match": {"path_prefix": "/events"}, "protect": true, "drain_timeout": "9s"}]})).with_connection();
    for name in rules.iter().copied().chain(["five"]) {
        let rule = story.route(name);
        story.engine.apply_rule(id, &rule);
        if rules.contains(&name) {
            story.engine.request_started(id, &rule);
        }
    }
    story.at(2);
    let requests = u32::try_from(rules.len()).unwrap();
    story.read_undelivered(id, 3, requests, 0);
    story.engine.tick(32, |_| None, &mut Store::default());
    let decision = story.write_undelivered(id, 3, requests, 0, Some(active(ANY_TIME)));
    assert_eq!(decision, DRAIN_BY_AGE);
    (story, id)
}

#[test]
fn open_requests_keep_their_own_drain_timeouts() {
    let (mut story, id) = draining(&["long", "five"]);
    story.pass(MINUTE);
    assert_eq!(story.aborted(), NONE, "one of them has no timeout");

    let long = story.route("long");
    story.engine.request_ended(id, &long);
    story.read_undelivered(id, 3, 1, 0);
    story.pass(Duration::from_millis(100));
    assert_eq!(story.aborted(), [1]);

    let (mut story, id) = draining(&["five"]);
    story.read_undelivered(id, 3, 1, 0);
    story.pass(Duration::from_millis(4900));
    assert_eq!(story.aborted(), NONE);
    story.pass(Duration::from_millis(200));
    assert_eq!(story.aborted(), [1]);
}

#[test]
fn request_in_transit_extends_the_drain_and_never_shortens_it() {
    let (mut story, id) = draining(&["five"]);
    let events = story.route("events");
    story.engine.apply_rule(id, &events);
    story.engine.request_started(id, &events);
    story.read_undelivered(id, 4, 2, 0);
    story.pass(Duration::from_millis(8900));
    assert_eq!(story.aborted(), NONE);
    story.pass(Duration::from_millis(200));
    assert_eq!(story.aborted(), [2]);

    let (mut story, id) = draining(&["five"]);
    let short = story.defaults();
    story.engine.apply_rule(id, &short);
    story.engine.request_started(id, &short);
    story.read_undelivered(id, 4, 2, 0);
    story.pass(Duration::from_millis(4900));
    assert_eq!(story.aborted(), NONE);
}
