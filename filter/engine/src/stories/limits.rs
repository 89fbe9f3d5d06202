//! When a connection expires.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn expired_connection_is_drained_with_the_next_response() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "60s"})).with_connection();
    assert_eq!(story.exchange(id, 1), PASS);
    story.at(59);
    assert_eq!(story.exchange(id, 2), PASS);
    story.at(61);
    assert_eq!(story.exchange(id, 3), DRAIN_BY_AGE);
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::AfterSignal(DrainReason::MaxConnectionAge))
    );
    assert_eq!(story.effects(), [expired(id)]);
    assert_eq!((story.engine.len(), story.engine.timers()), (0, 0));
}

#[test]
fn idle_http_connection_is_never_closed_without_a_signal() {
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "60s", "drain_timeout": "1s"})).with_connection();
    story.at(86_400);
    assert_eq!(story.effects(), [expired(id)]);
    assert_eq!(story.exchange(id, 1), DRAIN_BY_AGE);
}

#[test]
fn last_request_gets_the_signal_in_its_own_response() {
    let (mut story, id) = Story::rule(json!({"max_requests_per_connection": 2})).with_connection();
    assert_eq!(story.exchange(id, 1), PASS);
    assert_eq!(story.exchange(id, 2), DRAIN_BY_REQUESTS);
}

#[test]
fn jitter_shortens_and_spreads_ages() {
    let mut story = Story::new(json!({"defaults": {"max_connection_age": "100s", "jitter": 0.5}}));
    for id in 0..1000 {
        story.open(id);
    }
    let mut expired_by_second = Vec::new();
    for second in 1..=101 {
        story.at(second);
        expired_by_second.push(story.effects().len());
    }
    assert_eq!(expired_by_second.iter().take(49).sum::<usize>(), 0);
    assert_eq!(expired_by_second.iter().sum::<usize>(), 1000);
    assert!(
        expired_by_second
            .iter()
            .skip(50)
            .take(49)
            .all(|&count| (5..=40).contains(&count)),
        "{expired_by_second:?}"
    );
}

#[test]
fn jitter_shortens_and_spreads_request_counts() {
    let mut story = Story::new(
        json!({"budget": "off", "defaults": {"max_requests_per_connection": 100, "jitter": 0.2}}),
    );
    let mut seen = std::collections::BTreeSet::new();
    for id in 0..200 {
        let id = story.open(id);
        let last = (1..=100)
            .find(|&request| story.exchange(id, request) != PASS)
            .unwrap();
        assert!((80..=100).contains(&last), "{last}");
        seen.insert(last);
    }
    assert!(seen.len() > 15, "{seen:?}");
}

#[test]
fn min_connection_age_delays_every_limit() {
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "min_connection_age": "10s"}))
            .with_connection();
    assert_eq!(story.exchange(id, 1), PASS);
    story.at(9);
    assert_eq!(story.exchange(id, 2), PASS);
    story.at(10);
    assert_eq!(story.exchange(id, 3), DRAIN_BY_REQUESTS);
}

#[test]
fn mean_connection_age_is_memoryless() {
    let mut story =
        Story::rule(json!({"max_connection_age": "off", "mean_connection_age": "100s"}));
    for id in 0..4000 {
        story.open(id);
    }
    let mut left = 4000_f64;
    for hundred in 1..=3 {
        story.at(hundred * 100);
        let gone = story.effects().len() as f64;
        let share = gone / left;
        assert!(
            (0.57..0.69).contains(&share),
            "in every hundred seconds 63 % of those left go, not {share}"
        );
        left -= gone;
    }
}

#[test]
fn age_takes_precedence_and_counts_as_one_drain() {
    let (mut story, id) = Story::rule(
        json!({"max_connection_age": "10s", "max_requests_per_connection": 1, "min_connection_age": "10s"}),
    ).with_connection();
    story.read(id, 1, 1);
    story.at(11);
    assert_eq!(
        story.write(id, 1, 0, DrainPoint::ResponseHead),
        DRAIN_BY_AGE
    );
    assert_eq!(story.effects(), [expired(id)]);
}

#[test]
fn remaining_time_is_at_least_a_minute() {
    let (mut story, id) =
        Story::rule(json!({"max_connection_age": "200s", "max_requests_per_connection": 10}))
            .with_connection();
    story.exchange(id, 1);
    story.at(20);
    let remaining = |story: &Story| {
        let connection = story.engine.connection(id).unwrap();
        connection.remaining(story.engine.now())
    };
    assert_eq!(remaining(&story), (Some(Duration::from_secs(180)), Some(9)));
    story.at(190);
    assert_eq!(remaining(&story), (Some(Duration::from_secs(60)), Some(9)));
}
