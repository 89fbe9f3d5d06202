//! When a connection's time is up: a rule's limits, with the chance that this one connection drew.

use core::num::NonZeroU64;
use core::time::Duration;

use evenkeel_policy::{Jitter, Rule};

use crate::{DrainReason, Instant};

/// A connection's chance, drawn once: whatever rules come to govern it, it keeps its place in the spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    seed: u64,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Uniform in [0, 1).
    fn early(self) -> f64 {
        unit(mix(self.seed))
    }

    /// Exponential with mean 1.
    fn life(self) -> f64 {
        -(1.0 - unit(mix(self.seed ^ 0x6a09_e667_f3bc_c909))).ln()
    }

    /// `max_connection_age` less this connection's share of the jitter.
    pub(crate) fn age(&self, max_connection_age: Duration, jitter: Jitter) -> Duration {
        scaled(max_connection_age, self.keep(jitter))
    }

    /// An age at which a connection that is moved with chance `1 - exp(-dt / mean)` in every `dt` is
    /// moved. To draw it beforehand is the same as to be asked again and again, and costs one timer.
    fn lifetime(&self, mean: Duration) -> Duration {
        scaled(mean, self.life())
    }

    /// `max` less this connection's share of the jitter, rounded up: 2 with a jitter of 0.2 stays 2.
    pub(crate) fn requests(&self, max: NonZeroU64, jitter: Jitter) -> NonZeroU64 {
        let drawn = (max.get() as f64 * self.keep(jitter)).ceil() as u64;
        NonZeroU64::new(drawn).unwrap_or(NonZeroU64::MIN).min(max)
    }

    fn keep(&self, jitter: Jitter) -> f64 {
        1.0 - jitter.get() * self.early()
    }
}

/// What ends a connection's service, under every rule that has come to govern it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// When its age is up, and by which limit.
    pub(crate) deadline: Option<(Instant, DrainReason)>,
    /// How many requests are its last.
    pub(crate) requests: Option<NonZeroU64>,
    /// No limit moves it before.
    pub(crate) not_before: Instant,
}

impl Limits {
    /// The limits of `rule` for a connection that opened at `opened` and had carried `carried` requests.
    pub(crate) fn new(rule: &Rule, draw: &Draw, opened: Instant, carried: u64) -> Self {
        let not_before = opened.after(rule.min_connection_age);
        let age = rule.max_connection_age.map(|max| {
            (
                opened.after(draw.age(max, rule.jitter)),
                DrainReason::MaxConnectionAge,
            )
        });
        let life = rule.mean_connection_age.map(|mean| {
            (
                opened.after(draw.lifetime(mean)),
                DrainReason::MeanConnectionAge,
            )
        });
        Self {
            deadline: earliest(age, life).map(|(at, reason)| (at.max(not_before), reason)),
            requests: rule
                .max_requests_per_connection
                .map(|max| draw.requests(max, rule.jitter).saturating_add(carried)),
            not_before,
        }
    }

    /// The stricter of both in everything.
    pub(crate) fn tighten(&mut self, other: Self) {
        self.deadline = earliest(self.deadline, other.deadline);
        self.requests = match (self.requests, other.requests) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.not_before = self.not_before.max(other.not_before);
    }

    /// Why a connection that has carried `requests` is due at `now`, if it is.
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
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn scaled(span: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

/// SplitMix64's finaliser: connection ids are consecutive, what is drawn from them must not be.
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
