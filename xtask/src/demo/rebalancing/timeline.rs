//! The connections of a side over time, and the numbers derived from them.

use std::ops::Range;
use std::time::Duration;

use crate::demo::outcome::max_over_mean;

/// The highest pod over the mean up to which connections count as balanced.
pub const EVEN: f64 = 1.25;

/// The connections and drains at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When all pods had responded: seconds since the change; negative before it.
    pub at: f64,
    /// When they were queried.
    pub asked: f64,
    /// Open connections of each pod.
    pub open: Vec<u64>,
    /// Drains since the start.
    pub drains: u64,
}

/// Samples in order of time, before and after the change.
pub struct Course {
    samples: Vec<Sample>,
    serving: Range<usize>,
}

impl Course {
    /// `serving` are the pods that there are after the change.
    pub fn new(samples: Vec<Sample>, serving: Range<usize>) -> Self {
        Self { samples, serving }
    }

    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The last sample's connections.
    pub fn at_the_end(&self) -> Vec<u64> {
        self.samples
            .last()
            .map(|sample| sample.open.clone())
            .unwrap_or_default()
    }

    /// Returns the highest pod over the mean of those that serve, at the end.
    pub fn max_over_mean(&self) -> f64 {
        self.samples.last().map_or(0.0, |sample| self.ratio(sample))
    }

    fn ratio(&self, sample: &Sample) -> f64 {
        max_over_mean(&sample.open[self.serving.clone()])
    }

    /// Returns how many connections of the pods that serve are above their mean, at the end.
    pub fn excess(&self) -> f64 {
        let last = self.samples.last();
        let open = last.map_or(&[][..], |sample| &sample.open[self.serving.clone()]);
        let mean = open.iter().sum::<u64>() as f64 / open.len().max(1) as f64;
        open.iter().map(|open| (*open as f64 - mean).max(0.0)).sum()
    }

    /// Returns the drains from the change until it is even for good, None if it never is.
    pub fn drains_to_even(&self) -> Option<u64> {
        let even = self.seconds_to_even()?;
        Some(self.drains_until(even) - self.drains_until(0.0))
    }

    /// The end of the last time in which it was not even, as soon as the next sample saw it.
    pub fn seconds_to_even(&self) -> Option<f64> {
        let mut even_since = None;
        for sample in self.samples.iter().filter(|sample| sample.at > 0.0) {
            if self.ratio(sample) > EVEN {
                even_since = None;
            } else {
                even_since = even_since.or(Some(sample.at));
            }
        }
        even_since
    }

    /// Returns the drains per second from each sample to the next: start, end, rate. The interval for the rate starts with
    /// the query of the first sample: on a loaded machine the response takes a while, and a drain in between may or may
    /// not be counted.
    pub fn rates(&self) -> Vec<(f64, f64, f64)> {
        self.samples
            .windows(2)
            .filter_map(|pair| match pair {
                [from, to] if to.at > from.asked => {
                    let rate = (to.drains - from.drains) as f64 / (to.at - from.asked);
                    Some((from.at, to.at, rate))
                }
                _ => None,
            })
            .collect()
    }

    /// The highest of these since the change.
    pub fn peak(&self) -> f64 {
        let since = self.rates().into_iter().filter(|(_, to, _)| *to > 0.0);
        since.map(|(_, _, rate)| rate).fold(0.0, f64::max)
    }

    /// Drains a minute in the `last` part.
    pub fn drains_per_minute(&self, last: Duration) -> f64 {
        let Some(end) = self.samples.last() else {
            return 0.0;
        };
        let begin = end.at - last.as_secs_f64();
        (end.drains - self.drains_until(begin)) as f64 * 60.0 / last.as_secs_f64()
    }

    fn drains_until(&self, moment: f64) -> u64 {
        let until = self.samples.iter().rev().find(|sample| sample.at <= moment);
        until.map_or(0, |sample| sample.drains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(samples: &[(f64, [u64; 3], u64)]) -> Course {
        let sample = |(at, open, drains): &(f64, [u64; 3], u64)| Sample {
            at: *at,
            asked: *at,
            open: open.to_vec(),
            drains: *drains,
        };
        Course::new(samples.iter().map(sample).collect(), 1..3)
    }

    #[test]
    fn balance_must_last_until_the_end() {
        let course = course(&[
            (-1.0, [50, 50, 0], 0),
            (1.0, [9, 75, 25], 0),
            (2.0, [0, 60, 40], 10),
            (3.0, [0, 70, 30], 10),
            (4.0, [0, 60, 40], 20),
            (5.0, [0, 55, 45], 25),
        ]);

        assert_eq!(course.seconds_to_even(), Some(4.0));
        assert_eq!(course.max_over_mean(), 1.1);
        assert_eq!(course.excess(), 5.0);
        assert_eq!(course.drains_to_even(), Some(20));
    }

    #[test]
    fn unbalanced_run_has_no_time_to_balance() {
        let course = course(&[(1.0, [0, 75, 25], 0), (2.0, [0, 75, 25], 0)]);

        assert_eq!(course.seconds_to_even(), None);
        assert_eq!(course.drains_to_even(), None);
        assert_eq!(course.excess(), 25.0);
    }

    #[test]
    fn rate_uses_the_longest_possible_interval() {
        let sample = |asked, at, drains| Sample {
            at,
            asked,
            open: Vec::new(),
            drains,
        };
        let course = Course::new(vec![sample(1.0, 1.5, 5), sample(2.5, 3.0, 17)], 0..0);

        assert_eq!(course.peak(), 6.0);
    }

    #[test]
    fn drains_count_from_the_change_on() {
        let course = course(&[
            (-2.0, [1, 1, 0], 3),
            (0.0, [1, 1, 0], 5),
            (1.0, [0, 1, 1], 5),
            (1.5, [0, 1, 1], 11),
            (3.5, [0, 1, 1], 13),
        ]);

        assert_eq!(course.drains_to_even(), Some(0));
        assert_eq!(course.peak(), 12.0);
        assert_eq!(course.drains_per_minute(Duration::from_secs(2)), 60.0);
    }
}
