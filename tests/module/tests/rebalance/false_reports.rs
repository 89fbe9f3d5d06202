//! A pod that sends false reports about itself and others.

use std::time::Duration;

use evenkeel_test_module::pods::message;

use super::service::{OTHERS, Service};

const OFF: &str = r#""off""#;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Returns how many of 100 connections false reports drain within a minute, on a pod with the same load as the three correct
/// ones. `false_report` writes every fourth response, for the given time.
fn drained_by_false_reports(false_report: impl Fn(Duration) -> String, budget: &str) -> usize {
    let keys = format!(r#""rebalance": {{"min_connections": 20}}, "budget": {budget}"#);
    let mut service = Service::new(&keys);
    let mut turn = 0;
    for _ in 0..66 {
        service.second_with_responses(|now| {
            turn += 1;
            match turn % 4 {
                0 => false_report(now),
                other => message(now, [(OTHERS[other - 1], 100)]),
            }
        });
    }
    service.drained.iter().sum()
}

/// The pod and its invented pods, from this id on.
fn invented_pods(first: u64, invented: u64, connections: u64) -> Vec<(u64, u64)> {
    (first..=first + invented)
        .map(|id| (id, connections))
        .collect()
}

/// An id that no pod had before.
fn other_id(now: Duration) -> u64 {
    u64::try_from(now.as_nanos()).unwrap_or_default()
}

#[test]
fn false_reports_drain_no_more_than_rate_and_budget_allow() {
    // At the default rate, a hundredth of the mean per second: at most 60 in a minute. More invented
    // pods lower the mean and so the rate.
    let few = drained_by_false_reports(|now| message(now, invented_pods(1000, 1, 0)), OFF);
    assert!((16..=34).contains(&few), "{few}");
    let hundreds =
        drained_by_false_reports(|now| message(now, invented_pods(other_id(now), 32, 0)), OFF);
    assert!(hundreds <= 3, "{hundreds}");
    // The report is about one of the others, and later than its own: it counts like another false report.
    let posing = drained_by_false_reports(|now| message(now + YEAR, [(OTHERS[0], 0)]), OFF);
    assert!(posing <= 34, "{posing}");

    let budget = r#"{"per_second": 0.1, "burst": 1}"#;
    let within = drained_by_false_reports(|now| message(now, invented_pods(1000, 1, 0)), budget);
    assert!(within <= 7, "{within}");
}

#[test]
fn false_reports_about_other_pods_drain_nothing() {
    let about_all = |now| {
        let others = OTHERS.map(|id| (id, 0));
        message(now + YEAR, [(1000, 100)].into_iter().chain(others))
    };
    assert_eq!(drained_by_false_reports(about_all, OFF), 0);
}

#[test]
fn report_of_millions_of_connections_drains_nothing() {
    let millions = |now| message(now, invented_pods(other_id(now), 32, 1_000_000));
    assert_eq!(drained_by_false_reports(millions, OFF), 0);
}
