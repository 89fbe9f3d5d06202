//! Drains the excess of a pod over its fair share of what all pods of the service carry.

use core::time::Duration;

use evenkeel_policy::{Measure, Mode, Rebalance as Rule};

use crate::board::MeasuredLoad;
use crate::peers::Estimate;
use crate::{
    DrainReason, Engine, Instant, LoadComparison, LoadSample, Rebalancer, SelectionRequest,
    SelectionScope,
};

/// The longest time between two samples that counts: for longer the worker did not run.
const MAX_INTERVAL: Duration = Duration::from_secs(5);

/// What a decision about the pod's load depends on.
#[derive(Clone, Copy, Debug)]
pub struct PodSample<'a> {
    /// The load of this worker.
    pub worker: &'a LoadSample,
    /// The load of the whole proxy.
    pub pod: MeasuredLoad,
    /// How many times the mean of all pods the proxy should carry.
    pub weight: f64,
    /// The loads of all pods, if anything is known of the others.
    pub estimate: Option<&'a Estimate>,
}

/// The part of one worker in the rebalancing of its pod. Call [`PodRebalancer::update`] about once a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct PodRebalancer {
    rebalancer: Rebalancer,
    /// The connections to select because the fallback age has passed, while nothing is known of the other pods.
    by_fallback: f64,
    last_update: Option<Instant>,
}

impl PodRebalancer {
    /// The pod drains excess load.
    pub fn is_rebalancing(&self) -> bool {
        self.rebalancer.is_rebalancing()
    }

    /// Requests selections under policies of this mode. Call it between [`Engine::take_sample`] and
    /// [`Engine::run_selection`].
    pub fn update(&mut self, engine: &mut Engine, rule: &Rule, mode: Mode, sample: &PodSample<'_>) {
        let now = engine.now();
        let last = self.last_update.replace(now);
        let interval = last.map_or(Duration::ZERO, |last| now.since(last).min(MAX_INTERVAL));
        let Some(estimate) = sample.estimate else {
            self.rebalancer = Rebalancer::default();
            self.select_by_fallback_age(engine, rule, mode, sample.worker, interval);
            return;
        };
        self.by_fallback = 0.0;
        engine.take_selected(mode);
        let PodSample {
            worker,
            pod,
            weight,
            ..
        } = *sample;
        let measure = rule.measure;
        let pod_load = pod.load.of(measure);
        // What a dry run would have drained is open; only for the dry run itself it is not.
        let own = match mode {
            Mode::Enforce => pod.load,
            Mode::DryRun => pod.load.minus(pod.dry_run_drained),
        };
        let worker_fraction = if pod_load > 0.0 {
            (worker.load.of(measure) / pod_load).min(1.0)
        } else {
            0.0
        };
        let comparison = LoadComparison {
            own: own.of(measure),
            fair_share: estimate.fair * weight,
            highest: estimate.highest * weight,
            connections: own.connections,
            worker_fraction,
            selected: worker.selected.leaving(mode).of(measure),
            is_stable: estimate.is_stable,
        };
        let quota = self.rebalancer.update(rule, comparison);
        engine.set_drain_rate(mode, measure, quota.rate);
        if quota.select > 0.0 {
            engine.request_selection(SelectionRequest {
                measure,
                load: quota.select,
                scope: SelectionScope::Service,
                reason: DrainReason::Rebalance,
                mode,
            });
        }
    }

    /// Selects connections as if each had an exponentially distributed lifetime with the mean
    /// `fallback_mean_connection_age`, because nothing is known of the other pods.
    fn select_by_fallback_age(
        &mut self,
        engine: &mut Engine,
        rule: &Rule,
        mode: Mode,
        worker: &LoadSample,
        interval: Duration,
    ) {
        let Some(mean) = rule.fallback_mean_connection_age else {
            return;
        };
        let drained = match mode {
            Mode::Enforce => 0.0,
            Mode::DryRun => worker.dry_run_drained.connections,
        };
        let selected = worker.selected.get(mode).connections;
        let remaining = worker.connections.get(mode) - selected - drained;
        let expired = interval.as_secs_f64() / mean.as_secs_f64();
        let unserved = self.by_fallback - engine.take_selected(mode);
        self.by_fallback = (unserved + remaining * expired).min(remaining);
        if self.by_fallback >= 1.0 {
            engine.request_selection(SelectionRequest {
                measure: Measure::Connections,
                load: self.by_fallback,
                scope: SelectionScope::Service,
                reason: DrainReason::MeanConnectionAge,
                mode,
            });
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

    /// Workers with 100 connections each, all of which have had a request.
    struct Pod {
        workers: Vec<(Engine, PodRebalancer)>,
        weight: f64,
        rule: Rule,
    }

    impl Pod {
        fn new(workers: usize) -> Self {
            let worker = || {
                let text = br#"{"version": 1, "defaults": {"max_connection_age": "off"}}"#;
                let policy = Policy::parse(text).unwrap();
                let mut engine = Engine::default();
                for id in (0..100).map(ConnectionId) {
                    let rule = Rc::clone(&policy.defaults);
                    engine.open(id, ORIGIN, Some(rule), Mode::Enforce, id.0);
                    let request = Activity {
                        requests: 1,
                        ..Activity::default()
                    };
                    engine.read(id, &request);
                }
                (engine, PodRebalancer::default())
            };
            Self {
                workers: (0..workers).map(|_| worker()).collect(),
                weight: 1.0,
                rule: Rule {
                    max_rate: 1.0,
                    ..Rule::default()
                },
            }
        }

        /// How many connections are selected in so many seconds, while the mean of all pods is `mean`.
        fn selected(mut self, mean: Option<f64>, seconds: u64) -> usize {
            let load = Load {
                connections: 100.0 * self.workers.len() as f64,
                ..Load::default()
            };
            let estimate = mean.map(Estimate::of_equal_peers);
            let mut selected = 0;
            for (engine, rebalancer) in &mut self.workers {
                for second in 0..seconds {
                    engine.advance(Instant::default().after(Duration::from_secs(second)));
                    let worker = engine.take_sample(rebalancer.is_rebalancing());
                    let sample = PodSample {
                        worker: &worker,
                        pod: MeasuredLoad {
                            load,
                            dry_run_drained: Load::default(),
                        },
                        weight: self.weight,
                        estimate: estimate.as_ref(),
                    };
                    rebalancer.update(engine, &self.rule, Mode::Enforce, &sample);
                    engine.run_selection(|_| true, second);
                }
                selected += core::iter::from_fn(|| engine.poll())
                    .filter(|effect| matches!(effect, Effect::DrainPending(..)))
                    .count();
            }
            selected
        }
    }

    #[test]
    fn workers_of_a_pod_drain_its_excess_together() {
        // 200 where 110 would do, and 400 where 220 would.
        let two = Pod::new(2).selected(Some(100.0), 9);
        let four = Pod::new(4).selected(Some(200.0), 9);
        assert!((88..=90).contains(&two), "{two}");
        assert!((176..=180).contains(&four), "{four}");
    }

    #[test]
    fn fair_share_is_proportional_to_the_weight() {
        let pod = |weight| Pod {
            weight,
            ..Pod::new(2)
        };
        assert_eq!(pod(2.0).selected(Some(100.0), 9), 0);
        assert!(pod(0.5).selected(Some(100.0), 9) > 100);
    }

    #[test]
    fn fallback_age_applies_only_while_no_peer_is_known() {
        let pod = |fallback| {
            let mut pod = Pod::new(1);
            pod.rule.fallback_mean_connection_age = fallback;
            pod
        };
        let fallback = Some(Duration::from_secs(600));
        assert_eq!(pod(None).selected(None, 60), 0);
        // Of 100 connections each has a chance of 1 in 600 a second, for a minute. They are not replaced.
        assert_eq!(pod(fallback).selected(None, 61), 9);
        assert_eq!(pod(fallback).selected(Some(100.0), 61), 0);
    }
}
