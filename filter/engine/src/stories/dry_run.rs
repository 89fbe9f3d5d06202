//! A root in dry run beside one whose policy is enforced, in one worker.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use evenkeel_policy::Measure;

use super::*;
use crate::balance::{PodRebalancer, PodSample};
use crate::board::MeasuredLoad;
use crate::peers::Estimate;
use crate::{PerMode, SelectionRequest, SelectionScope};

const ENFORCED: u32 = 1;
const DRY_RUN: u32 = 2;

fn mode_of(root: u32) -> Mode {
    match root {
        DRY_RUN => Mode::DryRun,
        _ => Mode::Enforce,
    }
}

/// Opens connections under a root, each of which carries a request.
fn open(story: &mut Story, root: u32, ids: core::ops::Range<u64>) -> Vec<ConnectionId> {
    let ids: Vec<_> = ids.map(ConnectionId).collect();
    for id in &ids {
        let (rule, origin) = (story.defaults(), ORIGIN);
        let origin = Origin {
            policy: root,
            ..origin
        };
        story
            .engine
            .open(*id, origin, Some(rule), mode_of(root), id.0);
        story.exchange(*id, 1);
    }
    ids
}

fn everything(mode: Mode) -> SelectionRequest {
    SelectionRequest {
        measure: Measure::Connections,
        load: 1000.0,
        scope: SelectionScope::Service,
        reason: DrainReason::Rebalance,
        mode,
    }
}

/// A request on each; those that are drained with it, and how many would have been in dry run.
fn exchange_all(
    story: &mut Story,
    ids: &[ConnectionId],
    request: u64,
) -> (Vec<ConnectionId>, usize) {
    let mut drained = Vec::new();
    for id in ids {
        if story.exchange(*id, request) != Decision::PassThrough {
            drained.push(*id);
        }
    }
    let effects = story.effects().into_iter();
    let would = effects.filter(|effect| matches!(effect, Effect::DryRunDrain(..)));
    (drained, would.count())
}

#[test]
fn the_pace_of_a_dry_run_is_its_own() {
    for (enforced, dry_run) in [(2.0, 1000.0), (2.0, 0.0), (0.0, 1000.0)] {
        let mut story = Story::rule(r#""max_connection_age": "off""#);
        let mut ids = open(&mut story, ENFORCED, 0..100);
        ids.extend(open(&mut story, DRY_RUN, 100..200));
        for (mode, pace) in [(Mode::Enforce, enforced), (Mode::DryRun, dry_run)] {
            story
                .engine
                .set_drain_rate(mode, Measure::Connections, pace);
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

/// Connections that are drained in a minute in which the pod carries 200, a hundred of them under the root in dry
/// run, and the mean is 100; and how many it would have drained if both roots with `modes` rebalance.
fn drained(modes: &[Mode], mean: Option<f64>) -> (usize, usize) {
    let rule = evenkeel_policy::Rebalance {
        max_rate: 0.05,
        fallback_mean_connection_age: Some(Duration::from_secs(60)),
        ..evenkeel_policy::Rebalance::default()
    };
    let mut story = Story::rule(r#""max_connection_age": "off""#);
    let mut ids = open(&mut story, ENFORCED, 0..100);
    ids.extend(open(&mut story, DRY_RUN, 100..200));
    let mut balances: PerMode<PodRebalancer> = PerMode::default();
    let (mut drained, mut would) = (0, 0);
    for second in 1..=60 {
        story.at(second);
        let mine = story.engine.take_sample(PerMode {
            enforced: balances.enforced.is_rebalancing(),
            dry_run: balances.dry_run.is_rebalancing(),
        });
        let estimate = mean.map(|mean| Estimate {
            peers: 3,
            mean,
            fair: mean,
            most: mean,
            settled: true,
        });
        let scene = PodSample {
            worker: &mine,
            pod: MeasuredLoad {
                load: mine.load,
                dry_run_drained: mine.dry_run_drained,
            },
            weight: 1.0,
            estimate: estimate.as_ref(),
        };
        for mode in modes {
            let balance = balances.get_mut(*mode);
            balance.update(&mut story.engine, &rule, *mode, &scene);
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
fn what_a_dry_run_selects_changes_nothing_for_what_is_enforced() {
    for mean in [Some(100.0), None] {
        let (alone, none) = drained(&[Mode::Enforce], mean);
        assert!(alone > 50 && none == 0, "{alone} {none}");
        let (enforced, would) = drained(&[Mode::Enforce, Mode::DryRun], mean);
        assert_eq!(enforced, alone);
        assert!(would > 0, "{would}");
    }
}

#[test]
fn connection_that_a_dry_run_would_have_drained_can_be_drained_once_the_policy_is_enforced() {
    let mut story = Story::rule(r#""max_connection_age": "off""#);
    let ids = open(&mut story, DRY_RUN, 0..10);
    let select = |story: &mut Story, mode| {
        story
            .engine
            .set_drain_rate(mode, Measure::Connections, 1000.0);
        story.engine.select(&everything(mode), |_| true, 7)
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
