//! Which moments are good, and whom a rule protects.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn a_busy_client_that_bears_it_is_announced_after_quiet_wait() {
    let mut story = Story::rule(r#""max_connection_age": "10s", "http2": {"idle_wait": "2s"}"#);
    let id = story.open(1);
    story.at(10);
    story.read(id, 5, 5);
    story.at(11);
    assert_eq!(
        story.write(id, 5, 4, active(ANY_TIME)),
        Decision::PassThrough
    );
    story.at(12);
    assert_eq!(
        story.write(id, 5, 3, active(ANY_TIME)),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn a_busy_client_that_does_not_bear_it_is_put_off_unless_the_policy_insists() {
    for (policy, expected) in [
        ("defer", Decision::PassThrough),
        ("drain", Decision::Drain(DrainReason::MaxConnectionAge)),
    ] {
        let mut story = Story::rule(&format!(
            r#""max_connection_age": "10s", "drain_timeout": "30s", "http2": {{"when_active": "{policy}"}}"#
        ));
        let id = story.open(1);
        story.at(10);
        story.at(39);
        story.read(id, 5, 5);
        assert_eq!(
            story.write(id, 5, 4, active(WHEN_IDLE)),
            Decision::PassThrough
        );
        story.at(41);
        assert_eq!(story.write(id, 5, 3, active(WHEN_IDLE)), expected);
        assert_eq!(
            story.write(id, 5, 3, active(WHEN_IDLE)),
            Decision::PassThrough
        );
        let put_off = story
            .effects()
            .iter()
            .filter(|effect| matches!(effect, Effect::Deferred(_)))
            .count();
        assert_eq!(put_off, usize::from(expected == Decision::PassThrough));
        if expected == Decision::PassThrough {
            let point = stream_end(ANY_TIME);
            assert_eq!(
                story.write(id, 5, 0, point),
                Decision::Drain(DrainReason::MaxConnectionAge)
            );
        }
    }
}

#[test]
fn a_client_that_bears_one_told_connection_at_a_time_is_told_of_none_that_is_young() {
    for (point, active) in [(active(SETTLED), 1), (stream_end(SETTLED), 0)] {
        let mut story =
            Story::rule(r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}"#);
        let id = story.open(1);
        story.read(id, 2, 2);
        assert_eq!(story.write(id, 2, active, point), Decision::PassThrough);
        story.at(1);
        story.read(id, 3, active + 1);
        assert_eq!(
            story.write(id, 3, active, point),
            Decision::Drain(DrainReason::MaxRequestsPerConnection)
        );
    }
}

#[test]
fn a_client_that_may_hold_unread_answers_is_announced_when_the_one_before_is_old_enough() {
    let mut story = Story::rule(r#""max_connection_age": "10s""#);
    let id = story.open(1);
    story.at(11);
    let point = stream_end(UNREAD_RESPONSES);
    let end = |story: &mut Story, request, pause| {
        story.read(id, request, 1);
        story
            .engine
            .advance(story.engine.now().after(Duration::from_millis(pause)));
        story.write(id, request, 0, point)
    };
    assert_eq!(
        end(&mut story, 1, 50),
        Decision::PassThrough,
        "nothing is known of the answer before"
    );
    assert_eq!(end(&mut story, 2, 900), Decision::PassThrough);
    assert_eq!(
        end(&mut story, 3, 1000),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn a_client_that_loses_quick_answers_is_announced_at_the_end_of_one_that_took_its_time() {
    let mut story = Story::rule(r#""max_requests_per_connection": 2"#);
    let id = story.open(1);
    let answer = |story: &mut Story, request, took| {
        story.read(id, request, 1);
        let then = story.engine.now().after(Duration::from_millis(took));
        story.engine.advance(then);
        story.write(id, request, 0, stream_end(AFTER_SLOW_RESPONSE))
    };
    assert_eq!(answer(&mut story, 1, 50), Decision::PassThrough);
    assert_eq!(
        answer(&mut story, 2, 50),
        Decision::PassThrough,
        "when it came, nobody looked at the clock"
    );
    assert_eq!(answer(&mut story, 3, 4), Decision::PassThrough);
    assert_eq!(
        answer(&mut story, 4, 5),
        Decision::Drain(DrainReason::MaxRequestsPerConnection)
    );
}

#[test]
fn a_client_that_sends_on_before_it_looks_is_announced_at_rest_only() {
    for client in [WHEN_IDLE, AFTER_SLOW_RESPONSE] {
        let mut story = Story::rule(r#""max_connection_age": "10s""#);
        let id = story.open(1);
        story.at(11);
        story.read(id, 1, 1);
        story.write(id, 1, 0, stream_end(WHEN_IDLE));
        let after = |story: &mut Story, pause| {
            let then = story.engine.now().after(Duration::from_millis(pause));
            story.engine.advance(then);
            story.write(id, 1, 0, idle(client))
        };

        assert_eq!(after(&mut story, 900), Decision::PassThrough);
        assert_eq!(
            after(&mut story, 100),
            Decision::Drain(DrainReason::MaxConnectionAge)
        );
    }
}

#[test]
fn the_end_of_an_answer_is_no_rest_however_long_the_pause_before() {
    let mut story = Story::rule(r#""max_connection_age": "10s""#);
    let id = story.open(1);
    story.at(11);
    story.read(id, 1, 1);
    assert_eq!(
        story.write(id, 1, 0, stream_end(WHEN_IDLE)),
        Decision::PassThrough
    );
    story.at(3600);
    story.read(id, 2, 1);
    story.at(3660);

    assert_eq!(
        story.write(id, 2, 0, stream_end(WHEN_IDLE)),
        Decision::PassThrough
    );
}

#[test]
fn a_policy_that_asks_for_exact_waits_for_a_quiet_moment() {
    let mut story =
        Story::rule(r#""max_connection_age": "10s", "http2": {"last_stream_id": "exact"}"#);
    let id = story.open(1);
    story.at(3600);
    story.read(id, 2, 2);
    assert_eq!(
        story.write(id, 2, 1, active(ANY_TIME)),
        Decision::PassThrough
    );
    assert_eq!(
        story.write(id, 2, 0, stream_end(ANY_TIME)),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn a_protected_stream_spares_its_connection_until_its_own_grace_is_over() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "10s", "jitter": 0, "http2": {"idle_wait": "0s"}},
        "routes": [{"name": "events", "match": {"path_prefix": "/events"}, "protect": true, "drain_timeout": "60s"}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let rule = story.route("events");
    story.engine.apply_rule(id, &rule);
    story.engine.request_started(id, &rule);
    story.read(id, 1, 1);
    story.at(69);
    assert_eq!(
        story.write(id, 1, 1, active(ANY_TIME)),
        Decision::PassThrough
    );
    story.at(71);
    assert_eq!(
        story.write(id, 1, 1, active(ANY_TIME)),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn when_the_protected_stream_ends_the_connection_goes_at_once() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "10s", "jitter": 0},
        "routes": [{"name": "events", "match": {"path_prefix": "/events"}, "protect": true}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let rule = story.route("events");
    story.engine.apply_rule(id, &rule);
    story.engine.request_started(id, &rule);
    story.at(3600);
    assert_eq!(
        story.write(id, 2, 1, stream_end(ANY_TIME)),
        Decision::PassThrough
    );
    story.engine.request_ended(id, &rule);
    assert_eq!(
        story.write(id, 2, 0, stream_end(ANY_TIME)),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

/// A client whose requests have had bodies.
fn with_bodies(tolerance: Tolerance) -> Http2Client {
    Http2Client {
        has_bodies: true,
        ..client(tolerance)
    }
}

#[test]
fn a_client_that_cannot_replay_bodies_is_drained_when_idle_once_it_has_sent_one() {
    let go = Tolerance {
        at_end: Conditions::NO_BODIES,
        when_active: Conditions::NO_BODIES,
        idle_time: Some(Duration::ZERO),
        ..Tolerance::WHEN_IDLE
    };
    let mut story = Story::rule(r#""max_connection_age": "10s", "http2": {"idle_wait": "0s"}"#);
    let id = story.open(1);
    story.at(11);
    story.read(id, 2, 2);
    let keeps = [
        story.write(id, 2, 1, active(with_bodies(go))),
        story.write(id, 2, 0, stream_end(with_bodies(go))),
        story.write(id, 2, 0, idle(with_bodies(go))),
    ];
    assert_eq!(keeps, [Decision::PassThrough; 3]);
    let second = story.engine.now().after(Duration::from_secs(1));
    story.engine.advance(second);
    assert_eq!(
        story.write(id, 2, 0, idle(with_bodies(go))),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );

    let mut story = Story::rule(r#""max_connection_age": "10s""#);
    let id = story.open(2);
    story.at(11);
    story.read(id, 1, 1);
    assert_eq!(
        story.write(id, 1, 0, stream_end(client(go))),
        Decision::Drain(DrainReason::MaxConnectionAge),
        "nothing it has sent has to be replayed"
    );
}

#[test]
fn an_unknown_client_is_drained_when_idle_or_when_patience_is_over() {
    let unknown = client(UNKNOWN.tolerance);
    for (seconds, point, expected) in [
        (
            12,
            idle(unknown),
            Decision::Drain(DrainReason::MaxConnectionAge),
        ),
        (12, stream_end(unknown), Decision::PassThrough),
        (39, stream_end(unknown), Decision::PassThrough),
        (
            41,
            stream_end(unknown),
            Decision::Drain(DrainReason::MaxConnectionAge),
        ),
        (41, active(unknown), Decision::PassThrough),
    ] {
        let mut story = Story::rule(r#""max_connection_age": "10s""#);
        let id = story.open(1);
        story.read(id, 1, 1);
        story.at(10);
        story.write(id, 1, 0, stream_end(unknown));
        story.at(seconds);
        story.read(id, 2, 1);
        let active = u32::from(matches!(point, DrainPoint::Active { .. }));
        let decision = story.write(id, 2, active, point);
        assert_eq!(decision, expected, "{seconds} {point:?}");
    }
}

#[test]
fn a_stream_that_the_client_resets_ends_its_idle_time() {
    let mut story = Story::rule(r#""max_connection_age": "10s""#);
    let id = story.open(1);
    story.read(id, 1, 1);
    story.write(id, 1, 0, stream_end(WHEN_IDLE));
    story.at(20);
    story.read(id, 2, 1);
    story.read(id, 2, 0);
    assert_eq!(
        story.write(id, 2, 0, idle(WHEN_IDLE)),
        Decision::PassThrough
    );
    story.at(21);
    assert_eq!(
        story.write(id, 2, 0, idle(WHEN_IDLE)),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn without_a_grace_what_finds_no_safe_point_is_counted_after_the_patience() {
    let mut story = Story::rule(r#""max_connection_age": "10s""#);
    let id = story.open(1);
    let deferred = |story: &mut Story, at| {
        story.at(at);
        story.read(id, at, 2);
        assert_eq!(
            story.write(id, at, 1, active(WHEN_IDLE)),
            Decision::PassThrough
        );
        let effects = story.effects();
        effects.contains(&Effect::Deferred(id))
    };
    assert!(!deferred(&mut story, 11));
    assert!(!deferred(&mut story, 39));
    assert!(deferred(&mut story, 41));
    assert!(!deferred(&mut story, 42), "once");
}

/// An exact GOAWAY needs an idle connection. One that never is must at least be counted.
#[test]
fn connection_that_is_never_idle_is_deferred_with_an_exact_goaway() {
    for (http2, rule, seconds, expected) in [
        ("", "", 30, Decision::PassThrough),
        ("", r#", "drain_timeout": "5s""#, 5, Decision::PassThrough),
        (
            r#", "when_active": "drain""#,
            r#", "drain_timeout": "5s""#,
            5,
            Decision::Drain(DrainReason::MaxConnectionAge),
        ),
    ] {
        let mut story = Story::rule(&format!(
            r#""max_connection_age": "10s", "http2": {{"last_stream_id": "exact"{http2}}}{rule}"#
        ));
        let id = story.open(1);
        story.read(id, 2, 2);
        story.at(10);
        story.write(id, 2, 1, active(ANY_TIME));
        assert_eq!(story.deferred(), 0);
        story.at(10 + seconds - 1);
        assert_eq!(
            story.write(id, 2, 1, active(ANY_TIME)),
            Decision::PassThrough,
            "{http2}{rule}"
        );
        assert_eq!(story.deferred(), 0, "{http2}{rule}");

        story.at(10 + seconds + 1);
        let decision = story.write(id, 2, 1, active(ANY_TIME));

        assert_eq!(decision, expected, "{http2}{rule}");
        let is_kept = expected == Decision::PassThrough;
        assert_eq!(story.deferred(), usize::from(is_kept), "{http2}{rule}");
        if is_kept {
            assert_eq!(
                story.write(id, 2, 0, stream_end(ANY_TIME)),
                Decision::Drain(DrainReason::MaxConnectionAge)
            );
        }
    }
}

/// The default is no drain timeout, which is no reason not to count.
#[test]
fn websocket_whose_client_is_never_silent_is_deferred_without_a_grace() {
    let mut story =
        Story::rule(r#""max_connection_age": "10s", "websocket": {"close_code": "going_away"}"#);
    let id = story.open(1);
    story.engine.upgrade_to_websocket(id);
    let talks = DrainPoint::Message {
        is_response: true,
        awaits_response: false,
    };
    for (second, deferred) in [(11, 0), (39, 0), (41, 1), (42, 0)] {
        story.at(second);
        story.engine.record_client_message(id);
        assert_eq!(story.write(id, 0, 1, talks), Decision::PassThrough);
        assert_eq!(story.deferred(), deferred, "{second}");
    }
}

impl Story {
    /// How many connections were deferred since the last call.
    fn deferred(&mut self) -> usize {
        let is_deferred = |effect: &Effect| matches!(effect, Effect::Deferred(_));
        self.effects().into_iter().filter(is_deferred).count()
    }
}
