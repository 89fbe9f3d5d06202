//! What the budget and the clock allow.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn the_budget_is_shared_by_all_workers_and_refuses_each_move_once() {
    let policy = r#"{"version": 1, "defaults": {"max_age": "10s", "jitter": 0}, "budget": {"per_second": 10, "burst": 5}}"#;
    let (mut one, mut other) = (Story::new(policy), Story::new(policy));
    let ids: Vec<_> = (0..20).map(|id| one.open(id)).collect();
    let others: Vec<_> = (20..40).map(|id| other.open(id)).collect();
    one.at(11);
    other.at(11);
    let moved = ids
        .iter()
        .filter(|&&id| one.exchange(id, 1) != Decision::Keep)
        .count();
    other.map = core::mem::take(&mut one.map);
    let moved_there = others
        .iter()
        .filter(|&&id| other.exchange(id, 1) != Decision::Keep)
        .count();
    assert_eq!((moved, moved_there), (5, 0));
    other.pass(Duration::from_secs(1));
    let moved_later = others
        .iter()
        .filter(|&&id| other.exchange(id, 2) != Decision::Keep)
        .count();
    assert_eq!(
        moved_later, 5,
        "after a second the bucket is full again, and no fuller"
    );
    let refused = other
        .effects()
        .iter()
        .filter(|effect| matches!(effect, Effect::Refused(_)))
        .count();
    assert_eq!(refused, 20);
}

#[test]
fn over_time_the_budget_gives_its_rate() {
    let policy = r#"{"version": 1, "defaults": {"max_age": "1s", "jitter": 0}, "budget": {"per_second": 10, "burst": 1}}"#;
    let mut story = Story::new(policy);
    let mut waiting: Vec<_> = (0..500).map(|id| story.open(id)).collect();
    story.at(2);
    for second in 3..=22 {
        story.at(second - 1);
        for _ in 0..10 {
            story.pass(Duration::from_millis(100));
            waiting.retain(|&id| story.exchange(id, 1) == Decision::Keep);
        }
    }
    let moved = 500 - waiting.len();
    assert!((195..=201).contains(&moved), "{moved}");
}

#[test]
fn a_lost_race_for_the_budget_is_tried_again() {
    let mut story = Story::new(
        r#"{"version": 1, "defaults": {"max_requests": 1}, "budget": {"per_second": 1, "burst": 2}}"#,
    );
    let (a, b) = (story.open(1), story.open(2));
    assert_ne!(story.exchange(a, 1), Decision::Keep);
    story.map.lost_races = 3;
    assert_ne!(story.exchange(b, 1), Decision::Keep);
}
