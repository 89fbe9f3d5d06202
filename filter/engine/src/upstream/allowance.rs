//! How long, and for how many requests, an upstream connection may serve.

use evenkeel_policy::UpstreamRecycling;

use crate::Instant;
use crate::limits::{Draw, mix};

/// What a connection may still do before it expires.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    deadline: Option<Instant>,
    max_requests_per_connection: Option<u64>,
    requests: u64,
    seed: u64,
}

impl Allowance {
    /// The allowance of a connection that was `opened` then, and has carried `requests` responses since.
    pub(super) fn new(
        limits: &UpstreamRecycling,
        opened: Instant,
        seed: u64,
        requests: u64,
    ) -> Self {
        let draw = Draw::new(seed);
        Self {
            deadline: limits
                .max_connection_age
                .map(|max| opened.after(draw.age(max, limits.jitter))),
            max_requests_per_connection: limits
                .max_requests_per_connection
                .map(|max| draw.requests(max, limits.jitter).get()),
            requests,
            seed,
        }
    }

    /// The allowance that this connection gets when another one ended in its place.
    pub(super) fn restart(&self, limits: &UpstreamRecycling, used: Instant) -> Self {
        Self::new(limits, used, mix(self.seed ^ used.as_nanos()), 0)
    }

    /// Counts a response.
    pub(super) fn count(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    /// Whether a limit is reached.
    pub(super) fn has_reached_limit(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|at| at <= now)
            || self
                .max_requests_per_connection
                .is_some_and(|max| self.requests >= max)
    }
}
