//! What a pod should carry, by what is known of the others.

use core::time::Duration;

use evenkeel_policy::{Measure, Peers, Rebalance};

use super::report::{Report, believable};
use super::{OwnReport, View};
use crate::Instant;

/// A pod that was asked so many times `every` ago is one that new connections are sent to.
const SERVING: u32 = 5;

/// What is told of a pod counts up to so many times what is told of the one in question: its load per
/// weight up to so many times the own one, its weight up to so many times the median.
const CLIP: f64 = 4.0;

/// A pod that has just begun carries at least this part of its share.
const BEGINNER: f64 = 0.05;

/// How reports are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What is compared.
    pub measure: Measure,
    /// How often pods tell each other.
    pub every: Duration,
    /// A pod younger than this should carry the part of its share that its uptime is of it.
    pub slow_start: Duration,
    /// A fleet is settled when no pod is younger than this, or began to drain within it.
    pub stabilization_window: Duration,
}

impl Rules {
    /// What a policy says.
    pub fn new(rebalance: &Rebalance, peers: &Peers) -> Self {
        Self {
            measure: rebalance.measure,
            every: peers.interval,
            slow_start: rebalance.slow_start,
            stabilization_window: rebalance.stabilization_window,
        }
    }

    /// What a pod weighs, less while it is in its slow start: what it should carry is so many times an
    /// [`Estimate`].
    pub fn weigh(&self, own: &OwnReport) -> f64 {
        Part::own(own, self).share()
    }

    fn grown(&self, uptime: Duration) -> f64 {
        if uptime >= self.slow_start {
            return 1.0;
        }
        (uptime.as_secs_f64() / self.slow_start.as_secs_f64()).clamp(BEGINNER, 1.0)
    }
}

/// What the pods of a service carry, as far as one of them knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// How many others there are that new connections are sent to; more are not known than
    /// [`MAX_PEERS`](super::MAX_PEERS).
    pub peers: usize,
    /// Load per unit of weight, the own included, as it was told.
    pub mean: f64,
    /// The same for decisions: of each other pod its load per weight counts up to 4 times the own, and its
    /// weight up to 4 times the median weight. So this is at most 4 times the own load per weight, whatever
    /// is told. Where all weigh the same, one liar among n others takes it from what it would be without
    /// that one down to no less than n/(n+4) of that, and up by no more than 16/(n+4) of the own load. Who
    /// invents hundreds of pods can take it down to nothing; but then no more than a part of nothing is
    /// moved in a second.
    pub fair: f64,
    /// Load per unit of weight of the other one that carries most, up to 4 times the own: who carries less
    /// than that rebalances more slowly.
    pub most: f64,
    /// No pod that counts is younger than `settle`, this one included (it may not have heard of all yet),
    /// and none has begun to drain within it.
    pub settled: bool,
}

impl View {
    /// What the pods carry that new connections are sent to, and this one; None while no other is known.
    pub fn estimate(&self, own: &OwnReport, rules: Rules, now: Instant) -> Option<Estimate> {
        let mut others = Vec::new();
        let mut settled = own.uptime >= rules.stabilization_window;
        for report in self.fresh(now, rules.every) {
            let uptime = report.uptime().saturating_add(report.age(now));
            match State::of(report, &rules, now) {
                State::Serving => {
                    settled &= uptime >= rules.stabilization_window;
                    others.push(Part {
                        load: report.load().of(rules.measure),
                        weight: report.weight(),
                        grown: rules.grown(uptime),
                    });
                }
                State::Draining => settled = false,
                State::Away => {}
            }
        }
        if others.is_empty() {
            return None;
        }
        let own = Part::own(own, &rules);
        Some(Estimate {
            peers: others.len(),
            mean: mean(&own, &others),
            fair: fair(&own, &others),
            most: most(&own, &others),
            settled,
        })
    }
}

enum State {
    /// New connections are sent to it.
    Serving,
    /// They no longer are, for not longer than `settle`, and it has connections.
    Draining,
    /// It was never asked, or long ago, or is gone.
    Away,
}

impl State {
    fn of(report: &Report, rules: &Rules, now: Instant) -> Self {
        let Some(asked) = report.asked() else {
            return Self::Away;
        };
        let serving = rules.every.saturating_mul(SERVING);
        let by_now = asked.saturating_add(report.age(now));
        if by_now <= serving {
            Self::Serving
        } else if asked > serving
            && by_now <= serving.saturating_add(rules.stabilization_window)
            && report.load().connections > 0.0
        {
            // It said itself that nobody asks it any more. Of one that is merely not heard of, nothing
            // follows: in a sample of many pods there always are some.
            Self::Draining
        } else {
            Self::Away
        }
    }
}

/// What one pod carries and should carry.
struct Part {
    load: f64,
    weight: f64,
    /// The part of its weight that it has reached.
    grown: f64,
}

impl Part {
    fn own(own: &OwnReport, rules: &Rules) -> Self {
        Self {
            // Not a number is nothing.
            load: own.load.of(rules.measure).max(0.0),
            weight: believable(own.weight),
            grown: rules.grown(own.uptime),
        }
    }

    fn share(&self) -> f64 {
        self.weight * self.grown
    }
}

fn mean(own: &Part, others: &[Part]) -> f64 {
    let (load, share) = others
        .iter()
        .fold((own.load, own.share()), |(load, share), part| {
            (load + part.load, share + part.share())
        });
    load / share
}

fn fair(own: &Part, others: &[Part]) -> f64 {
    let most = CLIP * own.load / own.share();
    let heaviest = CLIP * median_weight(own, others);
    let (load, share) = others
        .iter()
        .fold((own.load, own.share()), |(load, share), part| {
            let counts = part.weight.min(heaviest) * part.grown;
            let per_weight = (part.load / part.share()).min(most);
            (load + per_weight * counts, share + counts)
        });
    load / share
}

fn most(own: &Part, others: &[Part]) -> f64 {
    let most = others
        .iter()
        .map(|part| part.load / part.share())
        .fold(0.0, f64::max);
    most.min(CLIP * own.load / own.share())
}

fn median_weight(own: &Part, others: &[Part]) -> f64 {
    let mut weights: Vec<_> = others.iter().map(|part| part.weight).collect();
    weights.push(own.weight);
    weights.sort_unstable_by(f64::total_cmp);
    // The lower one of two: of two pods the heavier does not say what is heavy.
    let middle = weights.len().saturating_sub(1) / 2;
    weights.get(middle).copied().unwrap_or(own.weight)
}
