//! The result of a run. Serialised, a row is what `--json` writes.

use serde::Serialize;

use super::setup::Setup;
use super::timeline::Timeline;

/// Load is even while the highest load is at most this multiple of the mean.
const EVEN: f64 = 1.25;
/// For how many seconds it must stay so.
const STAYS: i64 = 30;
/// A balanced service is judged by this many seconds at least.
const JUDGED: usize = 60;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub scenario: String,
    pub policy: String,
    pub pods: usize,
    pub pods_after: usize,
    pub connections: usize,
    pub seed: u64,
    /// Over ready pods, when the last change to the pods is over.
    pub max_over_mean_start: f64,
    /// At the end of the run.
    pub max_over_mean_end: f64,
    /// Since the last change, until it is at most 1.25 and stays so for half a minute; None: never.
    pub seconds_to_1_25: Option<i64>,
    /// Connections drained since the first change.
    pub drains: u64,
    /// Of these, until it is at most 1.25 and stays so; None if it never is.
    pub drains_to_1_25: Option<u64>,
    /// In one second.
    pub peak_drains_per_second: u32,
    /// In the second half of the time after it was balanced; None if that was never or not a minute ago.
    pub drains_per_minute_balanced: Option<f64>,
}

impl Row {
    pub fn of(setup: &Setup, policy: &str, timeline: &Timeline) -> Self {
        let ratios: Vec<f64> = timeline
            .samples
            .iter()
            .filter(|sample| sample.at >= timeline.settled)
            .map(|sample| sample.max_over_mean)
            .collect();
        let seconds_to_1_25 = even_after(&ratios);
        let even = seconds_to_1_25.and_then(|even| usize::try_from(timeline.settled + even).ok());
        let parts = even.and_then(|even| timeline.drains.split_at_checked(even));
        let sum = |drains: &[u32]| drains.iter().map(|count| u64::from(*count)).sum();
        Self {
            scenario: setup.scenario.name(),
            policy: policy.to_owned(),
            pods: setup.pods,
            pods_after: setup.after,
            connections: setup.connections,
            seed: setup.seed,
            max_over_mean_start: rounded(ratios.first().copied().unwrap_or(1.0)),
            max_over_mean_end: rounded(ratios.last().copied().unwrap_or(1.0)),
            seconds_to_1_25,
            drains: sum(&timeline.drains),
            drains_to_1_25: parts.map(|(before, _)| sum(before)),
            peak_drains_per_second: timeline.drains.iter().max().copied().unwrap_or(0),
            drains_per_minute_balanced: parts.and_then(|(_, after)| drains_per_minute(after)),
        }
    }
}

/// The first second from which on it is even for long enough.
fn even_after(ratios: &[f64]) -> Option<i64> {
    let mut since = None;
    for (second, ratio) in (0_i64..).zip(ratios) {
        if *ratio > EVEN {
            since = None;
            continue;
        }
        let since = *since.get_or_insert(second);
        if second - since >= STAYS {
            return Some(since);
        }
    }
    None
}

/// In the second half, or the last minute if that is longer.
fn drains_per_minute(drains: &[u32]) -> Option<f64> {
    let judged = (drains.len() / 2).max(JUDGED);
    let from = drains.len().checked_sub(judged)?;
    let sum: u32 = drains[from..].iter().sum();
    Some(rounded(f64::from(sum) * 60.0 / judged as f64))
}

/// More digits would not repeat with another seed anyway.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_means_balanced_until_the_end() {
        let mut ratios = vec![2.0; 10];
        ratios.extend([1.2; 20]);
        ratios.push(1.3);
        assert_eq!(even_after(&ratios), None);
        ratios.extend([1.25; 30]);
        assert_eq!(even_after(&ratios), None);
        ratios.push(1.0);
        assert_eq!(even_after(&ratios), Some(31));
        assert_eq!(even_after(&[1.0; 31]), Some(0));
    }

    #[test]
    fn drain_rate_once_balanced_covers_the_second_half_and_at_least_a_minute() {
        assert_eq!(drains_per_minute(&[9; 59]), None);
        assert_eq!(drains_per_minute(&[1; 60]), Some(60.0));
        let mut drains = vec![5; 100];
        drains.extend([0; 100]);
        assert_eq!(drains_per_minute(&drains), Some(0.0));
        assert_eq!(drains_per_minute(&drains[..110]), Some(250.0));
    }
}
