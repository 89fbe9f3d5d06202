//! The samples of one side of a case, and the numbers derived from them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_test_envoy::Tally;
use serde_json::Value;

use crate::pod::{Sample, Side};

/// The busiest pod over the mean up to which load counts as balanced.
pub const BALANCED: f64 = 1.25;

/// All pods at one time.
pub struct Snapshot {
    /// Seconds since the start.
    pub at: f64,
    /// One for each pod that had started by then.
    pub pods: Vec<Sample>,
}

/// One side at one time.
#[derive(Clone, Debug, PartialEq)]
struct Point {
    at: f64,
    connections: Vec<u64>,
    drains: u64,
}

/// One side of a case.
pub struct History {
    pub name: &'static str,
    pub policy: Option<Value>,
    pub tally: Arc<Tally>,
    points: Vec<Point>,
    /// The pods that serve at the end.
    serving: Range<usize>,
}

impl History {
    pub fn new(
        side: &Side,
        index: usize,
        snapshots: &[Snapshot],
        tally: Arc<Tally>,
        serving: Range<usize>,
    ) -> Self {
        let pods = tally.per_backend_since(Duration::ZERO).len();
        let points = snapshots
            .iter()
            .map(|snapshot| Point::new(snapshot, side, index, pods));
        Self {
            name: side.name,
            policy: side.policy.clone(),
            points: points.collect(),
            tally,
            serving,
        }
    }

    /// Returns the requests that failed.
    pub fn failed(&self) -> u64 {
        self.tally.failed()
    }

    /// Returns the responses of each pod since a time.
    pub fn requests_since(&self, at: f64) -> Vec<u64> {
        self.tally.per_backend_since(Duration::from_secs_f64(at))
    }

    /// Returns the open connections of the last pods at the end.
    pub fn connections_of_last(&self, count: usize) -> u64 {
        let last = self.points.last().map(|point| &point.connections);
        last.map_or(0, |pods| pods.iter().rev().take(count).sum())
    }

    /// Returns the share of the last pod among open connections since a time, in percent.
    pub fn share_of_last(&self, since: f64) -> f64 {
        let points = self.points.iter().filter(|point| point.at >= since);
        let (mut last, mut all) = (0, 0);
        for point in points {
            last += point.connections.last().copied().unwrap_or(0);
            all += point.connections.iter().sum::<u64>();
        }
        last as f64 * 100.0 / all.max(1) as f64
    }

    /// Returns the busiest pod over the mean of those that serve, by connections at the end.
    pub fn max_over_mean(&self) -> f64 {
        self.points.last().map_or(0.0, |point| self.ratio(point))
    }

    /// Returns the drains since a time.
    pub fn drains_since(&self, at: f64) -> u64 {
        let total = |point: &Point| point.drains;
        let before = self.points.iter().rev().find(|point| point.at <= at);
        self.points.last().map_or(0, total) - before.map_or(0, total)
    }

    /// Returns the seconds from a time until connections are balanced, and stay so until the end.
    pub fn seconds_to_balance(&self, since: f64) -> Option<f64> {
        let mut balanced = None;
        for point in self.points.iter().filter(|point| point.at > since) {
            if self.ratio(point) > BALANCED {
                balanced = None;
            } else {
                balanced = balanced.or(Some(point.at - since));
            }
        }
        balanced
    }

    /// Returns the drains from a time until balance; None if it was not reached.
    pub fn drains_to_balance(&self, since: f64) -> Option<u64> {
        let balanced = since + self.seconds_to_balance(since)?;
        Some(self.drains_since(since) - self.drains_since(balanced))
    }

    /// Returns the open connections of each pod over time.
    pub fn connections_over_time(&self) -> Vec<(f64, Vec<f64>)> {
        let point = |point: &Point| {
            let connections = point.connections.iter().map(|count| *count as f64);
            (point.at, connections.collect())
        };
        self.points.iter().map(point).collect()
    }

    fn ratio(&self, point: &Point) -> f64 {
        max_over_mean(&point.connections[self.serving.clone()])
    }
}

impl Point {
    fn new(snapshot: &Snapshot, side: &Side, index: usize, pods: usize) -> Self {
        let of_pod = |pod: usize| {
            snapshot
                .pods
                .get(pod)
                .map_or(0, |pod| pod.connections[index])
        };
        let drains = snapshot.pods.iter().flat_map(|pod| &pod.drains);
        let drains = drains.filter(|(reason, _)| side.drains_for(reason));
        Self {
            at: snapshot.at,
            connections: (0..pods).map(of_pod).collect(),
            drains: drains.map(|(_, count)| count).sum(),
        }
    }
}

/// Returns the largest over the mean: 1 is even, the number of pods is the worst.
pub fn max_over_mean(load: &[u64]) -> f64 {
    let sum: u64 = load.iter().sum();
    let max = load.iter().max().copied().unwrap_or(0);
    max as f64 * load.len() as f64 / sum.max(1) as f64
}

/// Returns Pearson's chi-square of counts whose expected values are equal.
pub fn chi_square(counts: &[u64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len().max(1) as f64;
    let term = |count: &u64| (*count as f64 - expected).powi(2) / expected.max(1.0);
    counts.iter().map(term).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(points: &[(f64, [u64; 3], u64)]) -> History {
        let point = |(at, connections, drains): &(f64, [u64; 3], u64)| Point {
            at: *at,
            connections: connections.to_vec(),
            drains: *drains,
        };
        History {
            name: "after",
            policy: None,
            tally: Arc::new(Tally::new(3)),
            points: points.iter().map(point).collect(),
            serving: 1..3,
        }
    }

    #[test]
    fn balance_must_last_until_the_end() {
        let history = history(&[
            (1.0, [50, 50, 0], 3),
            (2.0, [9, 75, 25], 5),
            (3.0, [0, 60, 40], 10),
            (4.0, [0, 70, 30], 10),
            (5.0, [0, 60, 40], 20),
            (6.0, [0, 55, 45], 25),
        ]);

        assert_eq!(history.seconds_to_balance(1.0), Some(4.0));
        assert_eq!(history.drains_to_balance(1.0), Some(17));
        assert_eq!(history.drains_since(5.0), 5);
        assert_eq!(history.max_over_mean(), 1.1);
        assert_eq!(history.share_of_last(5.0), 42.5);
    }

    #[test]
    fn chi_square_of_equal_counts_is_zero() {
        assert_eq!(chi_square(&[5, 5, 5]), 0.0);
        assert_eq!(chi_square(&[30, 0, 0]), 60.0);
    }
}
