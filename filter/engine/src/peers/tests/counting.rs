//! Who counts, and how much.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn estimate(own: &OwnReport, others: &[OwnReport]) -> Option<Estimate> {
    knowing(others, NOON).estimate(own, RULES, NOON)
}

#[test]
fn the_mean_is_of_all_and_oneself() {
    let known = estimate(&pod(1, 100.0), &[pod(2, 50.0), pod(3, 0.0)]).unwrap();
    assert_eq!(
        known,
        Estimate {
            peers: 2,
            mean: 50.0,
            fair: 50.0,
            most: 50.0,
            settled: true
        }
    );
}

#[test]
fn each_measure_is_compared_by_itself() {
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
        let view = knowing(&[other], NOON);
        let known = view.estimate(&pod(1, 0.0), rules, NOON).unwrap();
        assert_eq!(known.mean, mean, "{measure:?}");
    }
}

#[test]
fn alone_nothing_is_known() {
    assert_eq!(estimate(&pod(1, 100.0), &[]), None);
}

#[test]
fn a_pod_that_was_never_asked_does_not_count() {
    let starting = OwnReport {
        asked: None,
        uptime: Duration::ZERO,
        ..pod(2, 0.0)
    };
    assert_eq!(estimate(&pod(1, 100.0), &[starting]), None);
    let known = estimate(&pod(1, 100.0), &[starting, pod(3, 100.0)]).unwrap();
    assert_eq!((known.peers, known.mean, known.settled), (1, 100.0, true));
}

#[test]
fn a_pod_that_is_not_heard_of_any_more_leaves_the_mean_after_five_times_every() {
    let view = knowing(&[pod(2, 0.0)], NOON);
    let at = |now| view.estimate(&pod(1, 100.0), RULES, now);
    assert_eq!(at(later(4.8)).map(|known| known.mean), Some(50.0));
    assert_eq!(at(later(4.9)), None);
}

#[test]
fn a_heavier_pod_should_carry_more() {
    let heavy = OwnReport {
        weight: 3.0,
        ..pod(2, 300.0)
    };
    let known = estimate(&pod(1, 100.0), &[heavy]).unwrap();
    assert_eq!((known.mean, known.fair), (100.0, 100.0));
    assert_eq!(RULES.weigh(&heavy), 3.0);
}

#[test]
fn a_pod_in_its_slow_start_should_carry_the_part_of_its_share_that_its_uptime_is_of_it() {
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
        let young = OwnReport {
            weight: 2.0,
            uptime: seconds(uptime),
            ..pod(2, 0.0)
        };

        let others = knowing(&[young], NOON);
        let known = others.estimate(&pod(1, 100.0), rules, NOON).unwrap();

        assert!((rules.weigh(&young) - weight).abs() < 1e-9, "{uptime}");
        assert!(
            (known.mean - 100.0 / (1.0 + weight)).abs() < 1e-9,
            "{uptime}"
        );
        assert_eq!(known.mean, known.fair, "{uptime}");
    }
}

#[test]
fn a_report_grows_up_while_it_is_held() {
    let rules = Rules {
        slow_start: seconds(10.0),
        stabilization_window: seconds(2.0),
        ..RULES
    };
    let young = OwnReport {
        uptime: seconds(1.0),
        ..pod(2, 0.0)
    };
    let view = knowing(&[young], NOON);

    let early = view.estimate(&pod(1, 110.0), rules, NOON).unwrap();
    let late = view.estimate(&pod(1, 110.0), rules, later(4.0)).unwrap();

    assert_eq!((early.mean.round(), early.settled), (100.0, false));
    assert_eq!((late.mean.round(), late.settled), (73.0, true));
}

#[test]
fn nothing_is_settled_while_one_that_counts_is_young_be_it_oneself() {
    let young = |id| OwnReport {
        uptime: seconds(4.9),
        ..pod(id, 0.0)
    };
    let grown = |id| OwnReport {
        uptime: seconds(5.0),
        ..pod(id, 0.0)
    };
    let settled = |own, other| estimate(&own, &[other]).unwrap().settled;
    assert!(settled(grown(1), grown(2)));
    assert!(!settled(grown(1), young(2)));
    assert!(!settled(young(1), grown(2)));
}
