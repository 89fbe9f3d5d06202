//! When a connection falls due.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn a_connection_past_its_age_is_announced_in_the_next_answer_and_the_client_closes_it() {
    let mut story = Story::rule(r#""max_connection_age": "60s""#);
    let id = story.open(1);
    assert_eq!(story.exchange(id, 1), Decision::PassThrough);
    story.at(59);
    assert_eq!(story.exchange(id, 2), Decision::PassThrough);
    story.at(61);
    assert_eq!(
        story.exchange(id, 3),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
    assert_eq!(
        story.engine.closed(id),
        Some(ConnectionEnd::AfterSignal(DrainReason::MaxConnectionAge))
    );
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
    assert_eq!((story.engine.len(), story.engine.timers()), (0, 0));
}

#[test]
fn an_idle_connection_past_its_age_is_never_cut_unannounced() {
    let mut story = Story::rule(r#""max_connection_age": "60s", "drain_timeout": "1s""#);
    let id = story.open(1);
    story.at(86_400);
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
    assert_eq!(
        story.exchange(id, 1),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn the_last_request_is_announced_in_its_own_answer() {
    let mut story = Story::rule(r#""max_requests_per_connection": 2"#);
    let id = story.open(1);
    assert_eq!(story.exchange(id, 1), Decision::PassThrough);
    assert_eq!(
        story.exchange(id, 2),
        Decision::Drain(DrainReason::MaxRequestsPerConnection)
    );
}

#[test]
fn jitter_only_shortens_and_spreads() {
    let mut story =
        Story::new(r#"{"version": 1, "defaults": {"max_connection_age": "100s", "jitter": 0.5}}"#);
    for id in 0..1000 {
        story.open(id);
    }
    let mut due = Vec::new();
    for second in 1..=101 {
        story.at(second);
        due.push(story.effects().len());
    }
    assert_eq!(due.iter().take(49).sum::<usize>(), 0);
    assert_eq!(due.iter().sum::<usize>(), 1000);
    assert!(
        due.iter()
            .skip(50)
            .take(49)
            .all(|&count| (5..=40).contains(&count)),
        "{due:?}"
    );
}

#[test]
fn jitter_keeps_the_last_request_a_limit() {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off", "defaults": {"max_requests_per_connection": 100, "jitter": 0.2}}"#,
    );
    let mut seen = std::collections::BTreeSet::new();
    for id in 0..200 {
        let id = story.open(id);
        let last = (1..=100)
            .find(|&request| story.exchange(id, request) != Decision::PassThrough)
            .unwrap();
        assert!((80..=100).contains(&last), "{last}");
        seen.insert(last);
    }
    assert!(seen.len() > 15, "{seen:?}");
}

#[test]
fn min_age_holds_every_limit_back() {
    let mut story = Story::rule(r#""max_requests_per_connection": 1, "min_connection_age": "10s""#);
    let id = story.open(1);
    assert_eq!(story.exchange(id, 1), Decision::PassThrough);
    story.at(9);
    assert_eq!(story.exchange(id, 2), Decision::PassThrough);
    story.at(10);
    assert_eq!(
        story.exchange(id, 3),
        Decision::Drain(DrainReason::MaxRequestsPerConnection)
    );
}

#[test]
fn a_mean_age_is_memoryless() {
    let mut story = Story::rule(r#""max_connection_age": "off", "mean_connection_age": "100s""#);
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
fn of_several_reasons_the_age_is_told_and_it_counts_as_one_move() {
    let mut story = Story::rule(
        r#""max_connection_age": "10s", "max_requests_per_connection": 1, "min_connection_age": "10s""#,
    );
    let id = story.open(1);
    story.read(id, 1, 1);
    story.at(11);
    assert_eq!(
        story.write(id, 1, 0, DrainPoint::ResponseHead),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
    assert_eq!(
        story.effects(),
        [Effect::DrainPending(id, DrainReason::MaxConnectionAge)]
    );
}

#[test]
fn what_is_left_is_told_truthfully_but_never_less_than_a_minute() {
    let mut story =
        Story::rule(r#""max_connection_age": "200s", "max_requests_per_connection": 10"#);
    let id = story.open(1);
    story.exchange(id, 1);
    story.at(20);
    assert_eq!(
        story.engine.remaining(id),
        (Some(Duration::from_secs(180)), Some(9))
    );
    story.at(190);
    assert_eq!(
        story.engine.remaining(id),
        (Some(Duration::from_secs(60)), Some(9))
    );
}
