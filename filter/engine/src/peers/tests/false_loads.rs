//! The effect of false loads on an estimate.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const LOAD: f64 = 100.0;

/// The most extreme reports.
fn false_reports() -> impl Iterator<Item = OwnReport> {
    [0.0, 1.0, 1e3, 1e7].into_iter().flat_map(|load| {
        [0.001, 1.0, 4.0, 1e6].map(|weight| OwnReport {
            weight,
            ..pod(666, load)
        })
    })
}

fn fair(others: &[OwnReport]) -> f64 {
    let view = view_of(others, NOON);
    view.estimate(&pod(1, LOAD), RULES, NOON).unwrap().fair
}

#[test]
fn one_false_report_changes_the_fair_load_by_no_more_than_documented() {
    for correct in [1, 2, 7, 49, 199] {
        let mut others: Vec<_> = (2..2 + correct).map(|id| pod(id, LOAD)).collect();
        let without = fair(&others);
        let n = correct as f64 + 1.0;
        for false_report in false_reports() {
            others.push(false_report);
            let with = fair(&others);
            others.pop();
            assert!(
                with >= without * n / (n + 4.0) - 1e-9,
                "{n} {false_report:?}: {with}"
            );
            assert!(
                with <= without + LOAD * 16.0 / (n + 4.0),
                "{n} {false_report:?}: {with}"
            );
        }
    }
}

#[test]
fn only_other_pod_changes_the_fair_load_by_no_more_than_documented() {
    for false_report in false_reports() {
        let with = fair(&[false_report]);
        assert!(
            (LOAD / 5.0..=LOAD * 4.0).contains(&with),
            "{false_report:?}: {with}"
        );
    }
}

#[test]
fn fair_load_is_at_most_four_times_the_own_load() {
    let invented: Vec<_> = (2..2 + MAX_PEERS as u64).map(|id| pod(id, 1e7)).collect();
    assert!(fair(&invented) <= 4.0 * LOAD);
}

#[test]
fn invented_pods_lower_the_fair_load_and_with_it_the_drain_rate() {
    let invented: Vec<_> = (2..2 + MAX_PEERS as u64).map(|id| pod(id, 0.0)).collect();
    assert!((fair(&invented) - LOAD / 257.0).abs() < 1e-9);
}

#[test]
fn mean_is_not_bounded() {
    let view = view_of(&[pod(2, 1e6)], NOON);
    let estimate = view.estimate(&pod(1, LOAD), RULES, NOON).unwrap();
    assert_eq!((estimate.mean, estimate.fair), (500_050.0, 250.0));
}

#[test]
fn invented_report_is_forgotten_like_any_other() {
    let mut view = View::default();
    let false_report = message(&["[2,0,0,0,0,1000,3153600000000,0,0]"]);
    receive(&mut view, &false_report, NOON);
    let now = later(10.1);

    view.forget(now, INTERVAL);
    receive(
        &mut view,
        &View::default().write_message(&pod(2, LOAD), now, 0),
        now,
    );

    let estimate = view.estimate(&pod(1, LOAD), RULES, now).unwrap();
    assert_eq!(estimate.mean, LOAD);
}
