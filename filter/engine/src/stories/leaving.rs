//! How it goes once its end is announced, or would have been.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn a_client_that_stays_after_its_announcement_is_closed_when_nothing_is_owed() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "2s""#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.pass(Duration::from_millis(1900));
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(
            id,
            DrainReason::MaxRequestsPerConnection
        )]
    );
    story.pass(Duration::from_millis(200));
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason: DrainReason::MaxRequestsPerConnection,
            aborted: 0
        }]
    );
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::ClosedByEngine(
            DrainReason::MaxRequestsPerConnection
        ))
    );
}

#[test]
fn a_request_that_was_on_its_way_is_served_and_lingering_begins_anew() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "close_delay": "2s""#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.pass(Duration::from_secs(1));
    story.read(id, 2, 1);
    story.pass(Duration::from_secs(60));
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(
            id,
            DrainReason::MaxRequestsPerConnection
        )]
    );
    assert_eq!(
        story.write(id, 2, 0, DrainPoint::ResponseHead),
        Decision::RepeatSignal
    );
    story.pass(Duration::from_secs(1));
    assert_eq!(story.effects(), []);
    story.pass(Duration::from_secs(1));
    assert_eq!(
        story.effects(),
        [Effect::Close {
            id,
            reason: DrainReason::MaxRequestsPerConnection,
            aborted: 0
        }]
    );
}

#[test]
fn what_is_owed_is_served_for_ever_without_a_grace_and_cut_after_it_with_one() {
    for (drain_timeout, expected) in [("off", None), ("5s", Some(3))] {
        let mut story = Story::rule(&format!(
            r#""max_connection_age": "1s", "http2": {{"idle_wait": "0s"}}, "drain_timeout": "{drain_timeout}""#
        ));
        let id = story.open(1);
        story.at(2);
        story.read(id, 3, 3);
        assert_eq!(
            story.write(id, 3, 3, active(ANY_TIME)),
            Decision::Drain(DrainReason::MaxConnectionAge)
        );
        story.pass(Duration::from_millis(4900));
        assert_eq!(
            story.effects(),
            [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
        );
        story.pass(Duration::from_secs(3600));
        let closes: Vec<_> = expected
            .map(|aborted| Effect::Close {
                id,
                reason: DrainReason::MaxConnectionAge,
                aborted,
            })
            .into_iter()
            .collect();
        assert_eq!(story.effects(), closes);
    }
}

#[test]
fn observing_tells_what_would_have_moved_and_counts_from_there_anew() {
    let mut story = Story::new(
        r#"{"version": 1, "mode": "dry_run", "defaults": {"max_connection_age": "10s", "jitter": 0}}"#,
    );
    let id = story.open(1);
    story.at(11);
    assert_eq!(story.exchange(id, 1), Decision::PassThrough);
    assert_eq!(
        story.effects(),
        [
            Effect::DrainPending(id, DrainReason::MaxConnectionAge),
            Effect::DryRunDrain(id, DrainReason::MaxConnectionAge)
        ]
    );
    story.at(20);
    assert_eq!(story.exchange(id, 2), Decision::PassThrough);
    assert_eq!(story.effects(), []);
    story.at(22);
    story.exchange(id, 3);
    assert_eq!(
        story.effects(),
        [
            Effect::DrainPending(id, DrainReason::MaxConnectionAge),
            Effect::DryRunDrain(id, DrainReason::MaxConnectionAge)
        ]
    );
    assert_eq!(story.engine.closed(id), Some(ConnectionEnd::NotDrained));
}
