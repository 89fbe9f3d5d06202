//! A pod that gets no new connections any more.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// A pod that got its last peer request `since` seconds ago, and still sends reports.
fn terminating(since: f64, load: f64) -> OwnReport {
    OwnReport {
        since_peer_request: Some(Duration::from_secs_f64(since)),
        ..pod(2, load)
    }
}

fn estimate(other: OwnReport) -> (usize, bool) {
    let view = view_of(&[other, pod(3, 100.0)], NOON);
    let estimate = view.estimate(&pod(1, 100.0), RULES, NOON).unwrap();
    (estimate.peers, estimate.is_stable)
}

#[test]
fn terminating_pod_leaves_the_mean_and_pauses_the_others() {
    assert_eq!(estimate(terminating(5.0, 100.0)), (2, true));
    assert_eq!(estimate(terminating(5.1, 100.0)), (1, false));
    assert_eq!(estimate(terminating(10.0, 100.0)), (1, false));
    assert_eq!(estimate(terminating(10.1, 100.0)), (1, true));
}

#[test]
fn terminating_pod_without_connections_pauses_no_other() {
    assert_eq!(estimate(terminating(7.0, 0.0)), (1, true));
}

#[test]
fn pod_with_an_old_report_pauses_no_other() {
    let mut view = view_of(&[pod(2, 100.0)], NOON);
    let now = later(7.0);
    receive(
        &mut view,
        &View::default().write_message(&pod(3, 0.0), now, 0),
        now,
    );

    let estimate = view.estimate(&pod(1, 100.0), RULES, now).unwrap();

    assert_eq!((estimate.peers, estimate.is_stable), (1, true));
}
