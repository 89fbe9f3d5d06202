//! A service with more pods than a view can hold.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::peers::random::SeededRandom;

const PODS: usize = 1024;

/// A view that has received a hundred reports of random pods per second.
fn view_after(seconds: u64, seed: u64) -> View {
    let mut random = SeededRandom::new(seed);
    let mut view = View::default();
    for nth in 0..seconds * 100 {
        let now = NOON.after(Duration::from_millis(nth * 10));
        let id = random.below(PODS) as u64;
        let written = View::default().write_message(&pod(10_000 + id, id as f64), now, 0);
        let message = Message::parse(written.as_bytes()).unwrap();
        view.receive(PeerId(1), &message, now, INTERVAL, random.draw());
    }
    view
}

fn ids(view: &View) -> Vec<usize> {
    let ids = view.reports.iter().map(|report| report.id.0);
    ids.map(|id| id as usize - 10_000).collect()
}

#[test]
fn full_view_stays_full_and_has_each_pod_once() {
    let mut ids = ids(&view_after(20, 1));
    assert_eq!(ids.len(), MAX_PEERS);
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), MAX_PEERS);
}

#[test]
fn full_view_takes_in_new_pods() {
    let then = ids(&view_after(10, 1));
    let now = ids(&view_after(20, 1));
    let stayed = now.iter().filter(|id| then.contains(id)).count();
    assert!(stayed < MAX_PEERS * 2 / 5, "{stayed} of {MAX_PEERS}");
}

/// Over many views, each sixteenth of the pods (by id) is known as often as the others.
#[test]
fn full_view_is_a_uniform_sample() {
    const VIEWS: u64 = 40;
    let mut known = [0_u32; 16];
    for seed in 0..VIEWS {
        for id in ids(&view_after(8, seed)) {
            known[id * 16 / PODS] += 1;
        }
    }
    // Binomial, with a standard deviation of 22.
    let expected = VIEWS as u32 * MAX_PEERS as u32 / 16;
    for known in known {
        assert!(known.abs_diff(expected) < 90, "{known}, not {expected}");
    }
}

#[test]
fn unknown_pod_does_not_replace_a_newer_report() {
    let mut view = view_after(8, 1);
    let before = view.clone();
    let stale = message(&["[9,1,0,0,0,1000,60000,100,60000]"]);

    assert_eq!(
        receive(&mut view, &stale, later(8.0)),
        ReceivedReports::default()
    );
    assert_eq!(view, before);
}

#[test]
fn each_message_has_another_sample() {
    let view = view_after(8, 1);
    let written = |seed| {
        let mut received = View::default();
        receive(
            &mut received,
            &view.write_message(&pod(2, 0.0), later(8.0), seed),
            later(8.0),
        );
        assert_eq!(received.len(), MAX_REPORTS + 1);
        ids_of(&received)
    };

    let (once, again) = (written(1), written(2));

    let both = once.iter().filter(|id| again.contains(id)).count();
    assert!((16..=48).contains(&both), "{both}");
    assert_eq!(once, written(1), "the seed decides");
}

fn ids_of(view: &View) -> Vec<PeerId> {
    let ids = view.reports.iter().map(|report| report.id);
    ids.filter(|id| *id != PeerId(2)).collect()
}
