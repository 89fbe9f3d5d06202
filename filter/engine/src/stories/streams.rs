//! gRPC streams with a limited age.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::DeferReason;
use crate::connection::timed_streams::{EXPIRIES_COMPUTED, MAX_TIMED, TimedStream};

fn limited() -> Value {
    json!({"max_connection_age": "off", "grpc": {"max_stream_age": "10s"}})
}

/// A connection with a stream that started when it opened, with these further settings of its rule.
fn open(more: Value) -> (Story, ConnectionId) {
    let (mut story, id) = Story::rule(merge(limited(), more)).with_connection();
    start(&mut story, id, 1);
    (story, id)
}

fn start(story: &mut Story, id: ConnectionId, stream: u32) {
    let (rule, seed) = (story.defaults(), u64::from(stream));
    let engine = &mut story.engine;
    engine.stream_started(id, StreamId(stream), &rule, seed);
    story.read(id, seed, stream);
}

/// The drain of a connection is pending because of a stream.
fn stream_expired(id: ConnectionId) -> Effect {
    Effect::DrainPending(id, DrainReason::MaxStreamAge)
}

fn ended(effects: &[Effect]) -> Vec<u32> {
    let stream = |effect: &Effect| match effect {
        Effect::EndStream { stream, .. } => Some(stream.0),
        _ => None,
    };
    effects.iter().filter_map(stream).collect()
}

#[test]
fn expired_stream_ends_after_the_drain_signal() {
    let (mut story, id) = open(json!({}));
    story.engine.stream_response_started(id, StreamId(1));
    story.at(3600);
    assert_eq!(story.effects(), [stream_expired(id)]);

    let decision = story.write(id, 1, 1, active(ANY_TIME));

    assert_eq!(decision, DRAIN_BY_STREAM_AGE);
    story.at(3601);
    let stream = StreamId(1);
    assert_eq!(
        story.effects(),
        [Effect::EndStream {
            id,
            stream,
            response_started: true
        }]
    );
}

#[test]
fn single_expired_stream_ends_with_any_client() {
    for more in [json!({}), json!({"http2": {"last_stream_id": "exact"}})] {
        let (mut story, id) = open(more);
        story.at(11);
        let point = active(WHEN_IDLE);
        assert_eq!(story.write(id, 1, 1, point), PASS);
        story.at(12);
        assert_eq!(story.write(id, 1, 1, point), DRAIN_BY_STREAM_AGE);
    }
}

#[test]
fn intolerant_client_is_deferred_while_other_streams_are_active() {
    for (client, more) in [
        (WHEN_IDLE, json!({})),
        (WHEN_IDLE, json!({"http2": {"last_stream_id": "exact"}})),
    ] {
        let (mut story, id) = open(more);
        story.at(11);
        assert_eq!(story.write(id, 2, 2, active(client)), PASS);
        assert_eq!(story.effects(), [stream_expired(id)]);
        for second in [12, 13] {
            story.at(second);
            assert_eq!(story.write(id, 2, 2, active(client)), PASS);
        }
        assert_eq!(
            story.effects(),
            [Effect::Deferred(id, DeferReason::NoSafePoint)]
        );

        let decision = story.write(id, 2, 1, active(client));

        assert_eq!(decision, DRAIN_BY_STREAM_AGE);
    }
}

#[test]
fn tolerant_client_is_drained_while_other_streams_are_active() {
    let (mut story, id) = open(json!({}));
    story.at(13);
    let decision = story.write(id, 2, 2, active(ANY_TIME));
    assert_eq!(decision, DRAIN_BY_STREAM_AGE);
}

#[test]
fn stream_expires_on_a_draining_connection() {
    let (mut story, id) = open(json!({"max_requests_per_connection": 1}));
    story.at(3);
    story.write(id, 1, 1, active(ANY_TIME));
    story.at(6);
    assert_eq!(story.write(id, 1, 1, active(ANY_TIME)), DRAIN_BY_REQUESTS);
    story.at(9);
    assert!(ended(&story.effects()).is_empty());
    story.at(10);
    assert_eq!(ended(&story.effects()), [1]);
}

#[test]
fn end_of_the_expired_stream_cancels_the_drain() {
    let (mut story, id) = open(json!({}));
    story.at(11);
    story.engine.stream_ended(id, StreamId(1));
    story.at(20);
    assert_eq!(story.write(id, 1, 0, stream_end(ANY_TIME)), PASS);
    assert_eq!(story.engine.closed(id), Some(ConnectionEnd::NotDrained));
}

#[test]
fn one_stream_of_a_connection_ends_in_a_tick() {
    let (mut story, id) = open(json!({}));
    start(&mut story, id, 2);
    start(&mut story, id, 3);
    story.at(13);
    story.write(id, 3, 3, active(ANY_TIME));
    story.effects();
    let tick = Duration::from_millis(100);
    let mut all = Vec::new();
    for _ in 0..3 {
        story.pass(tick);
        let effects = ended(&story.effects());
        assert_eq!(effects.len(), 1);
        all.extend(effects);
    }
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
}

#[test]
fn jitter_shortens_and_spreads_stream_ages() {
    let mut story = Story::rule(limited());
    let rule = Rc::new(Rule {
        jitter: evenkeel_policy::Jitter::new(0.5).unwrap(),
        ..(*story.defaults()).clone()
    });
    for id in 1..=200 {
        let id = story.open(id);
        story.engine.stream_started(id, StreamId(1), &rule, id.0);
    }
    let expired_by = |story: &mut Story, seconds| {
        story.at(seconds);
        story.effects().len()
    };
    assert_eq!(expired_by(&mut story, 4), 0);
    let half = expired_by(&mut story, 7) + expired_by(&mut story, 8);
    assert!((60..180).contains(&half), "{half}");
    assert_eq!(half + expired_by(&mut story, 10), 200);
}

#[test]
fn protected_stream_never_expires() {
    let policy = json!({"budget": "off", "defaults": {"grpc": {"max_stream_age": "10s"}, "max_connection_age": "off"},
        "routes": [{"name": "watch", "match": {"path_prefix": "/w"}, "protect": true}]});
    let (mut story, id) = Story::new(policy).with_connection();
    let rule = story.route("watch");
    story.engine.stream_started(id, StreamId(1), &rule, 1);
    story.at(3600);
    assert_eq!(story.effects(), []);
}

#[test]
fn dry_run_counts_each_stream_once() {
    let policy = json!({"mode": "dry_run", "budget": "off",
        "defaults": {"jitter": 0, "max_connection_age": "off", "grpc": {"max_stream_age": "10s"}, "http2": {"idle_wait": "0s"}}});
    let (mut story, id) = Story::new(policy).with_connection();
    start(&mut story, id, 1);
    story.at(11);
    let reason = DrainReason::MaxStreamAge;
    for _ in 0..3 {
        assert_eq!(story.write(id, 1, 1, active(ANY_TIME)), PASS);
        story.pass(Duration::from_secs(60));
    }
    assert_eq!(
        story.effects(),
        [
            Effect::DrainPending(id, reason),
            Effect::DryRunDrain(id, reason)
        ]
    );
}

#[test]
fn changed_policy_applies_to_open_streams() {
    let (mut story, id) = open(json!({}));
    let longer =
        Story::rule(json!({"max_connection_age": "off", "grpc": {"max_stream_age": "20s"}}))
            .defaults();
    story.at(5);
    story.replace_rule(&longer);
    story.at(19);
    assert_eq!(story.effects(), []);
    story.at(20);
    assert_eq!(story.effects(), [stream_expired(id)]);
}

#[test]
fn number_of_timed_streams_is_bounded() {
    let (mut story, id) = Story::rule(limited()).with_connection();
    for stream in 0..10_000 {
        start(&mut story, id, stream);
    }
    assert!(size_of::<TimedStream>() <= 32);
    story.at(13);
    story.write(id, 1, 1, active(ANY_TIME));
    story.effects();
    story.pass(Duration::from_secs(200));
    assert_eq!(ended(&story.effects()).len(), MAX_TIMED);
}

#[test]
fn write_visits_no_stream() {
    let (mut story, id) = Story::rule(limited()).with_connection();
    for stream in 0..1000 {
        start(&mut story, id, stream);
    }
    let before = EXPIRIES_COMPUTED.get();

    for seconds in 1..=100 {
        story.at(seconds);
        story.write(id, 1000, 1000, active(WHEN_IDLE));
    }

    // Since the eleventh second one ends in each tick, which computes its expiry to remove it.
    let ended = ended(&story.effects()).len() as u64;
    assert!(ended > 800, "{ended}");
    assert_eq!(EXPIRIES_COMPUTED.get() - before, ended);
}

#[test]
fn start_and_end_of_a_stream_visit_no_other() {
    let (mut story, id) = Story::rule(limited()).with_connection();
    for stream in 0..1000 {
        start(&mut story, id, stream);
    }
    let before = EXPIRIES_COMPUTED.get();

    story.engine.stream_response_started(id, StreamId(500));
    story.engine.stream_ended(id, StreamId(500));
    start(&mut story, id, 1001);

    assert_eq!(EXPIRIES_COMPUTED.get() - before, 2);
}
