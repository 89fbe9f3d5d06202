//! The connections of a side over time, and the numbers derived from them.

use std::ops::Range;
use std::time::Duration;

use crate::demo::outcome::max_over_mean;

/// The highest pod over the mean up to which connections count as balanced.
pub const EVEN: f64 = 1.25;

/// The connections and drains at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The time of the responses in seconds since the change; negative before it.
    pub at: f64,
    /// The time of the query.
    pub queried: f64,
    /// Open connections of each pod.
    pub open: Vec<u64>,
    /// Drains since the start.
    pub drains: u64,
}

/// Samples in order of time, before and after the change.
pub struct Timeline {
    samples: Vec<Sample>,
    serving: Range<usize>,
}

impl Timeline {
    /// `serving` are the pods after the change.
    pub fn new(samples: Vec<Sample>, serving: Range<usize>) -> Self {
        Self { samples, serving }
    }

    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the connections of the last sample.
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

    /// Returns the drains from the change until the load stays even; None if it does not.
    pub fn drains_to_even(&self) -> Option<u64> {
        let even = self.seconds_to_even()?;
        Some(self.drains_until(even) - self.drains_until(0.0))
    }

    /// Returns the time of the first sample after which the load stays even.
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
    /// not be counts.
    pub fn rates(&self) -> Vec<(f64, f64, f64)> {
        self.samples
            .windows(2)
            .filter_map(|pair| match pair {
                [from, to] if to.at > from.queried => {
                    let rate = (to.drains - from.drains) as f64 / (to.at - from.queried);
                    Some((from.at, to.at, rate))
                }
                _ => None,
            })
            .collect()
    }

    /// Returns the highest rate since the change.
    pub fn peak(&self) -> f64 {
        let since = self.rates().into_iter().filter(|(_, to, _)| *to > 0.0);
        since.map(|(_, _, rate)| rate).fold(0.0, f64::max)
    }

    /// Returns the drains per minute in the `last` part.
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

    fn timeline(samples: &[(f64, [u64; 3], u64)]) -> Timeline {
        let sample = |(at, open, drains): &(f64, [u64; 3], u64)| Sample {
            at: *at,
            queried: *at,
            open: open.to_vec(),
            drains: *drains,
        };
        Timeline::new(samples.iter().map(sample).collect(), 1..3)
    }

    #[test]
    fn balance_must_last_until_the_end() {
        let timeline = timeline(&[
            (-1.0, [50, 50, 0], 0),
            (1.0, [9, 75, 25], 0),
            (2.0, [0, 60, 40], 10),
            (3.0, [0, 70, 30], 10),
            (4.0, [0, 60, 40], 20),
            (5.0, [0, 55, 45], 25),
        ]);

        assert_eq!(timeline.seconds_to_even(), Some(4.0));
        assert_eq!(timeline.max_over_mean(), 1.1);
        assert_eq!(timeline.excess(), 5.0);
        assert_eq!(timeline.drains_to_even(), Some(20));
    }

    #[test]
    fn unbalanced_run_has_no_time_to_balance() {
        let timeline = timeline(&[(1.0, [0, 75, 25], 0), (2.0, [0, 75, 25], 0)]);

        assert_eq!(timeline.seconds_to_even(), None);
        assert_eq!(timeline.drains_to_even(), None);
        assert_eq!(timeline.excess(), 25.0);
    }

    #[test]
    fn rate_uses_the_longest_possible_interval() {
        let sample = |queried, at, drains| Sample {
            at,
            queried,
            open: Vec::new(),
            drains,
        };
        let timeline = Timeline::new(vec![sample(1.0, 1.5, 5), sample(2.5, 3.0, 17)], 0..0);

        assert_eq!(timeline.peak(), 6.0);
    }

    #[test]
    fn drains_count_from_the_change_on() {
        let timeline = timeline(&[
            (-2.0, [1, 1, 0], 3),
            (0.0, [1, 1, 0], 5),
            (1.0, [0, 1, 1], 5),
            (1.5, [0, 1, 1], 11),
            (3.5, [0, 1, 1], 13),
        ]);

        assert_eq!(timeline.drains_to_even(), Some(0));
        assert_eq!(timeline.peak(), 12.0);
        assert_eq!(timeline.drains_per_minute(Duration::from_secs(2)), 60.0);
    }
}
