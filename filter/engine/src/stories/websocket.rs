//! WebSockets: when they are drained with a Close frame, and when they are closed without one.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const PUSH: DrainPoint = DrainPoint::Message {
    is_response: false,
    awaits_response: false,
};
const RESPONSE: DrainPoint = DrainPoint::Message {
    is_response: true,
    awaits_response: false,
};
/// A PING while the client awaits a response.
const PING: DrainPoint = DrainPoint::Message {
    is_response: false,
    awaits_response: true,
};

/// A WebSocket that expires after ten seconds, with these further settings of its rule.
fn open(more: Value) -> (Story, ConnectionId) {
    let rule = json!({"max_connection_age": "10s", "websocket": {"close_code": "going_away"}});
    let mut story = Story::rule(merge(rule, more));
    let id = story.open_websocket(1);
    (story, id)
}

fn write(story: &mut Story, id: ConnectionId, point: DrainPoint) -> Decision {
    story.write(id, 0, 1, point)
}

#[test]
fn silent_client_is_drained_after_an_unsolicited_message() {
    let (mut story, id) = open(json!({}));
    story.at(9);
    assert_eq!(write(&mut story, id, PUSH), PASS);
    story.at(10);
    assert_eq!(write(&mut story, id, PUSH), DRAIN_BY_AGE);
}

#[test]
fn active_client_is_drained_after_idle_time() {
    let (mut story, id) = open(json!({"websocket": {"idle_time": "2s"}}));
    story.at(20);
    story.send_message(id);
    story.at(21);
    assert_eq!(write(&mut story, id, PING), PASS);
    assert_eq!(write(&mut story, id, PUSH), PASS);
    story.at(22);
    assert_eq!(write(&mut story, id, PING), DRAIN_BY_AGE);
}

#[test]
fn response_is_no_safe_point() {
    let (mut story, id) = open(json!({"websocket": {"idle_time": "2s"}}));
    story.send_message(id);
    story.at(3600);
    assert_eq!(write(&mut story, id, RESPONSE), PASS);
    assert_eq!(write(&mut story, id, PUSH), DRAIN_BY_AGE);
}

#[test]
fn drain_timeout_defers_or_drains_by_when_active() {
    for (when_active, expected) in [("defer", PASS), ("drain", DRAIN_BY_AGE)] {
        let (mut story, id) =
            open(json!({"websocket": {"when_active": when_active}, "drain_timeout": "30s"}));
        story.at(39);
        story.send_message(id);
        assert_eq!(write(&mut story, id, RESPONSE), PASS);
        story.at(40);
        story.send_message(id);
        assert_eq!(write(&mut story, id, PING), PASS);
        assert_eq!(write(&mut story, id, PING), PASS);
        assert_eq!(write(&mut story, id, RESPONSE), expected);
        let put_off = |effect: &&Effect| matches!(effect, Effect::Deferred(..));
        assert_eq!(story.effects().iter().filter(put_off).count(), 1);
    }
}

#[test]
fn close_frames_may_take_ten_seconds_or_the_drain_timeout() {
    for (more, seconds) in [(json!({}), 10), (json!({"drain_timeout": "3s"}), 3)] {
        let (mut story, id) = open(more);
        story.at(10);
        write(&mut story, id, PUSH);
        story.effects();
        story.at(10 + seconds - 1);
        assert_eq!(story.effects(), []);
        story.at(10 + seconds);
        let (reason, aborted) = (DrainReason::MaxConnectionAge, 1);
        assert_eq!(story.effects(), [close(id, reason, aborted)]);
    }
}

#[test]
fn connection_is_closed_after_both_close_frames_and_close_delay() {
    let (mut story, id) = open(json!({}));
    story.at(10);
    write(&mut story, id, PUSH);
    story.effects();
    story.read(id, 0, 0);
    story.at(11);
    let (reason, aborted) = (DrainReason::MaxConnectionAge, 0);
    assert_eq!(story.effects(), [close(id, reason, aborted)]);
}

#[test]
fn requests_do_not_count() {
    let (mut story, id) = Story::rule(
        json!({"max_connection_age": "off", "max_requests_per_connection": 1, "websocket": {"close_code": "going_away"}}),
    ).with_connection();
    story.read(id, 1, 1);
    story.engine.wrote(
        id,
        &activity(1, 1),
        || None,
        |_| None,
        &mut Store::default(),
    );
    assert!(story.engine.upgrade_to_websocket(id));
    story.at(3600);
    assert_eq!(write(&mut story, id, PUSH), PASS);
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::NotDrained),
        "the request limit was that of HTTP"
    );
}

#[test]
fn websocket_is_left_alone_without_a_close_code() {
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "10s", "websocket": {"idle_timeout": "1s"}}))
            .with_connection();
    assert!(!story.engine.upgrade_to_websocket(id));
}

#[test]
fn changed_policy_without_a_close_code_leaves_open_websockets_alone() {
    let (mut story, id) = open(json!({"websocket": {"idle_timeout": "1s"}}));
    story.at(10);
    let off = Story::rule(json!({"max_connection_age": "10s"})).defaults();
    story.replace_rule(&off);
    story.at(3600);
    assert_eq!(write(&mut story, id, PUSH), PASS);
    assert_eq!(story.effects(), [expired(id)]);
}

#[test]
fn silent_websocket_is_closed_only_after_idle_timeout() {
    let (mut story, id) = open(json!({}));
    story.at(3600);
    assert_eq!(story.effects(), [expired(id)]);

    let (mut story, id) = open(json!({"websocket": {"idle_timeout": "60s"}}));
    story.at(40);
    story.read(id, 0, 1);
    story.at(99);
    assert_eq!(story.effects(), [expired(id)]);
    story.at(100);
    let (reason, aborted) = (DrainReason::MaxConnectionAge, 0);
    assert_eq!(
        story.effects(),
        [
            Effect::ClosedWithoutNotice(id, reason),
            close(id, reason, aborted)
        ]
    );
}

#[test]
fn protected_websocket_is_not_closed_before_its_drain_timeout() {
    let policy = json!({"budget": "off",
        "defaults": {"max_connection_age": "10s", "jitter": 0, "websocket": {"close_code": "going_away", "idle_timeout": "5s"}},
        "routes": [
            {"name": "call", "match": {"path_prefix": "/a"}, "protect": true, "drain_timeout": "60s"},
            {"name": "long", "match": {"path_prefix": "/b"}, "protect": true}]});
    for (name, closes) in [("call", true), ("long", false)] {
        let (mut story, id) = Story::new(policy.clone()).with_connection();
        let rule = story.start_request(id, name);
        assert!(story.engine.upgrade_to_websocket(id));
        story.at(69);
        assert_eq!(story.effects(), [expired(id)]);
        story.at(3600);
        assert_eq!(story.effects().is_empty(), !closes, "{name}");
        story.engine.request_ended(id, &rule);
        story.at(3601);
        let end = ConnectionEnd::ClosedByEngine(DrainReason::MaxConnectionAge);
        assert_eq!(story.engine.closed(id), Some(end), "{name}");
    }
}

#[test]
fn silent_close_takes_a_token_and_is_counted_in_dry_run() {
    let policy = json!({"budget": {"per_second": 0.001, "burst": 1},
        "defaults": {"max_connection_age": "10s", "jitter": 0, "websocket": {"close_code": "going_away", "idle_timeout": "5s"}}});
    let mut story = Story::new(policy.clone());
    story.open_websocket(1);
    story.open_websocket(2);
    story.at(600);
    let effects = story.effects();
    let count =
        |is_counted: fn(&Effect) -> bool| effects.iter().filter(|it| is_counted(it)).count();
    assert_eq!(count(is_close), 1);
    assert_eq!(count(|it| matches!(it, Effect::BudgetExhausted(_))), 1);

    let mut story = Story::new(merge(policy, json!({"mode": "dry_run"})));
    let id = story.open_websocket(1);
    story.at(16);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(
        story.effects(),
        [expired(id), Effect::DryRunDrain(id, reason)]
    );
}
