//! Which drain points are safe, and which connections a rule protects.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::DeferReason;

#[test]
fn tolerant_active_client_is_drained_after_idle_wait() {
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "10s", "http2": {"idle_wait": "2s"}}))
            .with_connection();
    story.at(10);
    story.read(id, 5, 5);
    story.at(11);
    assert_eq!(story.write(id, 5, 4, active(ANY_TIME)), PASS);
    story.at(12);
    assert_eq!(story.write(id, 5, 3, active(ANY_TIME)), DRAIN_BY_AGE);
}

#[test]
fn intolerant_active_client_is_deferred_or_drained_by_when_active() {
    for (policy, expected) in [("defer", PASS), ("drain", DRAIN_BY_AGE)] {
        let (mut story, id) = Story::rule(
            json!({"max_connection_age": "10s", "drain_timeout": "30s", "http2": {"when_active": policy}}),
        ).with_connection();
        story.at(10);
        story.at(39);
        story.read(id, 5, 5);
        assert_eq!(story.write(id, 5, 4, active(WHEN_IDLE)), PASS);
        story.at(41);
        assert_eq!(story.write(id, 5, 3, active(WHEN_IDLE)), expected);
        assert_eq!(story.write(id, 5, 3, active(WHEN_IDLE)), PASS);
        let put_off = story.count(is_deferred);
        assert_eq!(put_off, usize::from(expected == PASS));
        if expected == PASS {
            let point = stream_end(ANY_TIME);
            assert_eq!(story.write(id, 5, 0, point), DRAIN_BY_AGE);
        }
    }
}

#[test]
fn settled_client_is_not_drained_on_a_new_connection() {
    for (point, active) in [(active(SETTLED), 1), (stream_end(SETTLED), 0)] {
        let (mut story, id) =
            Story::rule(json!({"max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}}))
                .with_connection();
        story.read(id, 2, 2);
        assert_eq!(story.write(id, 2, active, point), PASS);
        story.at(1);
        story.read(id, 3, active + 1);
        assert_eq!(story.write(id, 3, active, point), DRAIN_BY_REQUESTS);
    }
}

#[test]
fn client_with_unread_responses_is_drained_when_the_last_response_is_old() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
    story.at(11);
    let point = stream_end(UNREAD_RESPONSES);
    let end = |story: &mut Story, request, pause| {
        story.read(id, request, 1);
        story
            .engine
            .advance(story.engine.now().after(Duration::from_millis(pause)));
        story.write(id, request, 0, point)
    };
    assert_eq!(end(&mut story, 1, 50), PASS, "no response before is known");
    assert_eq!(end(&mut story, 2, 900), PASS);
    assert_eq!(end(&mut story, 3, 1000), DRAIN_BY_AGE);
}

#[test]
fn client_that_loses_fast_responses_is_drained_after_a_slow_one() {
    let (mut story, id) = Story::rule(json!({"max_requests_per_connection": 2})).with_connection();
    let respond = |story: &mut Story, request, took| {
        story.read(id, request, 1);
        let then = story.engine.now().after(Duration::from_millis(took));
        story.engine.advance(then);
        story.write(id, request, 0, stream_end(AFTER_SLOW_RESPONSE))
    };
    assert_eq!(respond(&mut story, 1, 50), PASS);
    assert_eq!(
        respond(&mut story, 2, 50),
        PASS,
        "the request before was not timed"
    );
    assert_eq!(respond(&mut story, 3, 4), PASS);
    assert_eq!(respond(&mut story, 4, 5), DRAIN_BY_REQUESTS);
}

#[test]
fn client_that_races_with_goaway_is_drained_only_when_idle() {
    for client in [WHEN_IDLE, AFTER_SLOW_RESPONSE] {
        let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
        story.at(11);
        story.read(id, 1, 1);
        story.write(id, 1, 0, stream_end(WHEN_IDLE));
        let after = |story: &mut Story, pause| {
            let then = story.engine.now().after(Duration::from_millis(pause));
            story.engine.advance(then);
            story.write(id, 1, 0, idle(client))
        };

        assert_eq!(after(&mut story, 900), PASS);
        assert_eq!(after(&mut story, 100), DRAIN_BY_AGE);
    }
}

/// A large response waits in buffers: the client reads its end, and the PING behind it, long after it was written.
#[test]
fn client_is_idle_only_after_it_has_acknowledged_the_response() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
    story.at(11);
    story.read(id, 1, 1);
    let end = Some(stream_end(WHEN_IDLE));
    story.write_undelivered(id, 1, 0, u64::MAX, end);
    story.at(15);
    let ping = Some(idle(WHEN_IDLE));
    let unread = story.write_undelivered(id, 1, 0, u64::MAX, ping);
    story.read_undelivered(id, 1, 0, 0);
    let acknowledged = story.write(id, 1, 0, idle(WHEN_IDLE));
    story.at(16);

    assert_eq!((unread, acknowledged), (PASS, PASS));
    assert_eq!(story.write(id, 1, 0, idle(WHEN_IDLE)), DRAIN_BY_AGE);
}

#[test]
fn end_of_a_response_is_not_idle_after_a_long_pause() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
    story.at(11);
    story.read(id, 1, 1);
    assert_eq!(story.write(id, 1, 0, stream_end(WHEN_IDLE)), PASS);
    story.at(3600);
    story.read(id, 2, 1);
    story.at(3660);

    assert_eq!(story.write(id, 2, 0, stream_end(WHEN_IDLE)), PASS);
}

#[test]
fn exact_goaway_waits_until_no_stream_is_active() {
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "10s", "http2": {"last_stream_id": "exact"}}))
            .with_connection();
    story.at(3600);
    story.read(id, 2, 2);
    assert_eq!(story.write(id, 2, 1, active(ANY_TIME)), PASS);
    assert_eq!(story.write(id, 2, 0, stream_end(ANY_TIME)), DRAIN_BY_AGE);
}

#[test]
fn protected_stream_holds_its_connection_until_its_drain_timeout() {
    let policy = json!({"budget": "off", "defaults": {"max_connection_age": "10s", "jitter": 0, "http2": {"idle_wait": "0s"}},
        "routes": [{"name": "events", "match": {"path_prefix": "/events"}, "protect": true, "drain_timeout": "60s"}]});
    let (mut story, id) = Story::new(policy).with_connection();
    story.start_request(id, "events");
    story.read(id, 1, 1);
    story.at(69);
    assert_eq!(story.write(id, 1, 1, active(ANY_TIME)), PASS);
    story.at(71);
    assert_eq!(story.write(id, 1, 1, active(ANY_TIME)), DRAIN_BY_AGE);
}

#[test]
fn end_of_the_protected_stream_releases_its_connection() {
    let policy = json!({"budget": "off", "defaults": {"max_connection_age": "10s", "jitter": 0},
        "routes": [{"name": "events", "match": {"path_prefix": "/events"}, "protect": true}]});
    let (mut story, id) = Story::new(policy).with_connection();
    let rule = story.start_request(id, "events");
    story.at(3600);
    assert_eq!(story.write(id, 2, 1, stream_end(ANY_TIME)), PASS);
    story.engine.request_ended(id, &rule);
    assert_eq!(story.write(id, 2, 0, stream_end(ANY_TIME)), DRAIN_BY_AGE);
}

/// A client whose requests have had bodies.
fn with_bodies(tolerance: Tolerance) -> Http2Client {
    Http2Client {
        has_bodies: true,
        ..client(tolerance)
    }
}

#[test]
fn client_with_request_bodies_is_drained_only_when_idle() {
    let go = Tolerance {
        at_end: Conditions::NO_BODIES,
        when_active: Conditions::NO_BODIES,
        idle_time: IdleTime::None,
        ..Tolerance::WHEN_IDLE
    };
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "10s", "http2": {"idle_wait": "0s"}}))
            .with_connection();
    story.at(11);
    story.read(id, 2, 2);
    let keeps = [
        story.write(id, 2, 1, active(with_bodies(go))),
        story.write(id, 2, 0, stream_end(with_bodies(go))),
        story.write(id, 2, 0, idle(with_bodies(go))),
    ];
    assert_eq!(keeps, [PASS; 3]);
    let second = story.engine.now().after(Duration::from_secs(1));
    story.engine.advance(second);
    assert_eq!(story.write(id, 2, 0, idle(with_bodies(go))), DRAIN_BY_AGE);

    let mut story = Story::rule(json!({"max_connection_age": "10s"}));
    let id = story.open(2);
    story.at(11);
    story.read(id, 1, 1);
    assert_eq!(
        story.write(id, 1, 0, stream_end(client(go))),
        DRAIN_BY_AGE,
        "it has sent no body to replay"
    );
}

#[test]
fn unknown_client_is_drained_when_idle_or_after_half_of_the_longest_wait() {
    let unknown = client(UNKNOWN.tolerance);
    for (seconds, point, expected) in [
        (12, idle(unknown), DRAIN_BY_AGE),
        (12, stream_end(unknown), PASS),
        (24, stream_end(unknown), PASS),
        (26, stream_end(unknown), DRAIN_BY_AGE),
        (26, active(unknown), PASS),
    ] {
        let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
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
fn client_reset_restarts_the_idle_time() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
    story.read(id, 1, 1);
    story.write(id, 1, 0, stream_end(WHEN_IDLE));
    story.at(20);
    story.read(id, 2, 1);
    story.read(id, 2, 0);
    assert_eq!(story.write(id, 2, 0, idle(WHEN_IDLE)), PASS);
    story.at(21);
    assert_eq!(story.write(id, 2, 0, idle(WHEN_IDLE)), DRAIN_BY_AGE);
}

#[test]
fn late_drain_is_not_deferred() {
    let late = client(at_end(Conditions::SEQUENTIAL.and(Conditions::WAITED)));
    for (keys, half) in [(json!({}), 15), (json!({"drain_timeout": "20s"}), 10)] {
        let rule = merge(json!({"max_connection_age": "10s"}), keys.clone());
        let (mut story, id) = Story::rule(rule).with_connection();
        for (second, expected) in [
            (10, PASS),
            (10 + half - 1, PASS),
            (10 + half + 1, DRAIN_BY_AGE),
        ] {
            story.at(second);
            story.read(id, second, 1);
            assert_eq!(story.write(id, second, 1, active(late)), PASS, "{keys}");
            let decision = story.write(id, second, 0, stream_end(late));
            assert_eq!(decision, expected, "{keys} {second}");
        }
        assert_eq!(story.count(is_deferred), 0, "{keys}");
    }
}

#[test]
fn connection_without_safe_point_is_deferred_once_without_drain_timeout() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "10s"})).with_connection();
    let deferred = |story: &mut Story, at| {
        story.at(at);
        story.read(id, at, 2);
        assert_eq!(story.write(id, at, 1, active(WHEN_IDLE)), PASS);
        let effects = story.effects();
        effects.contains(&Effect::Deferred(id, DeferReason::NoSafePoint))
    };
    assert!(!deferred(&mut story, 11));
    assert!(!deferred(&mut story, 39));
    assert!(deferred(&mut story, 41));
    assert!(!deferred(&mut story, 42), "once");
}

/// An exact GOAWAY needs an idle connection. One that never is idle must at least be counted.
#[test]
fn connection_that_is_never_idle_is_deferred_with_an_exact_goaway() {
    for (more, seconds, expected) in [
        (json!({}), 30, PASS),
        (json!({"drain_timeout": "5s"}), 5, PASS),
        (
            json!({"drain_timeout": "5s", "http2": {"when_active": "drain"}}),
            5,
            DRAIN_BY_AGE,
        ),
    ] {
        let exact = json!({"max_connection_age": "10s", "http2": {"last_stream_id": "exact"}});
        let (mut story, id) = Story::rule(merge(exact, more.clone())).with_connection();
        story.read(id, 2, 2);
        for second in [10, 10 + seconds - 1] {
            story.at(second);
            let decision = story.write(id, 2, 1, active(ANY_TIME));
            assert_eq!((decision, story.count(is_deferred)), (PASS, 0), "{more}");
        }

        story.at(10 + seconds + 1);
        let decision = story.write(id, 2, 1, active(ANY_TIME));

        let is_kept = expected == PASS;
        let deferred = story.count(is_deferred);
        assert_eq!(
            (decision, deferred),
            (expected, usize::from(is_kept)),
            "{more}"
        );
        if is_kept {
            assert_eq!(story.write(id, 2, 0, stream_end(ANY_TIME)), DRAIN_BY_AGE);
        }
    }
}

/// Without a drain timeout, which is the default, the connection is counted all the same.
#[test]
fn active_websocket_is_deferred_once_without_drain_timeout() {
    let mut story = Story::rule(
        json!({"max_connection_age": "10s", "websocket": {"close_code": "going_away"}}),
    );
    let id = story.open_websocket(1);
    let talks = DrainPoint::Message {
        is_response: true,
        awaits_response: false,
    };
    for (second, deferred) in [(11, 0), (39, 0), (41, 1), (42, 0)] {
        story.at(second);
        story.send_message(id);
        assert_eq!(story.write(id, 0, 1, talks), PASS);
        assert_eq!(story.count(is_deferred), deferred, "{second}");
    }
}
