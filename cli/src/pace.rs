//! The drain rate of a policy: the arithmetic of `check` and `explain`.
//!
//! A connection under a rule lives until the first of its limits, which are drawn as the engine draws them
//! (`filter/engine/src/limits.rs`): `max_connection_age` and `max_requests_per_connection` with the same uniform draw,
//! `mean_connection_age` with a separate exponential one, and none before `min_connection_age`. The wait for a
//! safe point and for the budget is not included, so the result is an upper bound of the drain rate.

use core::num::NonZeroU64;
use core::time::Duration;

use evenkeel_policy::{Jitter, Rule, UpstreamRecycling};

/// The limits of a connection, with times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    max_connection_age: Option<f64>,
    mean_connection_age: Option<f64>,
    min_connection_age: f64,
    jitter: f64,
    max_requests_per_connection: Option<NonZeroU64>,
    /// Requests per second of a connection.
    requests: Option<f64>,
}

/// The number of equal parts into which the uniform distribution is divided.
const PARTS: u32 = 1000;

impl Limits {
    pub fn of(rule: &Rule) -> Self {
        Self {
            max_connection_age: rule.max_connection_age.map(seconds),
            mean_connection_age: rule.mean_connection_age.map(seconds),
            min_connection_age: seconds(rule.min_connection_age),
            jitter: rule.jitter.get(),
            max_requests_per_connection: rule.max_requests_per_connection,
            requests: None,
        }
    }

    pub fn upstream(upstream: &UpstreamRecycling) -> Self {
        Self {
            max_connection_age: upstream.max_connection_age.map(seconds),
            mean_connection_age: None,
            min_connection_age: 0.0,
            jitter: Jitter::get(upstream.jitter),
            max_requests_per_connection: upstream.max_requests_per_connection,
            requests: None,
        }
    }

    /// Counts `max_requests_per_connection` too, for connections that carry so many requests a second each.
    pub fn with_requests(self, requests: Option<f64>) -> Self {
        let requests = requests.filter(|rate| *rate > 0.0);
        Self { requests, ..self }
    }

    /// Returns the mean lifetime of a connection in seconds; None without a limit.
    pub fn lifetime(&self) -> Option<f64> {
        if !self.is_limited() {
            return None;
        }
        Some(self.average(|limit| {
            let start = self.min_connection_age;
            match self.mean_connection_age {
                _ if limit <= start => start,
                // The integral of the survival probability from `min_connection_age` to the limit.
                Some(mean) => start + mean * ((-start / mean).exp() - (-limit / mean).exp()),
                None => limit,
            }
        }))
    }

    /// Returns the fraction of connections that `mean_connection_age` drains before another limit.
    pub fn drained_by_mean_age(&self) -> f64 {
        let Some(mean) = self.mean_connection_age else {
            return 0.0;
        };
        self.average(|limit| 1.0 - (-limit / mean).exp())
    }

    /// Returns the fraction of connections whose limit is below `min_connection_age`: they all expire at exactly that age.
    pub fn delayed_to_min_age(&self) -> f64 {
        if !self.is_limited() {
            return 0.0;
        }
        self.average(|limit| match self.mean_connection_age {
            _ if limit < self.min_connection_age => 1.0,
            Some(mean) => 1.0 - (-self.min_connection_age / mean).exp(),
            None => 0.0,
        })
    }

    /// Returns the drains per second of `connections` once their ages are mixed; None without a limit.
    pub fn drains_per_second(&self, connections: f64) -> Option<f64> {
        let lifetime = self.lifetime()?;
        Some(connections / lifetime.max(f64::MIN_POSITIVE))
    }

    fn is_limited(&self) -> bool {
        self.max_connection_age.is_some()
            || self.mean_connection_age.is_some()
            || self.by_requests(1.0).is_finite()
    }

    /// Returns the mean of a function of the limit in seconds over all limits that a connection can draw.
    fn average(&self, of: impl Fn(f64) -> f64) -> f64 {
        let own = |part: u32| {
            let early = (f64::from(part) + 0.5) / f64::from(PARTS);
            let keep = 1.0 - self.jitter * early;
            let age = self
                .max_connection_age
                .map_or(f64::INFINITY, |max| max * keep);
            age.min(self.by_requests(keep))
        };
        (0..PARTS).map(|part| of(own(part))).sum::<f64>() / f64::from(PARTS)
    }

    fn by_requests(&self, keep: f64) -> f64 {
        match (self.max_requests_per_connection, self.requests) {
            (Some(max), Some(rate)) => (max.get() as f64 * keep).ceil().max(1.0) / rate,
            _ => f64::INFINITY,
        }
    }
}

fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use evenkeel_engine::{ConnectionId, Engine, Instant, Origin};
    use evenkeel_policy::{Direction, Mode, Policy};

    use super::*;

    fn rule(defaults: &str) -> Policy {
        let text = format!(r#"{{"version": 1, "defaults": {defaults}}}"#);
        Policy::parse(text.as_bytes()).unwrap()
    }

    fn limits(defaults: &str) -> Limits {
        Limits::of(&rule(defaults).defaults)
    }

    fn close_to(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 0.001 * expected
    }

    #[test]
    fn jittered_age_is_half_the_jitter_shorter_on_average() {
        let lifetime = limits(r#"{"max_connection_age": "100s", "jitter": 0.2}"#).lifetime();
        assert!(close_to(lifetime.unwrap(), 90.0), "{lifetime:?}");
    }

    #[test]
    fn mean_age_is_the_mean() {
        let lifetime =
            limits(r#"{"max_connection_age": "off", "mean_connection_age": "100s"}"#).lifetime();
        assert!(close_to(lifetime.unwrap(), 100.0), "{lifetime:?}");
    }

    #[test]
    fn first_of_two_limits_applies() {
        let both =
            limits(r#"{"max_connection_age": "100s", "jitter": 0, "mean_connection_age": "100s"}"#);
        let expected = 100.0 * (1.0 - (-1.0_f64).exp());
        assert!(close_to(both.lifetime().unwrap(), expected));
        assert!(close_to(both.drained_by_mean_age(), 1.0 - (-1.0_f64).exp()));
        let limited = limits(
            r#"{"max_connection_age": "100s", "max_requests_per_connection": 50, "jitter": 0}"#,
        );
        assert!(close_to(limited.lifetime().unwrap(), 100.0));
        assert!(close_to(
            limited.with_requests(Some(1.0)).lifetime().unwrap(),
            50.0
        ));
    }

    #[test]
    fn no_limit_drains_nothing() {
        let none = limits(r#"{"max_connection_age": "off", "max_requests_per_connection": 10}"#);
        assert_eq!(
            (none.lifetime(), none.drains_per_second(1000.0)),
            (None, None)
        );
        assert_eq!(none.delayed_to_min_age(), 0.0);
    }

    const CONNECTIONS: u64 = 20_000;

    /// Opens connections in the engine; returns the age and the number of requests at which each expires.
    fn opened(policy: &Policy) -> Vec<(Option<Duration>, Option<u64>)> {
        let mut engine = Engine::default();
        engine.advance(Instant::from_nanos(1));
        let origin = Origin {
            policy: 0,
            direction: Direction::Inbound,
            port: 80,
        };
        let ids = (0..CONNECTIONS).map(ConnectionId);
        ids.map(|id| {
            engine.open(
                id,
                origin,
                Some(policy.defaults.clone()),
                Mode::Enforce,
                id.0,
            );
            let connection = engine.connection(id).unwrap();
            connection.remaining(engine.now())
        })
        .collect()
    }

    /// Compares the formulas with what the engine's connections draw.
    #[test]
    fn drawn_ages_match_the_formula() {
        for defaults in [
            r#"{"max_connection_age": "10m"}"#,
            r#"{"max_connection_age": "10m", "jitter": 1}"#,
            r#"{"max_connection_age": "off", "mean_connection_age": "10m"}"#,
            r#"{"max_connection_age": "10m", "mean_connection_age": "10m", "jitter": 0.5}"#,
            r#"{"max_connection_age": "10m", "mean_connection_age": "5m", "jitter": 0.5, "min_connection_age": "6m"}"#,
            r#"{"max_connection_age": "10m", "jitter": 0.5, "min_connection_age": "8m"}"#,
        ] {
            let policy = rule(defaults);
            let ages = opened(&policy).into_iter();
            let ages: Vec<_> = ages.map(|(age, _)| age.unwrap().as_secs_f64()).collect();
            let count = CONNECTIONS as f64;
            let mean = ages.iter().sum::<f64>() / count;
            let min_connection_age = policy.defaults.min_connection_age.as_secs_f64();
            let delayed = ages
                .iter()
                .filter(|age| **age == min_connection_age)
                .count() as f64
                / count;

            let limits = Limits::of(&policy.defaults);
            let expected = limits.lifetime().unwrap();
            assert!(
                (mean / expected - 1.0).abs() < 0.02,
                "{defaults}: {mean} for {expected}"
            );
            let expected = limits.delayed_to_min_age();
            assert!(
                (delayed - expected).abs() < 0.02,
                "{defaults}: {delayed} for {expected}"
            );
        }
    }

    #[test]
    fn drawn_request_limits_match_the_formula() {
        for defaults in [
            r#"{"max_connection_age": "off", "max_requests_per_connection": 1000}"#,
            r#"{"max_connection_age": "off", "max_requests_per_connection": 9, "jitter": 0.5}"#,
        ] {
            let policy = rule(defaults);
            let drawn = opened(&policy)
                .into_iter()
                .map(|(_, requests)| requests.unwrap() as f64);
            let mean = drawn.sum::<f64>() / CONNECTIONS as f64;

            let limits = Limits::of(&policy.defaults).with_requests(Some(1.0));
            let expected = limits.lifetime().unwrap();
            assert!(
                (mean / expected - 1.0).abs() < 0.01,
                "{defaults}: {mean} for {expected}"
            );
        }
    }
}
