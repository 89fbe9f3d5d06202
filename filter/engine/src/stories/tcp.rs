//! Raw TCP: no announcement, only a close at rest.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const POSTGRES: &str = r#"{"version": 1, "budget": "off", "tcp": [
    {"name": "postgres", "match": {"port": 5432}, "max_connection_age": "60s", "jitter": 0, "idle_time": "2s", "drain_timeout": "30s"}]}"#;

impl Story {
    /// A question and its answer over TCP.
    fn talk(&mut self, id: ConnectionId) {
        self.read(id, 0, 0);
        self.answer(id);
    }

    fn answer(&mut self, id: ConnectionId) {
        let now = self.engine.now().after(Duration::from_millis(1));
        self.engine.advance(now);
        self.engine
            .wrote(id, Activity::default(), None, None, &mut self.map);
    }
}

#[test]
fn a_tcp_connection_past_its_age_is_closed_at_rest_after_an_answer() {
    let mut story = Story::new(POSTGRES);
    let id = story.open_tcp(1);
    for second in 1..=65 {
        story.at(second);
        story.talk(id);
    }
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
    story.at(66);
    assert_eq!(story.effects(), []);
    story.at(68);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason,
            aborted: 0
        }]
    );
}

#[test]
fn a_tcp_connection_that_falls_due_in_a_pause_waits_for_the_next_answer() {
    let mut story = Story::new(POSTGRES);
    let id = story.open_tcp(1);
    story.at(50);
    story.talk(id);
    story.at(80);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
    story.read(id, 0, 0);
    story.at(85);
    assert_eq!(story.effects(), [], "a question is open");
    story.answer(id);
    story.at(88);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason,
            aborted: 0
        }]
    );
}

#[test]
fn a_tcp_connection_that_is_idle_is_closed_when_its_grace_is_over() {
    for drain_timeout in ["30s", "off"] {
        let mut story = Story::new(&POSTGRES.replace("30s", drain_timeout));
        let id = story.open_tcp(1);
        story.at(89);
        assert_eq!(
            story.effects(),
            [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
        );
        story.at(91);
        let reason = DrainReason::MaxConnectionAge;
        assert_eq!(
            story.effects(),
            [Effect::Close {
                id,
                reason,
                aborted: 0
            }]
        );
    }
}

#[test]
fn a_tcp_connection_that_never_rests_is_cut_after_its_grace_and_never_without_one() {
    for (drain_timeout, aborted) in [("30s", Some(1)), ("off", None)] {
        let mut story = Story::new(&POSTGRES.replace("30s", drain_timeout));
        let id = story.open_tcp(1);
        for second in 1..=89 {
            story.at(second);
            story.talk(id);
        }
        assert_eq!(
            story.effects(),
            [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
        );
        story.read(id, 0, 0);
        story.pass(Duration::from_secs(60));
        let reason = DrainReason::MaxConnectionAge;
        let closes: Vec<_> = aborted
            .map(|aborted| Effect::Close {
                id,
                reason,
                aborted,
            })
            .into_iter()
            .collect();
        assert_eq!(story.effects(), closes);
    }
}

#[test]
fn a_tcp_connection_without_a_rule_and_one_that_is_not_understood_are_left_alone() {
    let mut story = Story::rule(r#""max_connection_age": "1s", "drain_timeout": "1s""#);
    let tcp = story.open_tcp(1);
    let opaque = story.open(2);
    story.engine.bypass(opaque);
    story.at(3600);
    assert_eq!(story.exchange(opaque, 1), Decision::PassThrough);
    assert_eq!(story.effects(), []);
    assert_eq!(
        (story.engine.closed(tcp), story.engine.closed(opaque)),
        (
            Some(ConnectionEnd::NotDrained),
            Some(ConnectionEnd::NotDrained)
        )
    );
}

#[test]
fn a_tick_closes_no_more_than_it_may_and_the_next_one_goes_on() {
    let mut story = Story::new(POSTGRES);
    for id in 0..100 {
        story.open_tcp(id);
    }
    story.at(89);
    story.effects();
    story.at(90);
    let first = story
        .effects()
        .iter()
        .filter(|effect| matches!(effect, Effect::Close { .. }))
        .count();
    assert_eq!(first, 32);
    let mut closed = Vec::new();
    for _ in 0..5 {
        story.pass(Duration::from_millis(100));
        closed.push(
            story
                .effects()
                .iter()
                .filter(|effect| matches!(effect, Effect::Close { .. }))
                .count(),
        );
    }
    assert_eq!(closed, [32, 32, 4, 0, 0]);
}
