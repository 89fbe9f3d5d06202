//! Raw TCP: connections are closed when they are idle.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::DeferReason;

fn postgres(drain_timeout: &str) -> Story {
    Story::new(
        json!({"budget": "off", "tcp": [{"name": "postgres", "match": {"port": 5432},
        "max_connection_age": "60s", "jitter": 0, "idle_time": "2s", "drain_timeout": drain_timeout}]}),
    )
}

impl Story {
    fn respond_tcp(&mut self, id: ConnectionId) {
        self.advance(Duration::from_millis(1));
        self.write_no_point(id, 0, 0);
    }

    fn talk(&mut self, id: ConnectionId) {
        self.read(id, 0, 0);
        self.respond_tcp(id);
    }
}

#[test]
fn expired_connection_is_closed_when_idle_after_a_response() {
    let mut story = postgres("30s");
    let id = story.open_tcp(1);
    for second in 1..=65 {
        story.at(second);
        story.talk(id);
    }
    assert_eq!(story.effects(), [expired(id)]);
    story.at(66);
    assert_eq!(story.effects(), []);
    story.at(68);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(story.effects(), [close(id, reason, 0)]);
}

#[test]
fn connection_that_expires_in_a_pause_waits_for_the_next_response() {
    let mut story = postgres("30s");
    let id = story.open_tcp(1);
    story.at(50);
    story.talk(id);
    story.at(80);
    assert_eq!(story.effects(), [expired(id)]);
    story.read(id, 0, 0);
    story.at(85);
    assert_eq!(story.effects(), [], "a request is active");
    story.respond_tcp(id);
    story.at(88);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(story.effects(), [close(id, reason, 0)]);
}

#[test]
fn silent_connection_is_closed_after_the_drain_timeout() {
    for drain_timeout in ["30s", "off"] {
        let mut story = postgres(drain_timeout);
        let id = story.open_tcp(1);
        story.at(89);
        assert_eq!(story.effects(), [expired(id)]);
        story.at(91);
        let reason = DrainReason::MaxConnectionAge;
        assert_eq!(story.effects(), [close(id, reason, 0)]);
    }
}

#[test]
fn active_connection_is_aborted_only_after_a_drain_timeout() {
    let id = ConnectionId(1);
    let not_idle = Effect::Deferred(id, DeferReason::NotIdle);
    let aborted = close(id, DrainReason::MaxConnectionAge, 1);
    for (drain_timeout, effect) in [("30s", aborted), ("off", not_idle)] {
        let mut story = postgres(drain_timeout);
        let id = story.open_tcp(1);
        for second in 1..=89 {
            story.at(second);
            story.talk(id);
        }
        assert_eq!(story.effects(), [expired(id)]);
        story.read(id, 0, 0);
        story.pass(Duration::from_secs(60));
        assert_eq!(story.effects(), [effect]);
    }
}

#[test]
fn rule_may_defer_the_drain_of_an_active_connection() {
    let rule = json!({"name": "raw", "match": {"port": 5432}, "protocol": "raw", "when_active": "defer",
        "max_connection_age": "60s", "jitter": 0});
    let mut story = Story::new(json!({"budget": "off", "tcp": [rule]}));
    let id = story.open_tcp(1);
    story.at(89);
    assert_eq!(story.effects(), [expired(id)]);
    story.read(id, 0, 0);
    story.at(600);
    assert_eq!(
        story.effects(),
        [Effect::Deferred(id, DeferReason::NotIdle)]
    );
    story.respond_tcp(id);
    story.at(603);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(story.effects(), [close(id, reason, 0)]);
}

#[test]
fn connection_without_rule_or_bypassed_is_left_alone() {
    let mut story = Story::rule(json!({"max_connection_age": "1s", "drain_timeout": "1s"}));
    let tcp = story.open_tcp(1);
    let bypassed = story.open(2);
    story.engine.bypass(bypassed);
    story.at(3600);
    assert_eq!(story.exchange(bypassed, 1), PASS);
    assert_eq!(story.effects(), []);
    assert_eq!(
        (story.engine.closed(tcp), story.engine.closed(bypassed)),
        (
            Some(ConnectionEnd::NotDrained),
            Some(ConnectionEnd::NotDrained)
        )
    );
}

#[test]
fn closes_in_a_tick_are_bounded() {
    let mut story = postgres("30s");
    for id in 0..100 {
        story.open_tcp(id);
    }
    story.at(89);
    story.effects();
    story.at(90);
    let first = story.count(is_close);
    assert_eq!(first, 32);
    let mut closed = Vec::new();
    for _ in 0..5 {
        story.pass(Duration::from_millis(100));
        closed.push(story.count(is_close));
    }
    assert_eq!(closed, [32, 32, 4, 0, 0]);
}
