//! Whether a proxy has excess load, and how much of it is drained now.
//!
//! A proxy is overloaded when more than half of its last samples were above `(1 + high_watermark)` of the fair share, and
//! until a sample is at most `(1 + low_watermark)` of it. It never drains more than the excess above that, and no more a
//! second than `max_rate` of the fair share: the other pods need time to report what they got. The pod with the highest
//! load drains at that rate, the others in proportion to their excess. So all reach the low watermark at the same time, and
//! no pod gets connections that it has to drain again.

use core::time::Duration;

use evenkeel_policy::{Measure, Rebalance as Rule};

/// An excess of one connection must count as one after divisions and multiplications.
const ROUNDING: f64 = 1e-9;

/// How long before its drain a connection is selected: it has to come to a safe point first.
const LEAD_TIME: Duration = Duration::from_secs(10);

/// The load of a pod or host beside the others. Loads are in the unit of the rule's measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadComparison {
    /// The pod's own load.
    pub own: f64,
    /// Its fair share: the mean of all, times its weight.
    pub fair_share: f64,
    /// The highest load of all, for its weight.
    pub highest: f64,
    /// The connections that carry the load.
    pub connections: f64,
    /// The part of the load that this worker has, from 0 to 1.
    pub worker_fraction: f64,
    /// What this worker has selected and not drained yet.
    pub selected: f64,
    /// No pod is starting or draining.
    pub is_stable: bool,
}

/// What one worker is to drain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quota {
    /// The load to select in addition.
    pub select: f64,
    /// The load to drain a second, at most.
    pub rate: f64,
}

/// What is remembered from one sample to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebalancer {
    /// One bit for each of the last samples, the latest one lowest: it was above the high watermark.
    overloads: u16,
    is_rebalancing: bool,
}

impl Rebalancer {
    /// The load has been above the high watermark, and not at the low one since.
    pub fn is_rebalancing(&self) -> bool {
        self.is_rebalancing
    }

    /// Takes a sample into account, about once a second.
    pub fn update(&mut self, rule: &Rule, sample: LoadComparison) -> Quota {
        let fair_share = sample.fair_share;
        let has_enough = sample.connections >= f64::from(rule.min_connections);
        let is_overloaded = has_enough && sample.own > (1.0 + rule.high_watermark) * fair_share;
        let kept = (1_u16 << rule.samples.min(15)).wrapping_sub(1);
        self.overloads = (self.overloads << 1 | u16::from(is_overloaded)) & kept;
        if self.overloads.count_ones() > rule.samples / 2 {
            self.is_rebalancing = true;
        }
        let low_watermark = (1.0 + rule.low_watermark) * fair_share;
        let excess = (sample.own - low_watermark) * (1.0 + ROUNDING);
        // Less than one connection cannot be drained.
        let least = match rule.measure {
            Measure::Connections => 1.0,
            Measure::Requests | Measure::Bytes => f64::MIN_POSITIVE,
        };
        if !has_enough || excess < least {
            *self = Self::default();
        }
        if !self.is_rebalancing || !sample.is_stable {
            return Quota::default();
        }
        // Reports of the others may be old, so the highest known load may be below the own.
        let proportion = excess / excess.max(sample.highest - low_watermark);
        let rate = rule.max_rate * fair_share * sample.worker_fraction * proportion;
        let own_excess = excess * sample.worker_fraction;
        let in_time = match rule.measure {
            Measure::Connections => own_excess.min((rate * LEAD_TIME.as_secs_f64()).max(1.0)),
            // A single connection may carry more than is drained in that time.
            Measure::Requests | Measure::Bytes => own_excess,
        };
        Quota {
            select: (in_time - sample.selected).max(0.0),
            rate,
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn sample(own: f64, fair_share: f64) -> LoadComparison {
        LoadComparison {
            own,
            fair_share,
            highest: own,
            connections: own,
            worker_fraction: 1.0,
            selected: 0.0,
            is_stable: true,
        }
    }

    /// The number of equal samples after which rebalancing starts.
    fn samples_until_start(rule: &Rule, sample: LoadComparison) -> Option<usize> {
        let mut rebalancer = Rebalancer::default();
        (1..=60).find(|_| {
            rebalancer.update(rule, sample);
            rebalancer.is_rebalancing()
        })
    }

    /// The quota of a pod that has been overloaded for long.
    fn quota(sample: LoadComparison) -> Quota {
        let mut rebalancer = Rebalancer::default();
        for _ in 0..20 {
            rebalancer.update(&Rule::default(), sample);
        }
        rebalancer.update(&Rule::default(), sample)
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn overload_starts_after_most_samples_are_above_the_high_watermark() {
        let patient = Rule {
            samples: 15,
            ..Rule::default()
        };
        for (rule, own, expected) in [
            (Rule::default(), 121.0, Some(3)),
            (Rule::default(), 120.0, None),
            (patient, 200.0, Some(8)),
        ] {
            assert_eq!(samples_until_start(&rule, sample(own, 100.0)), expected);
        }
    }

    #[test]
    fn single_samples_above_the_high_watermark_are_noise() {
        let mut rebalancer = Rebalancer::default();
        for second in 0..60 {
            let own = if second % 5 < 2 { 150.0 } else { 115.0 };
            rebalancer.update(&Rule::default(), sample(own, 100.0));
            assert!(!rebalancer.is_rebalancing(), "{second}");
        }
    }

    #[test]
    fn rebalancing_ends_at_the_low_watermark() {
        let mut rebalancer = Rebalancer::default();
        let mut rebalances = |own| {
            rebalancer.update(&Rule::default(), sample(own, 100.0));
            rebalancer.is_rebalancing()
        };
        let found = [150.0, 150.0, 150.0, 112.0, 110.0, 119.0].map(&mut rebalances);
        assert_eq!(found, [false, false, true, true, false, false]);
    }

    #[test]
    fn quota_is_bounded_by_rate_and_excess() {
        let large = quota(sample(250.0, 100.0));
        assert_near(large.rate, 1.0);
        assert_near(large.select, 10.0);

        let mut rebalancer = Rebalancer::default();
        for _ in 0..9 {
            rebalancer.update(&Rule::default(), sample(250.0, 100.0));
        }
        let small = rebalancer.update(&Rule::default(), sample(113.0, 100.0));
        assert_near(small.select, 3.0);
    }

    #[test]
    fn rate_is_proportional_to_the_excess() {
        for (own, expected) in [(210.0, 1.0), (160.0, 0.5), (400.0, 1.0)] {
            let beside_others = LoadComparison {
                highest: 210.0,
                ..sample(own, 100.0)
            };
            assert_near(quota(beside_others).rate, expected);
        }
    }

    #[test]
    fn selected_load_is_not_selected_again() {
        let selected = LoadComparison {
            selected: 10.0,
            ..sample(200.0, 100.0)
        };
        assert_near(quota(selected).select, 0.0);
    }

    #[test]
    fn nothing_is_drained_while_pods_start_or_drain() {
        let unstable = LoadComparison {
            is_stable: false,
            ..sample(200.0, 100.0)
        };
        assert_eq!(quota(unstable), Quota::default());
    }

    #[test]
    fn workers_share_the_rate_by_their_load() {
        let rate = |worker_fraction| {
            let of_worker = LoadComparison {
                worker_fraction,
                ..sample(200.0, 100.0)
            };
            quota(of_worker).rate
        };
        assert_near(rate(0.25) * 3.0, rate(0.75));
        assert_near(rate(0.25) + rate(0.75), rate(1.0));
    }

    #[test]
    fn fewer_than_min_connections_are_never_overloaded() {
        let start = |own| samples_until_start(&Rule::default(), sample(own, 1.0));
        assert_eq!(start(49.0), None);
        assert!(start(50.0).is_some());
    }

    #[test]
    fn equal_loads_are_never_overloaded() {
        let any_number = Rule {
            min_connections: 0,
            ..Rule::default()
        };
        let start = |rule: &Rule, load| samples_until_start(rule, sample(load, load));
        assert_eq!(start(&any_number, 0.0), None);
        assert_eq!(start(&Rule::default(), 1000.0), None);
    }
}
