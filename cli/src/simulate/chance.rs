//! Chance, repeatable by its seed.

use std::time::Duration;

/// The tail of how requests are spread over connections: the fifth that carries most carries 58 % of all.
const TAIL: f64 = 1.5;
/// No connection carries more than so many times the mean.
const HEAVIEST: f64 = 100.0;

pub struct Chance(fastrand::Rng);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub fn seed(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// One of the numbers below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// Any of them.
    pub fn pick(&mut self, from: &[usize]) -> Option<usize> {
        (!from.is_empty()).then(|| from[self.below(from.len())])
    }

    pub fn happens(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.0.f64() < chance
    }

    /// Anything up to `span`.
    pub fn within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.0.f64())
    }

    /// `span`, half of it more or less.
    pub fn about(&mut self, span: Duration) -> Duration {
        span.mul_f64(0.5 + self.0.f64())
    }

    /// Until something happens that happens `rate` times a second: at most a day.
    pub fn until(&mut self, rate: f64) -> Duration {
        let seconds = -(1.0 - self.0.f64()).ln() / rate;
        Duration::from_secs_f64(seconds.min(86_400.0))
    }

    /// How often something happens that happens `mean` times on average (Poisson).
    pub fn times(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            // Where it is close to the normal distribution (Box and Muller).
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

    /// How much more or less than the mean a connection carries where a few carry most (Pareto).
    pub fn heavy_tailed(&mut self) -> f64 {
        let mean = TAIL / (TAIL - 1.0);
        let drawn = (1.0 - self.0.f64()).powf(-1.0 / TAIL);
        (drawn / mean).min(HEAVIEST)
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
        let mut chance = Chance::new(1);
        for expected in [0.1, 8.0, 29.0, 31.0, 500.0] {
            let times = mean(|_| chance.times(expected) as f64);
            assert!((times / expected - 1.0).abs() < 0.03, "{expected}: {times}");
        }
        let until = mean(|_| chance.until(4.0).as_secs_f64());
        assert!((until - 0.25).abs() < 0.01, "{until}");
        let about = mean(|_| chance.about(Duration::from_secs(2)).as_secs_f64());
        assert!((about - 2.0).abs() < 0.01, "{about}");
    }

    #[test]
    fn fifth_of_the_connections_has_more_than_half_of_the_requests() {
        let mut chance = Chance::new(1);
        let mut drawn: Vec<f64> = (0..DRAWS).map(|_| chance.heavy_tailed()).collect();
        drawn.sort_by(f64::total_cmp);
        let all: f64 = drawn.iter().sum();
        let heavy: f64 = drawn[drawn.len() * 4 / 5..].iter().sum();
        assert!((0.9..1.0).contains(&(all / f64::from(DRAWS))), "{all}");
        assert!((0.5..0.62).contains(&(heavy / all)), "{}", heavy / all);
    }
}
