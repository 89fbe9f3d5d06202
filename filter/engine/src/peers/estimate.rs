//! The fair load of a pod, estimated from the reports of the others.

use core::time::Duration;

use evenkeel_policy::{Measure, Peers, Rebalance};

use super::report::{Report, plausible_weight};
use super::{OwnReport, View};
use crate::Instant;
use crate::clock::nanos;
use crate::sort::smallest_by_number;

/// New connections go to a pod that got a request of a peer in so many intervals.
const SERVING: u32 = 5;

/// A report counts up to so many times the own load per weight, and with a weight up to so many times the median.
const CLIP: f64 = 4.0;

/// The least part of its share that a pod in slow start should carry.
const MIN_STARTED: f64 = 0.05;

/// How an estimate is made from reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What is compared.
    pub measure: Measure,
    /// The gossip interval.
    pub interval: Duration,
    /// A pod with a shorter uptime should carry the part of its share that the uptime is of this duration.
    pub slow_start: Duration,
    /// The pods are stable when none has started or begun to terminate within this duration.
    pub stabilization_window: Duration,
}

impl Rules {
    /// The rules of a policy.
    pub fn new(rebalance: &Rebalance, peers: &Peers) -> Self {
        Self {
            measure: rebalance.measure,
            interval: peers.interval,
            slow_start: rebalance.slow_start,
            stabilization_window: rebalance.stabilization_window,
        }
    }

    /// The weight of a pod, which is reduced in its slow start: the pod's share is so many times [`Estimate::fair`].
    pub fn effective_weight(&self, own: &OwnReport) -> f64 {
        PodLoad::own(own, self).share
    }
}

/// The part of its weight that a pod carries; both times are in nanoseconds.
fn slow_start_factor(uptime: u64, slow_start: u64) -> f64 {
    if uptime >= slow_start {
        return 1.0;
    }
    (uptime as f64 / slow_start as f64).clamp(MIN_STARTED, 1.0)
}

/// The times of [`Rules`] in nanoseconds: a pod compares those of hundreds of reports each second.
struct Spans {
    slow_start: u64,
    stabilization_window: u64,
    /// Up to this time since the last request of a peer, a pod gets new connections.
    serving: u64,
    /// Up to this time since the last request of a peer, a pod may be terminating.
    terminating: u64,
}

impl Spans {
    fn new(rules: &Rules) -> Self {
        let serving = rules.interval.saturating_mul(SERVING);
        Self {
            slow_start: nanos(rules.slow_start),
            stabilization_window: nanos(rules.stabilization_window),
            serving: nanos(serving),
            terminating: nanos(serving.saturating_add(rules.stabilization_window)),
        }
    }
}

/// The load of the pods of a service, as far as one of them knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number of other pods that get new connections; at most [`MAX_PEERS`](super::MAX_PEERS) are known.
    pub peers: usize,
    /// Load per unit of weight, the own included, as reported.
    pub mean: f64,
    /// The same for decisions: the load per weight of each other pod counts up to 4 times the own, and its weight up
    /// to 4 times the median weight. So this is at most 4 times the own load per weight, whatever is reported. Where
    /// all weights are equal, one false report among n others lowers it to no less than n/(n+4) of what it would be
    /// without that report, and raises it by no more than 16/(n+4) of the own load. Hundreds of invented pods can
    /// lower it to 0; but `max_rate` is a part of this value, so the drain rate is then 0, too.
    pub fair: f64,
    /// The highest load per unit of weight of another pod, up to 4 times the own: pods with less load drain more
    /// slowly.
    pub highest: f64,
    /// No pod that counts has started within `stabilization_window`, this one included (it may not know all others
    /// yet), and none has begun to terminate within it.
    pub is_stable: bool,
}

/// The loads of the other pods that get new connections, as a view reports them.
#[derive(Debug)]
pub struct PeerLoads {
    rules: Rules,
    others: Vec<PodLoad>,
    /// None of them has started within `stabilization_window`, and no pod has begun to terminate within it.
    is_stable: bool,
}

impl View {
    /// Estimates the load of the pods that get new connections, and of this one. None while no other pod is known.
    pub fn estimate(&self, own: &OwnReport, rules: Rules, now: Instant) -> Option<Estimate> {
        if self.is_empty() {
            return None;
        }
        self.loads(rules, now).estimate(own)
    }

    /// The loads of the other pods, from which each pod with this view can make its own estimate.
    pub fn loads(&self, rules: Rules, now: Instant) -> PeerLoads {
        let spans = Spans::new(&rules);
        let mut others = Vec::new();
        let mut is_stable = true;
        for report in self.current(now, rules.interval) {
            let age = report.age_nanos(now);
            match State::of(report, age, &spans) {
                State::Serving => {
                    let uptime = report.uptime_nanos().saturating_add(age);
                    is_stable &= uptime >= spans.stabilization_window;
                    let factor = slow_start_factor(uptime, spans.slow_start);
                    let load = report.load().of(rules.measure);
                    others.push(PodLoad::new(load, report.weight(), factor));
                }
                State::Terminating => is_stable = false,
                State::Away => {}
            }
        }
        PeerLoads {
            rules,
            others,
            is_stable,
        }
    }
}

impl PeerLoads {
    /// How an estimate is made from them.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// As [`View::estimate`].
    pub fn estimate(&self, own: &OwnReport) -> Option<Estimate> {
        let others = &self.others;
        if others.is_empty() {
            return None;
        }
        let has_started = own.uptime >= self.rules.stabilization_window;
        let own = PodLoad::own(own, &self.rules);
        Some(Estimate {
            peers: others.len(),
            mean: mean(&own, others),
            fair: fair(&own, others),
            highest: highest(&own, others),
            is_stable: self.is_stable && has_started,
        })
    }
}

#[cfg(test)]
impl Estimate {
    /// Three other pods, which all have this load.
    pub(crate) const fn of_equal_peers(mean: f64) -> Self {
        Self {
            peers: 3,
            mean,
            fair: mean,
            highest: mean,
            is_stable: true,
        }
    }
}

enum State {
    /// It gets new connections.
    Serving,
    /// It has got none for less than `stabilization_window`, and still has connections.
    Terminating,
    /// It has got none for longer, or ever, or is gone.
    Away,
}

impl State {
    /// The state of the pod of a report that has this age, in nanoseconds.
    fn of(report: &Report, age: u64, spans: &Spans) -> Self {
        let Some(since_request) = report.since_peer_request_nanos() else {
            return Self::Away;
        };
        let since_request_now = since_request.saturating_add(age);
        if since_request_now <= spans.serving {
            Self::Serving
        } else if since_request > spans.serving
            && since_request_now <= spans.terminating
            && report.load().connections > 0.0
        {
            // Its own report states that it gets no requests any more. A report that is merely old shows nothing: in a
            // sample of many pods some always are.
            Self::Terminating
        } else {
            Self::Away
        }
    }
}

/// The load and the weight of one pod.
#[derive(Debug)]
struct PodLoad {
    load: f64,
    weight: f64,
    /// The part of its weight that its slow start has reached.
    slow_start_factor: f64,
    /// The weight, reduced to that part.
    share: f64,
    /// The load by the share.
    per_share: f64,
}

impl PodLoad {
    fn new(load: f64, weight: f64, slow_start_factor: f64) -> Self {
        let share = weight * slow_start_factor;
        Self {
            load,
            weight,
            slow_start_factor,
            share,
            per_share: load / share,
        }
    }

    fn own(own: &OwnReport, rules: &Rules) -> Self {
        let factor = slow_start_factor(nanos(own.uptime), nanos(rules.slow_start));
        // NaN becomes 0.
        let load = own.load.of(rules.measure).max(0.0);
        Self::new(load, plausible_weight(own.weight), factor)
    }

    /// The highest load by share of another pod that counts.
    fn clip(&self) -> f64 {
        CLIP * self.load / self.share
    }
}

fn mean(own: &PodLoad, others: &[PodLoad]) -> f64 {
    let others = others.iter().map(|part| (part.load, part.share));
    load_per_share(own, others)
}

fn fair(own: &PodLoad, others: &[PodLoad]) -> f64 {
    let max_load = own.clip();
    let max_weight = CLIP * median_weight(own, others);
    let others = others.iter().map(|part| {
        let counts = part.weight.min(max_weight) * part.slow_start_factor;
        (part.per_share.min(max_load) * counts, counts)
    });
    load_per_share(own, others)
}

/// The load of all pods by their share; `others` are the loads and shares of the other pods.
fn load_per_share(own: &PodLoad, others: impl Iterator<Item = (f64, f64)>) -> f64 {
    let own = (own.load, own.share);
    let (load, share) = others.fold(own, |sum, part| (sum.0 + part.0, sum.1 + part.1));
    load / share
}

fn highest(own: &PodLoad, others: &[PodLoad]) -> f64 {
    let highest = others.iter().map(|part| part.per_share);
    highest.fold(0.0, f64::max).min(own.clip())
}

fn median_weight(own: &PodLoad, others: &[PodLoad]) -> f64 {
    // In most services all weights are equal.
    if others.iter().all(|part| part.weight == own.weight) {
        return own.weight;
    }
    let mut weights: Vec<f64> = others.iter().map(|part| part.weight).collect();
    weights.push(own.weight);
    // A weight is positive, so its bits sort like its value.
    // The lower of the middle two: of two pods, the heavier must not define the median.
    let half = weights.len().div_ceil(2);
    let lower = smallest_by_number(&weights, half, |weight| weight.to_bits());
    lower.last().copied().unwrap_or(own.weight)
}
