//! A pod that lies about itself and others.

use std::time::Duration;

use evenkeel_test_module::pods::message;

use super::scene::{OTHERS, Scene};

const OFF: &str = r#""off""#;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// How many of 100 connections a liar moves within a minute, of a pod that carries as much as the three
/// honest ones. It is told the time, and tells something in every fourth answer.
fn moved_by(liar: impl Fn(Duration) -> String, budget: &str) -> usize {
    let keys = format!(r#""rebalance": {{"min_connections": 20}}, "budget": {budget}"#);
    let mut scene = Scene::new(&keys);
    let mut turn = 0;
    for _ in 0..66 {
        scene.hear(|now| {
            turn += 1;
            match turn % 4 {
                0 => liar(now),
                other => message(now, [(OTHERS[other - 1], 100)]),
            }
        });
    }
    scene.told.iter().sum()
}

/// Itself and so many that it invents, from this id on.
fn crowd(first: u64, invented: u64, connections: u64) -> Vec<(u64, u64)> {
    (first..=first + invented)
        .map(|id| (id, connections))
        .collect()
}

/// An id that no pod had a moment ago.
fn other_id(now: Duration) -> u64 {
    u64::try_from(now.as_nanos()).unwrap_or_default()
}

#[test]
fn a_liar_moves_no_more_than_rate_and_budget_allow() {
    // At the default rate a hundredth of the mean a second: never more than 60 in a minute. The more pods
    // are invented the lower is the mean that results, and with it the pace.
    let few = moved_by(|now| message(now, crowd(1000, 1, 0)), OFF);
    assert!((16..=34).contains(&few), "{few}");
    let hundreds = moved_by(|now| message(now, crowd(other_id(now), 32, 0)), OFF);
    assert!(hundreds <= 3, "{hundreds}");
    // It poses as one of the others, with later news than that one has itself: as good as one liar more.
    let posing = moved_by(|now| message(now + YEAR, [(OTHERS[0], 0)]), OFF);
    assert!(posing <= 34, "{posing}");

    let budget = r#"{"per_second": 0.1, "burst": 1}"#;
    let within = moved_by(|now| message(now, crowd(1000, 1, 0)), budget);
    assert!(within <= 7, "{within}");
}

#[test]
fn a_liar_moves_nothing_by_later_news_of_pods_that_send_their_own() {
    let about_all = |now| {
        let others = OTHERS.map(|id| (id, 0));
        message(now + YEAR, [(1000, 100)].into_iter().chain(others))
    };
    assert_eq!(moved_by(about_all, OFF), 0);
}

#[test]
fn a_liar_that_claims_millions_of_connections_moves_nothing() {
    let millions = |now| message(now, crowd(other_id(now), 32, 1_000_000));
    assert_eq!(moved_by(millions, OFF), 0);
}
