//! WebSockets: when one is told, and when one is closed without a word.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const PUSH: DrainPoint = DrainPoint::Message {
    is_response: false,
    awaits_response: false,
};
const ANSWER: DrainPoint = DrainPoint::Message {
    is_response: true,
    awaits_response: false,
};
/// A PING while the client waits for an answer.
const PING: DrainPoint = DrainPoint::Message {
    is_response: false,
    awaits_response: true,
};

/// One that is due after ten seconds.
/// Opens a WebSocket; `websocket` has further settings of that key.
fn open(websocket: &str) -> (Story, ConnectionId) {
    open_under(websocket, "")
}

/// Opens a WebSocket; `rule` has further settings of its rule.
fn open_under(websocket: &str, rule: &str) -> (Story, ConnectionId) {
    let rule = format!(
        r#""max_connection_age": "10s", "websocket": {{"close_code": "going_away"{websocket}}}{rule}"#
    );
    let mut story = Story::rule(&rule);
    let id = story.open(1);
    assert!(story.engine.upgrade_to_websocket(id));
    (story, id)
}

fn write(story: &mut Story, id: ConnectionId, point: DrainPoint) -> Decision {
    story.write(id, 0, 1, point)
}

#[test]
fn a_client_that_is_silent_is_told_with_what_the_server_says_unasked() {
    let (mut story, id) = open("");
    story.at(9);
    assert_eq!(write(&mut story, id, PUSH), Decision::PassThrough);
    story.at(10);
    assert_eq!(
        write(&mut story, id, PUSH),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn a_client_that_talks_is_told_when_it_has_been_silent_for_quiet_wait() {
    let (mut story, id) = open(r#", "idle_time": "2s""#);
    story.at(20);
    story.engine.record_client_message(id);
    story.at(21);
    assert_eq!(write(&mut story, id, PING), Decision::PassThrough);
    assert_eq!(write(&mut story, id, PUSH), Decision::PassThrough);
    story.at(22);
    assert_eq!(
        write(&mut story, id, PING),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn an_answer_is_no_good_moment_however_long_it_took() {
    let (mut story, id) = open(r#", "idle_time": "2s""#);
    story.engine.record_client_message(id);
    story.at(3600);
    assert_eq!(write(&mut story, id, ANSWER), Decision::PassThrough);
    assert_eq!(
        write(&mut story, id, PUSH),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn past_its_grace_one_is_put_off_once_or_told_where_nothing_is_owed() {
    for (busy, expected) in [
        ("defer", Decision::PassThrough),
        ("drain", Decision::Drain(DrainReason::MaxConnectionAge)),
    ] {
        let (mut story, id) = open_under(
            &format!(r#", "when_active": "{busy}""#),
            r#", "drain_timeout": "30s""#,
        );
        story.at(39);
        story.engine.record_client_message(id);
        assert_eq!(write(&mut story, id, ANSWER), Decision::PassThrough);
        story.at(40);
        story.engine.record_client_message(id);
        assert_eq!(write(&mut story, id, PING), Decision::PassThrough);
        assert_eq!(write(&mut story, id, PING), Decision::PassThrough);
        assert_eq!(write(&mut story, id, ANSWER), expected);
        let put_off = |effect: &&Effect| matches!(effect, Effect::Deferred(_));
        assert_eq!(story.effects().iter().filter(put_off).count(), 1);
    }
}

#[test]
fn both_closes_are_waited_for_ten_seconds_unless_the_rule_says_how_long() {
    for (more, seconds) in [("", 10), (r#", "drain_timeout": "3s""#, 3)] {
        let (mut story, id) = open_under("", more);
        story.at(10);
        write(&mut story, id, PUSH);
        story.effects();
        story.at(10 + seconds - 1);
        assert_eq!(story.effects(), []);
        story.at(10 + seconds);
        let (reason, aborted) = (DrainReason::MaxConnectionAge, 1);
        assert_eq!(
            story.effects(),
            [Effect::Close {
                id,
                reason,
                aborted
            }]
        );
    }
}

#[test]
fn when_both_sides_have_said_close_the_client_is_given_the_linger() {
    let (mut story, id) = open("");
    story.at(10);
    write(&mut story, id, PUSH);
    story.effects();
    story.read(id, 0, 0);
    story.at(11);
    let (reason, aborted) = (DrainReason::MaxConnectionAge, 0);
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason,
            aborted
        }]
    );
}

#[test]
fn requests_are_not_counted_on_it() {
    let mut story = Story::rule(
        r#""max_connection_age": "off", "max_requests_per_connection": 1, "websocket": {"close_code": "going_away"}"#,
    );
    let id = story.open(1);
    story.read(id, 1, 1);
    story
        .engine
        .wrote(id, activity(1, 1), None, None, &mut Map::default());
    assert!(story.engine.upgrade_to_websocket(id));
    story.at(3600);
    assert_eq!(write(&mut story, id, PUSH), Decision::PassThrough);
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::NotDrained),
        "what it was due for was not its own"
    );
}

#[test]
fn a_rule_that_says_nothing_of_them_leaves_them_alone() {
    let mut story =
        Story::rule(r#""max_connection_age": "10s", "websocket": {"idle_timeout": "1s"}"#);
    let id = story.open(1);
    assert!(!story.engine.upgrade_to_websocket(id));
}

#[test]
fn a_policy_that_says_nothing_of_them_any_more_leaves_them_alone() {
    let (mut story, id) = open(r#", "idle_timeout": "1s""#);
    story.at(10);
    let off = Story::rule(r#""max_connection_age": "10s""#).defaults();
    story
        .engine
        .apply_policy(ORIGIN.policy, Mode::Enforce, |_, _, _| {
            Some(Rc::clone(&off))
        });
    story.at(3600);
    assert_eq!(write(&mut story, id, PUSH), Decision::PassThrough);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
}

#[test]
fn one_that_is_silent_is_closed_after_idle_wait_and_without_it_never() {
    let (mut story, id) = open("");
    story.at(3600);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );

    let (mut story, id) = open(r#", "idle_timeout": "60s""#);
    story.at(40);
    story.read(id, 0, 1);
    story.at(99);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
    story.at(100);
    let (reason, aborted) = (DrainReason::MaxConnectionAge, 0);
    assert_eq!(
        story.effects(),
        [
            Effect::ClosedWithoutNotice(id, reason),
            Effect::Close {
                id,
                reason,
                aborted
            }
        ]
    );
}

#[test]
fn one_that_is_protected_is_not_closed_before_its_own_grace() {
    let policy = r#"{"version": 1, "budget": "off",
        "defaults": {"max_connection_age": "10s", "jitter": 0, "websocket": {"close_code": "going_away", "idle_timeout": "5s"}},
        "routes": [
            {"name": "call", "match": {"path_prefix": "/a"}, "protect": true, "drain_timeout": "60s"},
            {"name": "long", "match": {"path_prefix": "/b"}, "protect": true}]}"#;
    for (name, closes) in [("call", true), ("long", false)] {
        let mut story = Story::new(policy);
        let id = story.open(1);
        let rule = story.route(name);
        story.engine.apply_rule(id, &rule);
        story.engine.request_started(id, &rule);
        assert!(story.engine.upgrade_to_websocket(id));
        story.at(69);
        assert_eq!(
            story.effects(),
            [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
        );
        story.at(3600);
        assert_eq!(story.effects().is_empty(), !closes, "{name}");
        story.engine.request_ended(id, &rule);
        story.at(3601);
        let end = ConnectionEnd::ClosedByEngine(DrainReason::MaxConnectionAge);
        assert_eq!(story.engine.closed(id), Some(end), "{name}");
    }
}

#[test]
fn the_budget_and_observing_hold_for_them_too() {
    let policy = r#"{"version": 1, "budget": {"per_second": 0.001, "burst": 1},
        "defaults": {"max_connection_age": "10s", "jitter": 0, "websocket": {"close_code": "going_away", "idle_timeout": "5s"}}}"#;
    let mut story = Story::new(policy);
    for id in 1..=2 {
        let id = story.open(id);
        assert!(story.engine.upgrade_to_websocket(id));
    }
    story.at(600);
    let count = |effects: &[Effect], wanted: fn(&Effect) -> bool| {
        effects.iter().filter(|effect| wanted(effect)).count()
    };
    let effects = story.effects();
    assert_eq!(count(&effects, |it| matches!(it, Effect::Close { .. })), 1);
    assert_eq!(
        count(&effects, |it| matches!(it, Effect::BudgetExhausted(_))),
        1
    );

    let mut story = Story::new(
        &policy
            .replace(r#""version": 1"#, r#""version": 1, "mode": "dry_run""#)
            .replace(r#"{"per_second": 0.001, "burst": 1}"#, r#""off""#),
    );
    let id = story.open(1);
    assert!(story.engine.upgrade_to_websocket(id));
    story.at(16);
    let reason = DrainReason::MaxConnectionAge;
    assert_eq!(
        story.effects(),
        [
            Effect::DrainPending(id, reason),
            Effect::DryRunDrain(id, reason)
        ]
    );
}
