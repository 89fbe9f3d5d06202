//! Which pods count in an estimate, and how much.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn estimate(own: &OwnReport, others: &[OwnReport]) -> Option<Estimate> {
    view_of(others, NOON).estimate(own, RULES, NOON)
}

#[test]
fn mean_includes_the_own_load() {
    let estimate = estimate(&pod(1, 100.0), &[pod(2, 50.0), pod(3, 0.0)]).unwrap();
    assert_eq!(
        estimate,
        Estimate {
            peers: 2,
            mean: 50.0,
            fair: 50.0,
            highest: 50.0,
            is_stable: true
        }
    );
}

#[test]
fn each_measure_has_its_own_mean() {
    let other = OwnReport {
        load: Load {
            connections: 10.0,
            active: 0.0,
            requests: 200.0,
            bytes: 3000.0,
        },
        ..pod(2, 0.0)
    };
    for (measure, mean) in [
        (Measure::Connections, 5.0),
        (Measure::Requests, 100.0),
        (Measure::Bytes, 1500.0),
    ] {
        let rules = Rules { measure, ..RULES };
        let view = view_of(&[other], NOON);
        let estimate = view.estimate(&pod(1, 0.0), rules, NOON).unwrap();
        assert_eq!(estimate.mean, mean, "{measure:?}");
    }
}

#[test]
fn estimate_needs_another_pod() {
    assert_eq!(estimate(&pod(1, 100.0), &[]), None);
}

#[test]
fn pod_without_peer_requests_does_not_count() {
    let starting = OwnReport {
        since_peer_request: None,
        uptime: Duration::ZERO,
        ..pod(2, 0.0)
    };
    assert_eq!(estimate(&pod(1, 100.0), &[starting]), None);
    let estimate = estimate(&pod(1, 100.0), &[starting, pod(3, 100.0)]).unwrap();
    assert_eq!(
        (estimate.peers, estimate.mean, estimate.is_stable),
        (1, 100.0, true)
    );
}

#[test]
fn pod_without_new_reports_leaves_the_mean_after_five_intervals() {
    let view = view_of(&[pod(2, 0.0)], NOON);
    let at = |now| view.estimate(&pod(1, 100.0), RULES, now);
    assert_eq!(at(later(4.8)).map(|estimate| estimate.mean), Some(50.0));
    assert_eq!(at(later(4.9)), None);
}

#[test]
fn share_is_proportional_to_weight() {
    let heavy = OwnReport {
        weight: 3.0,
        ..pod(2, 300.0)
    };
    let estimate = estimate(&pod(1, 100.0), &[heavy]).unwrap();
    assert_eq!((estimate.mean, estimate.fair), (100.0, 100.0));
    assert_eq!(RULES.effective_weight(&heavy), 3.0);
}

#[test]
fn share_grows_with_uptime_during_slow_start() {
    let rules = Rules {
        slow_start: seconds(100.0),
        ..RULES
    };
    for (uptime, weight) in [
        (0.0, 0.1),
        (1.0, 0.1),
        (25.0, 0.5),
        (100.0, 2.0),
        (1e6, 2.0),
    ] {
        let new = OwnReport {
            weight: 2.0,
            uptime: seconds(uptime),
            ..pod(2, 0.0)
        };

        let others = view_of(&[new], NOON);
        let estimate = others.estimate(&pod(1, 100.0), rules, NOON).unwrap();

        assert!(
            (rules.effective_weight(&new) - weight).abs() < 1e-9,
            "{uptime}"
        );
        assert!(
            (estimate.mean - 100.0 / (1.0 + weight)).abs() < 1e-9,
            "{uptime}"
        );
        assert_eq!(estimate.mean, estimate.fair, "{uptime}");
    }
}

#[test]
fn uptime_in_a_report_grows_with_its_age() {
    let rules = Rules {
        slow_start: seconds(10.0),
        stabilization_window: seconds(2.0),
        ..RULES
    };
    let new = OwnReport {
        uptime: seconds(1.0),
        ..pod(2, 0.0)
    };
    let view = view_of(&[new], NOON);

    let early = view.estimate(&pod(1, 110.0), rules, NOON).unwrap();
    let late = view.estimate(&pod(1, 110.0), rules, later(4.0)).unwrap();

    assert_eq!((early.mean.round(), early.is_stable), (100.0, false));
    assert_eq!((late.mean.round(), late.is_stable), (73.0, true));
}

#[test]
fn pods_are_unstable_while_one_of_them_is_new() {
    let new = |id| OwnReport {
        uptime: seconds(4.9),
        ..pod(id, 0.0)
    };
    let grown = |id| OwnReport {
        uptime: seconds(5.0),
        ..pod(id, 0.0)
    };
    let is_stable = |own, other| estimate(&own, &[other]).unwrap().is_stable;
    assert!(is_stable(grown(1), grown(2)));
    assert!(!is_stable(grown(1), new(2)));
    assert!(!is_stable(new(1), grown(2)));
}
