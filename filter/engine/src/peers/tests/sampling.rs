//! A service with more pods than a view keeps.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::peers::chance::Chance;

const PODS: usize = 1024;

/// A view that has heard random pods for so many seconds, a hundred a second.
fn view_after(seconds: u64, seed: u64) -> View {
    let mut chance = Chance::new(seed);
    let mut view = View::default();
    for nth in 0..seconds * 100 {
        let now = NOON.after(Duration::from_millis(nth * 10));
        let id = chance.below(PODS) as u64;
        let told = View::default().write_message(&pod(10_000 + id, id as f64), now, 0);
        let message = Message::parse(told.as_bytes()).unwrap();
        view.receive(PeerId(1), &message, now, EVERY, chance.draw());
    }
    view
}

fn ids(view: &View) -> Vec<usize> {
    let ids = view.reports.iter().map(|report| report.id.0);
    ids.map(|id| id as usize - 10_000).collect()
}

#[test]
fn a_full_view_stays_full_and_each_pod_stands_in_it_once() {
    let mut ids = ids(&view_after(20, 1));
    assert_eq!(ids.len(), MAX_PEERS);
    assert!(ids.is_sorted());
    ids.dedup();
    assert_eq!(ids.len(), MAX_PEERS);
}

#[test]
fn a_full_view_turns_over() {
    let then = ids(&view_after(10, 1));
    let now = ids(&view_after(20, 1));
    let stayed = now.iter().filter(|id| then.contains(id)).count();
    assert!(stayed < MAX_PEERS * 2 / 5, "{stayed} of {MAX_PEERS}");
}

/// Over many views each sixteenth of the pods, by id, is known as often as the others.
#[test]
fn a_full_view_is_an_even_sample() {
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
fn a_pod_that_was_unknown_takes_no_place_of_one_with_fresher_news() {
    let mut view = view_after(8, 1);
    let before = view.clone();
    let stale = message(&["[9,1,0,0,0,1000,60000,100,60000]"]);

    assert_eq!(
        hears(&mut view, &stale, later(8.0)),
        ReceivedReports::default()
    );
    assert_eq!(view, before);
}

#[test]
fn different_others_are_told_each_time() {
    let view = view_after(8, 1);
    let told = |seed| {
        let mut heard = View::default();
        hears(
            &mut heard,
            &view.write_message(&pod(2, 0.0), later(8.0), seed),
            later(8.0),
        );
        assert_eq!(heard.len(), MAX_REPORTS + 1);
        ids_of(&heard)
    };

    let (once, again) = (told(1), told(2));

    let both = once.iter().filter(|id| again.contains(id)).count();
    assert!((16..=48).contains(&both), "{both}");
    assert_eq!(once, told(1), "chance is the seed");
}

fn ids_of(view: &View) -> Vec<PeerId> {
    let ids = view.reports.iter().map(|report| report.id);
    ids.filter(|id| *id != PeerId(2)).collect()
}
