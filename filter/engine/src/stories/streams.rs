//! gRPC streams that end at an age of their own.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::connection::timed_streams::{EXPIRIES_COMPUTED, MAX_TIMED, TimedStream};

const AGED: &str = r#""max_connection_age": "off", "grpc": {"max_stream_age": "10s"}"#;

/// A connection with a stream that began when it opened.
fn open(more: &str) -> (Story, ConnectionId) {
    let mut story = Story::rule(&format!("{AGED}{more}"));
    let id = story.open(1);
    begin(&mut story, id, 1);
    (story, id)
}

fn begin(story: &mut Story, id: ConnectionId, stream: u32) {
    let rule = story.defaults();
    let seed = u64::from(stream);
    story
        .engine
        .stream_started(id, StreamId(stream), &rule, seed);
    story.read(id, u64::from(stream), stream);
}

fn ended(effects: &[Effect]) -> Vec<u32> {
    let stream = |effect: &Effect| match effect {
        Effect::EndStream { stream, .. } => Some(stream.0),
        _ => None,
    };
    effects.iter().filter_map(stream).collect()
}

#[test]
fn it_ends_once_the_end_of_its_connection_is_announced() {
    let (mut story, id) = open("");
    story.engine.stream_response_started(id, StreamId(1));
    story.at(3600);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxStreamAge)]
    );

    let decision = story.write(id, 1, 1, active(ANY_TIME));

    assert_eq!(decision, Decision::Drain(DrainReason::MaxStreamAge));
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
fn alone_on_its_connection_it_ends_whoever_the_client_is() {
    for more in ["", r#", "http2": {"last_stream_id": "exact"}"#] {
        let (mut story, id) = open(more);
        story.at(11);
        let point = active(WHEN_IDLE);
        assert_eq!(story.write(id, 1, 1, point), Decision::PassThrough);
        story.at(12);
        assert_eq!(
            story.write(id, 1, 1, point),
            Decision::Drain(DrainReason::MaxStreamAge)
        );
    }
}

#[test]
fn client_that_does_not_tolerate_it_is_not_told_while_other_calls_are_open() {
    for (client, more) in [
        (WHEN_IDLE, ""),
        (WHEN_IDLE, r#", "http2": {"last_stream_id": "exact"}"#),
    ] {
        let (mut story, id) = open(more);
        story.at(11);
        assert_eq!(story.write(id, 2, 2, active(client)), Decision::PassThrough);
        assert_eq!(
            story.effects(),
            [Effect::DrainPending(id, DrainReason::MaxStreamAge)]
        );
        for second in [12, 13] {
            story.at(second);
            assert_eq!(story.write(id, 2, 2, active(client)), Decision::PassThrough);
        }
        assert_eq!(story.effects(), [Effect::Deferred(id)]);

        let decision = story.write(id, 2, 1, active(client));

        assert_eq!(decision, Decision::Drain(DrainReason::MaxStreamAge));
    }
}

#[test]
fn client_that_tolerates_it_is_told_while_other_calls_are_open() {
    let (mut story, id) = open("");
    story.at(13);
    let decision = story.write(id, 2, 2, active(ANY_TIME));
    assert_eq!(decision, Decision::Drain(DrainReason::MaxStreamAge));
}

#[test]
fn it_ends_at_its_age_where_its_connection_was_told_for_another_reason() {
    let (mut story, id) = open(r#", "max_requests_per_connection": 1"#);
    story.at(3);
    story.write(id, 1, 1, active(ANY_TIME));
    story.at(6);
    assert_eq!(
        story.write(id, 1, 1, active(ANY_TIME)),
        Decision::Drain(DrainReason::MaxRequestsPerConnection)
    );
    story.at(9);
    assert!(ended(&story.effects()).is_empty());
    story.at(10);
    assert_eq!(ended(&story.effects()), [1]);
}

#[test]
fn a_stream_that_ends_by_itself_takes_its_reason_along() {
    let (mut story, id) = open("");
    story.at(11);
    story.engine.stream_ended(id, StreamId(1));
    story.at(20);
    assert_eq!(
        story.write(id, 1, 0, stream_end(ANY_TIME)),
        Decision::PassThrough
    );
    assert_eq!(story.engine.closed(id), Some(ConnectionEnd::NotDrained));
}

#[test]
fn streams_of_a_connection_end_one_in_a_tick() {
    let (mut story, id) = open("");
    begin(&mut story, id, 2);
    begin(&mut story, id, 3);
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
fn jitter_spreads_their_ages_downwards() {
    let mut story = Story::rule(AGED);
    let rule = Rc::new(Rule {
        jitter: evenkeel_policy::Jitter::new(0.5).unwrap(),
        ..(*story.defaults()).clone()
    });
    for id in 1..=200 {
        let id = story.open(id);
        story.engine.stream_started(id, StreamId(1), &rule, id.0);
    }
    let due_by = |story: &mut Story, seconds| {
        story.at(seconds);
        story.effects().len()
    };
    assert_eq!(due_by(&mut story, 4), 0);
    let half = due_by(&mut story, 7) + due_by(&mut story, 8);
    assert!((60..180).contains(&half), "{half}");
    assert_eq!(half + due_by(&mut story, 10), 200);
}

#[test]
fn a_rule_that_protects_spares_its_streams() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"grpc": {"max_stream_age": "10s"}, "max_connection_age": "off"},
        "routes": [{"name": "watch", "match": {"path_prefix": "/w"}, "protect": true}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let rule = story.route("watch");
    story.engine.stream_started(id, StreamId(1), &rule, 1);
    story.at(3600);
    assert_eq!(story.effects(), []);
}

#[test]
fn observing_says_it_once_for_each_stream() {
    let policy = r#"{"version": 1, "mode": "dry_run", "budget": "off",
        "defaults": {"jitter": 0, "max_connection_age": "off", "grpc": {"max_stream_age": "10s"}, "http2": {"idle_wait": "0s"}}}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    begin(&mut story, id, 1);
    story.at(11);
    let reason = DrainReason::MaxStreamAge;
    for _ in 0..3 {
        assert_eq!(
            story.write(id, 1, 1, active(ANY_TIME)),
            Decision::PassThrough
        );
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
fn a_changed_policy_holds_for_streams_that_are_open() {
    let (mut story, id) = open("");
    let longer =
        Story::rule(r#""max_connection_age": "off", "grpc": {"max_stream_age": "20s"}"#).defaults();
    story.at(5);
    story
        .engine
        .apply_policy(ORIGIN.policy, Mode::Enforce, |_, _, _| {
            Some(Rc::clone(&longer))
        });
    story.at(19);
    assert_eq!(story.effects(), []);
    story.at(20);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxStreamAge)]
    );
}

#[test]
fn no_more_than_a_stated_number_are_timed() {
    let mut story = Story::rule(AGED);
    let id = story.open(1);
    for stream in 0..10_000 {
        begin(&mut story, id, stream);
    }
    assert!(size_of::<TimedStream>() <= 32);
    story.at(13);
    story.write(id, 1, 1, active(ANY_TIME));
    story.effects();
    story.pass(Duration::from_secs(200));
    assert_eq!(ended(&story.effects()).len(), MAX_TIMED);
}

#[test]
fn a_write_looks_at_no_stream_however_many_are_open() {
    let mut story = Story::rule(AGED);
    let id = story.open(1);
    for stream in 0..1000 {
        begin(&mut story, id, stream);
    }
    let before = EXPIRIES_COMPUTED.get();

    for seconds in 1..=100 {
        story.at(seconds);
        story.write(id, 1000, 1000, active(WHEN_IDLE));
    }

    // Since the eleventh second one ends in each tick, and is looked at when it is taken out.
    let ended = ended(&story.effects()).len() as u64;
    assert!(ended > 800, "{ended}");
    assert_eq!(EXPIRIES_COMPUTED.get() - before, ended);
}

#[test]
fn beginning_and_ending_a_stream_looks_at_no_other() {
    let mut story = Story::rule(AGED);
    let id = story.open(1);
    for stream in 0..1000 {
        begin(&mut story, id, stream);
    }
    let before = EXPIRIES_COMPUTED.get();

    story.engine.stream_response_started(id, StreamId(500));
    story.engine.stream_ended(id, StreamId(500));
    begin(&mut story, id, 1001);

    assert_eq!(EXPIRIES_COMPUTED.get() - before, 2);
}
