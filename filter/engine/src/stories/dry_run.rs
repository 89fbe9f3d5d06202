//! A root in dry run beside one whose policy is enforced, in one worker.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::PerMode;
use crate::balance::{PodRebalancer, PodSample};
use crate::board::MeasuredLoad;
use crate::peers::Estimate;

const ENFORCED: u32 = 1;
const DRY_RUN: u32 = 2;

fn mode_of(root: u32) -> Mode {
    match root {
        DRY_RUN => Mode::DryRun,
        _ => Mode::Enforce,
    }
}

/// Opens connections under a root, each with a complete request.
fn open(story: &mut Story, root: u32, ids: core::ops::Range<u64>) -> Vec<ConnectionId> {
    ids.map(|id| {
        let id = story.open_under(root, mode_of(root), id);
        story.exchange(id, 1);
        id
    })
    .collect()
}

fn everything(mode: Mode) -> SelectionRequest {
    SelectionRequest {
        mode,
        ..selection(1000.0)
    }
}

/// A request on each connection; those that are drained with it, and how many a dry run would have drained.
fn exchange_all(
    story: &mut Story,
    ids: &[ConnectionId],
    request: u64,
) -> (Vec<ConnectionId>, usize) {
    let mut drained = ids.to_vec();
    drained.retain(|id| story.exchange(*id, request) != PASS);
    (drained, story.count(is_dry_run))
}

#[test]
fn dry_run_has_its_own_drain_rate() {
    for (enforced, dry_run) in [(2.0, 1000.0), (2.0, 0.0), (0.0, 1000.0)] {
        let mut story = Story::rule(json!({"max_connection_age": "off"}));
        let mut ids = open(&mut story, ENFORCED, 0..100);
        ids.extend(open(&mut story, DRY_RUN, 100..200));
        for (mode, rate) in [(Mode::Enforce, enforced), (Mode::DryRun, dry_run)] {
            story
                .engine
                .set_drain_rate(mode, Measure::Connections, rate);
            story.engine.request_selection(everything(mode));
        }
        story.engine.run_selection(|_| true, 7);

        let (mut drained, mut would) = (0, 0);
        for request in 0..100 {
            story.pass(Duration::from_millis(100));
            let (now, then) = exchange_all(&mut story, &ids, 2 + request);
            drained += now.len();
            would += then;
            ids.retain(|id| !now.contains(id));
        }

        let expected = (10.0 * enforced) as usize;
        assert!((expected..=expected + 2).contains(&drained), "{drained}");
        assert_eq!(would, if dry_run > 0.0 { 100 } else { 0 });
    }
}

/// How many connections are drained in a minute, and how many would have been, where the roots with `modes` rebalance. The
/// pod carries 200 connections, half of them under the root in dry run, and the mean of all pods is `mean`.
fn drained(modes: &[Mode], mean: Option<f64>) -> (usize, usize) {
    let rule = evenkeel_policy::Rebalance {
        max_rate: 0.05,
        fallback_mean_connection_age: Some(Duration::from_secs(60)),
        ..evenkeel_policy::Rebalance::default()
    };
    let mut story = Story::rule(json!({"max_connection_age": "off"}));
    let mut ids = open(&mut story, ENFORCED, 0..100);
    ids.extend(open(&mut story, DRY_RUN, 100..200));
    let mut rebalancers: PerMode<PodRebalancer> = PerMode::default();
    let (mut drained, mut would) = (0, 0);
    for second in 1..=60 {
        story.at(second);
        let worker = story.engine.take_sample(PerMode {
            enforced: rebalancers.enforced.is_rebalancing(),
            dry_run: rebalancers.dry_run.is_rebalancing(),
        });
        let estimate = mean.map(Estimate::of_equal_peers);
        let sample = PodSample {
            worker: &worker,
            pod: MeasuredLoad {
                load: worker.load,
                dry_run_drained: worker.dry_run_drained,
            },
            weight: 1.0,
            estimate: estimate.as_ref(),
        };
        for mode in modes {
            let rebalancer = rebalancers.get_mut(*mode);
            rebalancer.update(&mut story.engine, &rule, *mode, &sample);
        }
        story.engine.run_selection(|_| true, second);
        let (now, then) = exchange_all(&mut story, &ids, 1 + second);
        drained += now.len();
        would += then;
        ids.retain(|id| !now.contains(id));
    }
    (drained, would)
}

#[test]
fn dry_run_selection_does_not_affect_an_enforced_policy() {
    for mean in [Some(100.0), None] {
        let (alone, none) = drained(&[Mode::Enforce], mean);
        assert!(alone > 50 && none == 0, "{alone} {none}");
        let (enforced, would) = drained(&[Mode::Enforce, Mode::DryRun], mean);
        assert_eq!(enforced, alone);
        assert!(would > 0, "{would}");
    }
}

#[test]
fn connection_is_drained_for_real_after_a_dry_run() {
    let mut story = Story::rule(json!({"max_connection_age": "off"}));
    let ids = open(&mut story, DRY_RUN, 0..10);
    let select = |story: &mut Story, mode| {
        story
            .engine
            .set_drain_rate(mode, Measure::Connections, 1000.0);
        story.select(everything(mode), 7)
    };
    assert_eq!(select(&mut story, Mode::DryRun), 10.0);
    assert_eq!(exchange_all(&mut story, &ids, 2), (Vec::new(), 10));
    assert_eq!(select(&mut story, Mode::DryRun), 0.0);

    let rule = story.defaults();
    story
        .engine
        .apply_policy(DRY_RUN, Mode::Enforce, |_, _, _| Some(Rc::clone(&rule)));

    assert_eq!(
        story.engine.take_sample(true).dry_run_drained.connections,
        0.0
    );
    assert_eq!(select(&mut story, Mode::Enforce), 10.0);
}

#[test]
fn dry_run_restarts_the_age() {
    let (mut story, id) = Story::new(
        json!({"mode": "dry_run", "defaults": {"max_connection_age": "10s", "jitter": 0}}),
    )
    .with_connection();
    story.at(11);
    assert_eq!(story.exchange(id, 1), PASS);
    assert_eq!(
        story.effects(),
        [
            expired(id),
            Effect::DryRunDrain(id, DrainReason::MaxConnectionAge)
        ]
    );
    story.at(20);
    assert_eq!(story.exchange(id, 2), PASS);
    assert_eq!(story.effects(), []);
    story.at(22);
    story.exchange(id, 3);
    assert_eq!(
        story.effects(),
        [
            expired(id),
            Effect::DryRunDrain(id, DrainReason::MaxConnectionAge)
        ]
    );
    assert_eq!(story.engine.closed(id), Some(ConnectionEnd::NotDrained));
}
