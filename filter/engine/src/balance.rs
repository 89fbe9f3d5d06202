//! Keeps a pod's load at its share of what all pods of the service carry.

use core::time::Duration;

use evenkeel_policy::{Measure, Mode, Rebalance as Rule};

use crate::board::MeasuredLoad;
use crate::peers::Estimate;
use crate::{
    DrainReason, Engine, Instant, LoadComparison, LoadSample, Rebalancer, SelectionRequest,
    SelectionScope,
};

/// Time between two looks that is longer does not count: nobody looked.
const LONGEST: Duration = Duration::from_secs(5);

/// What one look finds.
#[derive(Clone, Copy, Debug)]
pub struct PodSample<'a> {
    /// What this worker carries.
    pub worker: &'a LoadSample,
    /// What the whole proxy carries.
    pub pod: MeasuredLoad,
    /// How many times the mean of all pods it should carry.
    pub weight: f64,
    /// What the pods carry, if anything is known of the others.
    pub estimate: Option<&'a Estimate>,
}

/// What one worker does about its pod's load. Ask [`PodRebalancer::look`] about once a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodRebalancer {
    rebalance: Rebalancer,
    /// Connections that chance would have moved while nothing was known of the others.
    by_chance: f64,
    looked: Option<Instant>,
}

impl PodRebalancer {
    /// It is moving a surplus.
    pub fn is_rebalancing(&self) -> bool {
        self.rebalance.is_rebalancing()
    }

    /// Wants connections under policies of this mode to go. Ask after [`Engine::look`], and [`Engine::search`] then.
    pub fn update(&mut self, engine: &mut Engine, rule: &Rule, mode: Mode, scene: &PodSample<'_>) {
        let PodSample {
            worker: mine,
            pod,
            weight,
            estimate,
        } = *scene;
        let now = engine.now();
        let span = self
            .looked
            .map_or(Duration::ZERO, |then| now.since(then).min(LONGEST));
        self.looked = Some(now);
        let Some(estimate) = estimate else {
            self.rebalance = Rebalancer::default();
            self.chance(engine, rule, mode, mine, span);
            return;
        };
        self.by_chance = 0.0;
        engine.take_selected(mode);
        let measure = rule.measure;
        let all = pod.load.of(measure);
        // What a dry run would have drained is there; only to itself it is not.
        let (here, chosen) = match mode {
            Mode::Enforce => (pod.load, mine.selected.enforced),
            Mode::DryRun => (
                pod.load.minus(pod.dry_run_drained),
                mine.selected.enforced.plus(mine.selected.dry_run),
            ),
        };
        let look = LoadComparison {
            own: here.of(measure),
            fair_share: estimate.fair * weight,
            highest: estimate.most * weight,
            connections: here.connections,
            worker_fraction: if all > 0.0 {
                (mine.load.of(measure) / all).min(1.0)
            } else {
                0.0
            },
            selected: chosen.of(measure),
            settled: estimate.settled,
        };
        let quota = self.rebalance.update(rule, look);
        engine.set_drain_rate(mode, measure, quota.rate);
        if quota.select > 0.0 {
            let wanted = SelectionRequest {
                measure,
                load: quota.select,
                scope: SelectionScope::Service,
                reason: DrainReason::Rebalance,
                mode,
            };
            engine.request_selection(wanted);
        }
    }

    /// Nothing is known of the others: each connection has the same chance to go.
    fn chance(
        &mut self,
        engine: &mut Engine,
        rule: &Rule,
        mode: Mode,
        mine: &LoadSample,
        span: Duration,
    ) {
        let Some(mean_connection_age) = rule.fallback_mean_connection_age else {
            return;
        };
        let left = match mode {
            Mode::Enforce => 0.0,
            Mode::DryRun => mine.dry_run_drained.connections,
        };
        let waiting = mine.connections.get(mode) - mine.selected.get(mode).connections - left;
        let share = span.as_secs_f64() / mean_connection_age.as_secs_f64();
        let before = self.by_chance - engine.take_selected(mode);
        self.by_chance = (before + waiting * share).min(waiting);
        let wanted = SelectionRequest {
            measure: Measure::Connections,
            load: self.by_chance,
            scope: SelectionScope::Service,
            reason: DrainReason::MeanConnectionAge,
            mode,
        };
        if wanted.load >= 1.0 {
            engine.request_selection(wanted);
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use std::rc::Rc;

    use evenkeel_policy::{Direction, Policy};

    use super::*;
    use crate::{Activity, ConnectionId, Effect, Load, Origin};

    const ORIGIN: Origin = Origin {
        policy: 1,
        direction: Direction::Inbound,
        port: 0,
    };

    fn carried(connections: f64) -> MeasuredLoad {
        MeasuredLoad {
            load: Load {
                connections,
                ..Load::default()
            },
            dry_run_drained: Load::default(),
        }
    }

    /// Each of `workers` carries 100 connections that are answered once; each looks once a second for
    /// `seconds` while the mean of all pods stays `mean`. How many have been chosen.
    fn chosen(workers: u64, mean: Option<f64>, weight: f64, rule: &Rule, seconds: u64) -> usize {
        let policy =
            Policy::parse(br#"{"version": 1, "defaults": {"max_connection_age": "off"}}"#).unwrap();
        let mut chosen = 0;
        for worker in 0..workers {
            let mut engine = Engine::default();
            let mut balance = PodRebalancer::default();
            for id in (0..100).map(ConnectionId) {
                let rule = Rc::clone(&policy.defaults);
                engine.open(id, ORIGIN, Some(rule), Mode::Enforce, id.0);
                let asked = Activity {
                    requests: 1,
                    active: 0,
                    bytes: 0,
                    undelivered: 0,
                };
                engine.read(id, asked);
            }
            for second in 0..seconds {
                engine.advance(Instant::default().after(Duration::from_secs(second)));
                let mine = engine.take_sample(balance.is_rebalancing());
                let estimate = mean.map(|mean| Estimate {
                    peers: 3,
                    mean,
                    fair: mean,
                    most: mean,
                    settled: true,
                });
                let scene = PodSample {
                    worker: &mine,
                    pod: carried(100.0 * workers as f64),
                    weight,
                    estimate: estimate.as_ref(),
                };
                balance.update(&mut engine, rule, Mode::Enforce, &scene);
                engine.run_selection(|_| true, worker);
            }
            chosen += core::iter::from_fn(|| engine.poll())
                .filter(|effect| matches!(effect, Effect::DrainPending(..)))
                .count();
        }
        chosen
    }

    fn quick() -> Rule {
        Rule {
            max_rate: 1.0,
            ..Rule::default()
        }
    }

    #[test]
    fn the_workers_of_a_pod_rebalance_its_surplus_together() {
        // 200 where 110 would do, and 400 where 220 would.
        let two = chosen(2, Some(100.0), 1.0, &quick(), 9);
        let four = chosen(4, Some(200.0), 1.0, &quick(), 9);
        assert!((88..=90).contains(&two), "{two}");
        assert!((176..=180).contains(&four), "{four}");
    }

    #[test]
    fn a_pod_of_twice_the_weight_may_carry_twice_as_much() {
        assert_eq!(chosen(2, Some(100.0), 2.0, &quick(), 9), 0);
        assert!(chosen(2, Some(100.0), 0.5, &quick(), 9) > 100);
    }

    #[test]
    fn while_nothing_is_known_of_the_others_chance_moves_or_nobody() {
        assert_eq!(chosen(1, None, 1.0, &quick(), 60), 0);
        let by_chance = Rule {
            fallback_mean_connection_age: Some(Duration::from_secs(600)),
            ..quick()
        };
        // 100 connections for a minute, each with a chance of 1 in 600 a second; who goes is not replaced.
        assert_eq!(chosen(1, None, 1.0, &by_chance, 61), 9);
        assert_eq!(chosen(1, Some(100.0), 1.0, &by_chance, 61), 0);
    }
}
