//! What connections carry at the moment.

use core::time::Duration;

use evenkeel_policy::Measure;

use crate::Instant;

/// How quickly a rate forgets: what is older than this counts for a third.
const MEMORY: Duration = Duration::from_secs(10);

/// What a connection, a worker, a proxy or a host carries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Open connections.
    pub connections: f64,
    /// Requests that are owed something.
    pub active: f64,
    /// Requests a second, averaged over about ten seconds.
    pub requests: f64,
    /// Bytes a second in both directions, averaged over about ten seconds.
    pub bytes: f64,
}

impl Load {
    /// The one number that is compared.
    pub fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Connections => self.connections,
            Measure::Requests => self.requests,
            Measure::Bytes => self.bytes,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            active: self.active + other.active,
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
        }
    }

    /// What is left without `other`; nothing is carried less than not at all.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            connections: (self.connections - other.connections).max(0.0),
            active: (self.active - other.active).max(0.0),
            requests: (self.requests - other.requests).max(0.0),
            bytes: (self.bytes - other.bytes).max(0.0),
        }
    }
}

/// Requests and bytes a second: averages that forget exponentially. They start unbiased: after its first
/// second a connection has the rate of that second, not a tenth of it, or every connection that is moved
/// would be missing on both sides for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    since: Instant,
    /// Requests that the connection had carried then.
    requests: u64,
    /// Bytes since then.
    bytes: u64,
    average: Averages,
}

#[derive(Clone, Copy, Debug, Default)]
struct Averages {
    requests: f64,
    bytes: f64,
    /// How much of an average there is yet, from 0 to 1.
    weight: f64,
}

impl Flow {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            requests: 0,
            bytes: 0,
            average: Averages::default(),
        }
    }

    pub(crate) fn carry(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes what has come since the last time into the averages, unless that was just now.
    pub(crate) fn fold(&mut self, requests: u64, now: Instant) {
        let span = now.since(self.since).as_secs_f64();
        if span < 0.1 {
            return;
        }
        let keep = (-span / MEMORY.as_secs_f64()).exp();
        let fresh = 1.0 - keep;
        let came = requests.saturating_sub(self.requests) as f64;
        self.average.requests = self.average.requests * keep + came / span * fresh;
        self.average.bytes = self.average.bytes * keep + self.bytes as f64 / span * fresh;
        self.average.weight = self.average.weight * keep + fresh;
        self.since = now;
        self.requests = requests;
        self.bytes = 0;
    }

    pub(crate) fn requests(&self) -> f64 {
        self.average.requests / self.average.weight.max(f64::MIN_POSITIVE)
    }

    pub(crate) fn bytes(&self) -> f64 {
        self.average.bytes / self.average.weight.max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_steady_flow_is_known_after_its_first_second_and_stays() {
        let mut flow = Flow::new(at(0));
        for second in 1..=60 {
            flow.carry(3_000);
            flow.fold(second * 20, at(second));
            assert!((flow.requests() - 20.0).abs() < 1e-6, "{second}: {flow:?}");
            assert!((flow.bytes() - 3_000.0).abs() < 1e-6, "{second}: {flow:?}");
        }
    }

    #[test]
    fn a_flow_that_stops_is_forgotten() {
        let mut flow = Flow::new(at(0));
        flow.fold(100, at(1));

        flow.fold(100, at(11));
        let after_ten = flow.requests();
        flow.fold(100, at(61));

        assert!(after_ten < 20.0, "{after_ten}");
        assert!(flow.requests() < 0.1, "{}", flow.requests());
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let mut flow = Flow::new(at(5));
        flow.carry(1);
        flow.fold(1, at(5));
        assert_eq!((flow.requests(), flow.bytes()), (0.0, 0.0));
    }
}
