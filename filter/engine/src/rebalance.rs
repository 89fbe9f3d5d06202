//! Whether a proxy carries more than its share, and how much of it is to go now.
//!
//! Overloaded is what more than half of the last looks found above `(1 + high_watermark)` of the share; it stays
//! so until a look finds at most `(1 + tolerance)` of it. What goes is never more than the surplus above
//! that, and no more a second than `rate` of the share: the others must have time to tell what they got.
//! Who carries most goes at that pace; the others in proportion to their surplus, so that all come down
//! together and nobody gets from one what it has to hand on.

use core::time::Duration;

use evenkeel_policy::{Measure, Rebalance as Rule};

/// A surplus of one connection is one, whatever was divided and multiplied before.
const ROUNDING: f64 = 1e-9;

/// How long before they can go connections are chosen: each waits for an answer that can tell it.
const AHEAD: Duration = Duration::from_secs(10);

/// What one look finds. Loads are in the unit of the rule's measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadComparison {
    /// What is carried.
    pub own: f64,
    /// What should be: the mean of all, for this one's weight.
    pub fair_share: f64,
    /// What the one that carries most carries, for this one's weight.
    pub highest: f64,
    /// Connections that carry it.
    pub connections: f64,
    /// Which part of it is this worker's, from 0 to 1.
    pub worker_fraction: f64,
    /// What this worker has chosen to go and is still there.
    pub selected: f64,
    /// No pod is starting or draining.
    pub settled: bool,
}

/// What follows from a look, for one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quota {
    /// So much more is to be chosen.
    pub select: f64,
    /// No more of what is chosen goes a second.
    pub rate: f64,
}

/// The memory from one look to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebalancer {
    /// One bit a look, the last one lowest: it found an overload.
    looks: u16,
    rebalancing: bool,
}

impl Rebalancer {
    /// The last look found that something has to go, or one before, and it is not over.
    pub fn is_rebalancing(&self) -> bool {
        self.rebalancing
    }

    /// Looks, about once a second.
    pub fn update(&mut self, rule: &Rule, look: LoadComparison) -> Quota {
        let is_enough = look.connections >= f64::from(rule.min_connections);
        let is_hot = is_enough && look.own > (1.0 + rule.high_watermark) * look.fair_share;
        let kept = (1_u16 << rule.samples.min(15)).wrapping_sub(1);
        self.looks = (self.looks << 1 | u16::from(is_hot)) & kept;
        if self.looks.count_ones() > rule.samples / 2 {
            self.rebalancing = true;
        }
        let enough = (1.0 + rule.low_watermark) * look.fair_share;
        let surplus = (look.own - enough) * (1.0 + ROUNDING);
        // Less than one connection is a surplus that nobody can move.
        let least = match rule.measure {
            Measure::Connections => 1.0,
            Measure::Requests | Measure::Bytes => f64::MIN_POSITIVE,
        };
        if !is_enough || surplus < least {
            *self = Self::default();
        }
        if !self.rebalancing || !look.settled {
            return Quota::default();
        }
        let haste = surplus / surplus.max(look.highest - enough);
        let pace = rule.max_rate * look.fair_share * look.worker_fraction * haste;
        let mine = surplus * look.worker_fraction;
        let ahead = match rule.measure {
            Measure::Connections => mine.min((pace * AHEAD.as_secs_f64()).max(1.0)),
            // One that carries more than goes in that time may go, too.
            Measure::Requests | Measure::Bytes => mine,
        };
        Quota {
            select: (ahead - look.selected).max(0.0),
            rate: pace,
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn look(own: f64, share: f64) -> LoadComparison {
        LoadComparison {
            own,
            fair_share: share,
            highest: own,
            connections: own,
            worker_fraction: 1.0,
            selected: 0.0,
            settled: true,
        }
    }

    /// The first of many looks that find the same and then rebalances.
    fn first(rule: &Rule, look: LoadComparison) -> Option<usize> {
        let mut rebalance = Rebalancer::default();
        (1..=60).find(|_| {
            rebalance.update(rule, look);
            rebalance.is_rebalancing()
        })
    }

    /// What a pod does that has long been found overloaded.
    fn quota(rule: &Rule, look: LoadComparison) -> Quota {
        let mut rebalance = Rebalancer::default();
        for _ in 0..20 {
            rebalance.update(rule, look);
        }
        rebalance.update(rule, look)
    }

    #[test]
    fn an_overload_counts_once_most_looks_have_found_it() {
        assert_eq!(first(&Rule::default(), look(121.0, 100.0)), Some(3));
        assert_eq!(first(&Rule::default(), look(120.0, 100.0)), None);
        let patient = Rule {
            samples: 15,
            ..Rule::default()
        };
        assert_eq!(first(&patient, look(200.0, 100.0)), Some(8));
    }

    #[test]
    fn a_look_now_and_then_that_finds_one_is_noise() {
        let mut rebalance = Rebalancer::default();
        for second in 0..60 {
            let own = if second % 5 < 2 { 150.0 } else { 115.0 };
            rebalance.update(&Rule::default(), look(own, 100.0));
            assert!(!rebalance.is_rebalancing(), "{second}");
        }
    }

    #[test]
    fn once_begun_it_goes_on_down_to_the_tolerance() {
        let mut rebalance = Rebalancer::default();
        let mut rebalances = |own| {
            rebalance.update(&Rule::default(), look(own, 100.0));
            rebalance.is_rebalancing()
        };
        let looks = [150.0, 150.0, 150.0, 112.0, 110.0, 119.0].map(&mut rebalances);
        assert_eq!(looks, [false, false, true, true, false, false]);
    }

    #[test]
    fn no_more_goes_than_the_rate_allows_nor_than_the_surplus() {
        let much = quota(&Rule::default(), look(250.0, 100.0));
        assert!((much.rate - 1.0).abs() < 1e-6, "{much:?}");
        assert!((much.select - 10.0).abs() < 1e-6, "{much:?}");
        let mut rebalance = Rebalancer::default();
        for _ in 0..9 {
            rebalance.update(&Rule::default(), look(250.0, 100.0));
        }
        let little = rebalance.update(&Rule::default(), look(113.0, 100.0));
        assert!((little.select - 3.0).abs() < 1e-6, "{little:?}");
    }

    #[test]
    fn who_carries_most_goes_fastest_and_the_others_by_their_surplus() {
        let of = |own| {
            let among = LoadComparison {
                highest: 210.0,
                ..look(own, 100.0)
            };
            quota(&Rule::default(), among).rate
        };
        assert!((of(210.0) - 1.0).abs() < 1e-6);
        assert!((of(160.0) - 0.5).abs() < 1e-6);
        assert!(
            (of(400.0) - 1.0).abs() < 1e-6,
            "news of the others may be old"
        );
    }

    #[test]
    fn what_is_chosen_and_still_there_is_not_chosen_again() {
        let chosen = LoadComparison {
            selected: 10.0,
            ..look(200.0, 100.0)
        };
        assert!(quota(&Rule::default(), chosen).select < 1e-6);
    }

    #[test]
    fn nothing_goes_while_pods_start_or_drain() {
        let unsettled = LoadComparison {
            settled: false,
            ..look(200.0, 100.0)
        };
        assert_eq!(quota(&Rule::default(), unsettled), Quota::default());
    }

    #[test]
    fn workers_share_the_pace_by_what_they_carry() {
        let part = |part| {
            let look = LoadComparison {
                worker_fraction: part,
                ..look(200.0, 100.0)
            };
            quota(&Rule::default(), look).rate
        };
        assert!((part(0.25) * 3.0 - part(0.75)).abs() < 1e-9);
        assert!((part(0.25) + part(0.75) - part(1.0)).abs() < 1e-9);
    }

    #[test]
    fn few_connections_are_left_alone() {
        assert_eq!(first(&Rule::default(), look(49.0, 1.0)), None);
        assert!(first(&Rule::default(), look(50.0, 1.0)).is_some());
    }

    #[test]
    fn all_idle_and_alone_is_even() {
        let idle = Rule {
            min_connections: 0,
            ..Rule::default()
        };
        assert_eq!(first(&idle, look(0.0, 0.0)), None);
        assert_eq!(first(&Rule::default(), look(1000.0, 1000.0)), None);
    }
}
