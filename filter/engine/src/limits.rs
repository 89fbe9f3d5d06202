//! When a connection expires: the limits of a rule, with the jitter drawn for this connection.

use core::num::NonZeroU64;
use core::time::Duration;

use evenkeel_policy::{Jitter, Rule};

use crate::{DrainReason, Instant};

/// The random numbers of a connection, drawn once: under every rule the connection keeps its place in the spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    seed: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Uniform in [0, 1).
    fn uniform(self) -> f64 {
        unit(mix(self.seed))
    }

    /// Exponential with mean 1.
    fn exponential(self) -> f64 {
        -(1.0 - unit(mix(self.seed ^ 0x6a09_e667_f3bc_c909))).ln()
    }

    /// `max_connection_age`, reduced by this connection's part of the jitter.
    pub(crate) fn age(&self, max_connection_age: Duration, jitter: Jitter) -> Duration {
        scaled(max_connection_age, self.jitter_factor(jitter))
    }

    /// The age at which a connection expires that does so with probability `1 - exp(-dt / mean)` in every `dt`. To draw it
    /// in advance has the same distribution as to draw repeatedly, and costs one timer.
    fn lifetime(&self, mean: Duration) -> Duration {
        scaled(mean, self.exponential())
    }

    /// `max`, reduced by this connection's part of the jitter, rounded up: 2 with a jitter of 0.2 stays 2.
    pub(crate) fn requests(&self, max: NonZeroU64, jitter: Jitter) -> NonZeroU64 {
        let drawn = (max.get() as f64 * self.jitter_factor(jitter)).ceil() as u64;
        NonZeroU64::new(drawn).unwrap_or(NonZeroU64::MIN).min(max)
    }

    fn jitter_factor(&self, jitter: Jitter) -> f64 {
        1.0 - jitter.get() * self.uniform()
    }
}

/// When a connection expires, under all the rules that were applied to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// When its age reaches a limit, and which limit.
    pub(crate) deadline: Option<(Instant, DrainReason)>,
    /// The number of its last request.
    pub(crate) requests: Option<NonZeroU64>,
    /// It does not expire before.
    pub(crate) not_before: Instant,
}

impl Limits {
    /// The limits of `rule` for a connection whose age counts from `opened`, and requests from `served`.
    pub(crate) fn new(rule: &Rule, draw: &Draw, opened: Instant, served: u64) -> Self {
        let not_before = opened.after(rule.min_connection_age);
        let age = rule.max_connection_age.map(|max| {
            let age = draw.age(max, rule.jitter);
            (opened.after(age), DrainReason::MaxConnectionAge)
        });
        let lifetime = rule.mean_connection_age.map(|mean| {
            let age = draw.lifetime(mean);
            (opened.after(age), DrainReason::MeanConnectionAge)
        });
        Self {
            deadline: earliest(age, lifetime).map(|(at, reason)| (at.max(not_before), reason)),
            requests: rule
                .max_requests_per_connection
                .map(|max| draw.requests(max, rule.jitter).saturating_add(served)),
            not_before,
        }
    }

    /// Keeps the stricter of each limit.
    pub(crate) fn tighten(&mut self, other: Self) {
        self.deadline = earliest(self.deadline, other.deadline);
        self.requests = self.requests.into_iter().chain(other.requests).min();
        self.not_before = self.not_before.max(other.not_before);
    }

    /// Which limit a connection with this many requests has reached at `now`.
    pub(crate) fn reached(&self, now: Instant, requests: u64) -> Option<DrainReason> {
        if now < self.not_before {
            return None;
        }
        match self.deadline {
            Some((at, reason)) if at <= now => Some(reason),
            _ => self
                .requests
                .filter(|&last| requests >= last.get())
                .map(|_| DrainReason::MaxRequestsPerConnection),
        }
    }
}

fn earliest(
    a: Option<(Instant, DrainReason)>,
    b: Option<(Instant, DrainReason)>,
) -> Option<(Instant, DrainReason)> {
    a.into_iter().chain(b).min_by_key(|(at, _)| *at)
}

fn scaled(span: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

/// The finalizer of SplitMix64: connection ids are consecutive, and what is drawn from them must not be.
pub const fn mix(seed: u64) -> u64 {
    let a = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let b = (a ^ (a >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let c = (b ^ (b >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    c ^ (c >> 31)
}

/// The upper 53 bits as a number in [0, 1).
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / 9_007_199_254_740_992.0
}
