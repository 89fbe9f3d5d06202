//! The load of connections.

use core::time::Duration;

use evenkeel_policy::Measure;

use crate::Instant;

/// The time constant of rates: what is older counts for about a third.
const MEMORY: Duration = Duration::from_secs(10);

/// The load of a connection, a worker, a proxy or a host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Open connections.
    pub connections: f64,
    /// Requests in flight.
    pub active: f64,
    /// Requests a second, averaged over about ten seconds.
    pub requests: f64,
    /// Bytes a second in both directions, averaged over about ten seconds.
    pub bytes: f64,
}

impl Load {
    /// The number that a measure compares.
    pub fn of(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Connections => self.connections,
            Measure::Requests => self.requests,
            Measure::Bytes => self.bytes,
        }
    }

    /// The sum of both loads.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.zip_with(other, |own, other| own + other)
    }

    /// The load without `other`, at least 0.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.zip_with(other, |own, other| (own - other).max(0.0))
    }

    fn zip_with(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            connections: f(self.connections, other.connections),
            active: f(self.active, other.active),
            requests: f(self.requests, other.requests),
            bytes: f(self.bytes, other.bytes),
        }
    }
}

/// Exponentially decaying averages of requests and bytes a second. They start unbiased: after its first second a
/// connection has the rate of that second, not a tenth of it. Otherwise the load of every drained connection would be
/// missing in both pods for a while. Each connection has them, so they are in single precision.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    since: Instant,
    /// The low 32 bits of the number of requests until then.
    requests: u32,
    /// The bytes since then.
    bytes: u64,
    average: Averages,
}

#[derive(Clone, Copy, Debug, Default)]
struct Averages {
    requests: f32,
    bytes: f32,
    /// The sum of the weights so far, from 0 to 1.
    weight: f32,
}

impl Flow {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    pub(crate) fn add_bytes(&mut self, bytes: u64) {
        // 2^64 bytes do not pass between two updates, and this runs for every read and write.
        self.bytes = self.bytes.wrapping_add(bytes);
    }

    /// Adds what has come since the last call to the averages, unless that was less than 0.1 s ago.
    pub(crate) fn update(&mut self, requests: u64, now: Instant) {
        let span = now.since(self.since).as_secs_f64();
        if span < 0.1 {
            return;
        }
        let decay = (-span / MEMORY.as_secs_f64()).exp();
        let new_weight = 1.0 - decay;
        let requests = requests as u32;
        // A request that turns out to be an exchange between peers is subtracted: a lower number adds nothing.
        let came = f64::from((requests.wrapping_sub(self.requests) as i32).max(0));
        let average = |held: f32, new: f64| (f64::from(held) * decay + new * new_weight) as f32;
        self.average = Averages {
            requests: average(self.average.requests, came / span),
            bytes: average(self.average.bytes, self.bytes as f64 / span),
            weight: average(self.average.weight, 1.0),
        };
        self.since = now;
        self.requests = requests;
        self.bytes = 0;
    }

    pub(crate) fn requests(&self) -> f64 {
        self.average.rate(self.average.requests)
    }

    pub(crate) fn bytes(&self) -> f64 {
        self.average.rate(self.average.bytes)
    }
}

impl Averages {
    /// Divides an average by the sum of its weights, which makes it unbiased.
    fn rate(&self, average: f32) -> f64 {
        f64::from(average / self.weight.max(f32::MIN_POSITIVE))
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
    fn steady_rate_is_right_after_one_second() {
        let mut flow = Flow::new(at(0));
        for second in 1..=60 {
            flow.add_bytes(3_000);
            flow.update(second * 20, at(second));
            assert!(
                (flow.requests() / 20.0 - 1.0).abs() < 1e-6,
                "{second}: {flow:?}"
            );
            assert!(
                (flow.bytes() / 3_000.0 - 1.0).abs() < 1e-6,
                "{second}: {flow:?}"
            );
        }
    }

    #[test]
    fn count_above_32_bits_continues() {
        let before = u64::from(u32::MAX) - 5;
        let mut flow = Flow {
            requests: before as u32,
            ..Flow::new(at(0))
        };
        flow.update(before + 10, at(1));
        assert!((flow.requests() / 10.0 - 1.0).abs() < 1e-6, "{flow:?}");
    }

    #[test]
    fn count_that_decreases_adds_nothing() {
        let mut flow = Flow::new(at(0));
        flow.update(5, at(1));
        flow.update(0, at(100));
        assert!(flow.requests() < 0.01, "{flow:?}");
    }

    #[test]
    fn rate_decays_after_the_flow_stops() {
        let mut flow = Flow::new(at(0));
        flow.update(100, at(1));

        flow.update(100, at(11));
        let after_ten = flow.requests();
        flow.update(100, at(61));

        assert!(after_ten < 20.0, "{after_ten}");
        assert!(flow.requests() < 0.1, "{}", flow.requests());
    }

    #[test]
    fn rate_without_elapsed_time_is_zero() {
        let mut flow = Flow::new(at(5));
        flow.add_bytes(1);
        flow.update(1, at(5));
        assert_eq!((flow.requests(), flow.bytes()), (0.0, 0.0));
    }
}
