//! Random draws, repeatable by their seed.

use std::time::Duration;

/// The shape of the Pareto distribution of requests over connections: the busiest fifth has 58 % of them.
const SHAPE: f64 = 1.5;
/// The maximum of a Pareto draw, as a multiple of the mean.
const MAX_OVER_MEAN: f64 = 100.0;

pub struct Random(fastrand::Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub fn seed(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// Draws an index below `end`, which must not be 0.
    pub fn index_below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// Draws one of the elements.
    pub fn pick(&mut self, from: &[usize]) -> Option<usize> {
        (!from.is_empty()).then(|| from[self.index_below(from.len())])
    }

    /// Returns true with this probability.
    pub fn bool(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.f64() < probability
    }

    /// Draws a duration below `span`.
    pub fn duration_below(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.0.f64())
    }

    /// Draws a duration between half of `span` and one and a half of it.
    pub fn duration_around(&mut self, span: Duration) -> Duration {
        span.mul_f64(0.5 + self.0.f64())
    }

    /// Draws the time to the next event of a Poisson process with `rate` events per second: at most a day.
    pub fn exponential(&mut self, rate: f64) -> Duration {
        let seconds = -(1.0 - self.0.f64()).ln() / rate;
        Duration::from_secs_f64(seconds.min(86_400.0))
    }

    /// Draws the number of events of a Poisson distribution with this mean.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            // Approximated by the normal distribution (Box and Muller).
            let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
            let normal = radius * (core::f64::consts::TAU * self.0.f64()).cos();
            return (mean + mean.sqrt() * normal).round().max(0.0) as u64;
        }
        let end = (-mean).exp();
        let mut left = self.0.f64();
        let mut times = 0;
        while left > end {
            left *= self.0.f64();
            times += 1;
        }
        times
    }

    /// Draws a factor of a Pareto distribution with mean 1.
    pub fn pareto(&mut self) -> f64 {
        let mean = SHAPE / (SHAPE - 1.0);
        let drawn = (1.0 - self.0.f64()).powf(-1.0 / SHAPE);
        (drawn / mean).min(MAX_OVER_MEAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 100_000;

    fn mean(draw: impl FnMut(u32) -> f64) -> f64 {
        (0..DRAWS).map(draw).sum::<f64>() / f64::from(DRAWS)
    }

    #[test]
    fn draws_have_the_requested_mean() {
        let mut random = Random::new(1);
        for expected in [0.1, 8.0, 29.0, 31.0, 500.0] {
            let times = mean(|_| random.poisson(expected) as f64);
            assert!((times / expected - 1.0).abs() < 0.03, "{expected}: {times}");
        }
        let until = mean(|_| random.exponential(4.0).as_secs_f64());
        assert!((until - 0.25).abs() < 0.01, "{until}");
        let about = mean(|_| random.duration_around(Duration::from_secs(2)).as_secs_f64());
        assert!((about - 2.0).abs() < 0.01, "{about}");
    }

    #[test]
    fn fifth_of_the_connections_has_more_than_half_of_the_requests() {
        let mut random = Random::new(1);
        let mut drawn: Vec<f64> = (0..DRAWS).map(|_| random.pareto()).collect();
        drawn.sort_by(f64::total_cmp);
        let all: f64 = drawn.iter().sum();
        let heavy: f64 = drawn[drawn.len() * 4 / 5..].iter().sum();
        assert!((0.9..1.0).contains(&(all / f64::from(DRAWS))), "{all}");
        assert!((0.5..0.62).contains(&(heavy / all)), "{}", heavy / all);
    }
}
