//! How far one gets who lies.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const LOAD: f64 = 100.0;

/// The worst that can be told in one report.
fn lies() -> impl Iterator<Item = OwnReport> {
    [0.0, 1.0, 1e3, 1e7].into_iter().flat_map(|load| {
        [0.001, 1.0, 4.0, 1e6].map(|weight| OwnReport {
            weight,
            ..pod(666, load)
        })
    })
}

fn fair(others: &[OwnReport]) -> f64 {
    let view = knowing(others, NOON);
    view.estimate(&pod(1, LOAD), RULES, NOON).unwrap().fair
}

#[test]
fn one_liar_among_n_takes_what_is_fair_down_by_a_stated_part_and_up_by_a_stated_part_of_the_own_load()
 {
    for honest in [1, 2, 7, 49, 199] {
        let mut others: Vec<_> = (2..2 + honest).map(|id| pod(id, LOAD)).collect();
        let without = fair(&others);
        let n = honest as f64 + 1.0;
        for liar in lies() {
            others.push(liar);
            let with = fair(&others);
            others.pop();
            assert!(
                with >= without * n / (n + 4.0) - 1e-9,
                "{n} {liar:?}: {with}"
            );
            assert!(
                with <= without + LOAD * 16.0 / (n + 4.0),
                "{n} {liar:?}: {with}"
            );
        }
    }
}

#[test]
fn the_only_other_one_cannot_take_it_further() {
    for liar in lies() {
        let with = fair(&[liar]);
        assert!(
            (LOAD / 5.0..=LOAD * 4.0).contains(&with),
            "{liar:?}: {with}"
        );
    }
}

#[test]
fn nothing_that_is_told_takes_it_above_four_times_the_own_load() {
    let invented: Vec<_> = (2..2 + MAX_PEERS as u64).map(|id| pod(id, 1e7)).collect();
    assert!(fair(&invented) <= 4.0 * LOAD);
}

#[test]
fn invented_pods_that_carry_nothing_take_it_down_to_almost_nothing_and_so_is_what_is_moved() {
    let invented: Vec<_> = (2..2 + MAX_PEERS as u64).map(|id| pod(id, 0.0)).collect();
    assert!((fair(&invented) - LOAD / 257.0).abs() < 1e-9);
}

#[test]
fn the_mean_is_as_it_was_told() {
    let view = knowing(&[pod(2, 1e6)], NOON);
    let known = view.estimate(&pod(1, LOAD), RULES, NOON).unwrap();
    assert_eq!((known.mean, known.fair), (500_050.0, 250.0));
}

#[test]
fn what_is_invented_about_a_pod_lasts_no_longer_than_its_reports_do() {
    let mut view = View::default();
    let lie = message(&["[2,0,0,0,0,1000,3153600000000,0,0]"]);
    hears(&mut view, &lie, NOON);
    let now = later(10.1);

    view.forget(now, EVERY);
    hears(
        &mut view,
        &View::default().write_message(&pod(2, LOAD), now, 0),
        now,
    );

    let known = view.estimate(&pod(1, LOAD), RULES, now).unwrap();
    assert_eq!(known.mean, LOAD);
}
