//! A pod to which no new connections are sent any more.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// A pod that was last asked so many seconds ago, and still tells of itself.
fn draining(asked: f64, load: f64) -> OwnReport {
    OwnReport {
        asked: Some(Duration::from_secs_f64(asked)),
        ..pod(2, load)
    }
}

fn estimate(other: OwnReport) -> (usize, bool) {
    let view = knowing(&[other, pod(3, 100.0)], NOON);
    let known = view.estimate(&pod(1, 100.0), RULES, NOON).unwrap();
    (known.peers, known.settled)
}

#[test]
fn it_leaves_the_mean_and_unsettles_the_others_for_a_while() {
    assert_eq!(estimate(draining(5.0, 100.0)), (2, true));
    assert_eq!(estimate(draining(5.1, 100.0)), (1, false));
    assert_eq!(estimate(draining(10.0, 100.0)), (1, false));
    assert_eq!(estimate(draining(10.1, 100.0)), (1, true));
}

#[test]
fn one_that_has_nothing_left_to_drain_unsettles_nobody() {
    assert_eq!(estimate(draining(7.0, 0.0)), (1, true));
}

#[test]
fn one_that_is_merely_not_heard_of_unsettles_nobody() {
    let mut view = knowing(&[pod(2, 100.0)], NOON);
    let now = later(7.0);
    hears(
        &mut view,
        &View::default().write_message(&pod(3, 0.0), now, 0),
        now,
    );

    let known = view.estimate(&pod(1, 100.0), RULES, now).unwrap();

    assert_eq!((known.peers, known.settled), (1, true));
}
