//! The result of a run. `--json` writes it as a row.

use serde::Serialize;

use super::setup::Setup;
use super::timeline::Timeline;

/// Load is even while the highest load is at most this multiple of the mean.
const EVEN: f64 = 1.25;
/// The time for which load must stay even.
const MIN_EVEN_SECONDS: i64 = 30;
/// The minimum time over which the drain rate once balanced is computed.
const MIN_RATED_SECONDS: usize = 60;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub scenario: String,
    pub policy: String,
    pub pods: usize,
    pub pods_after: usize,
    pub connections: usize,
    pub seed: u64,
    /// The highest load of a ready pod over the mean, after the last change to the pods.
    pub max_over_mean_start: f64,
    /// The same at the end of the run.
    pub max_over_mean_end: f64,
    /// Seconds from the last change until the ratio is at most 1.25 and stays so for half a minute; None if it never is.
    pub seconds_to_1_25: Option<i64>,
    /// Connections drained since the first change.
    pub drains: u64,
    /// Connections drained until then.
    pub drains_to_1_25: Option<u64>,
    /// The most drains in one second.
    pub peak_drains_per_second: u32,
    /// Drains per minute in the second half of the time after that; None if that is shorter than a minute.
    pub drains_per_minute_balanced: Option<f64>,
}

impl Row {
    pub fn of(setup: &Setup, policy: &str, timeline: &Timeline) -> Self {
        let ratios: Vec<f64> = timeline
            .samples
            .iter()
            .filter(|sample| sample.at >= timeline.last_change)
            .map(|sample| sample.max_over_mean)
            .collect();
        let seconds_to_1_25 = even_after(&ratios);
        let even =
            seconds_to_1_25.and_then(|even| usize::try_from(timeline.last_change + even).ok());
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

/// Returns the first second from which on the load is even for [`MIN_EVEN_SECONDS`].
fn even_after(ratios: &[f64]) -> Option<i64> {
    let mut since = None;
    for (second, ratio) in (0_i64..).zip(ratios) {
        if *ratio > EVEN {
            since = None;
            continue;
        }
        let since = *since.get_or_insert(second);
        if second - since >= MIN_EVEN_SECONDS {
            return Some(since);
        }
    }
    None
}

/// Returns the rate in the second half, or in the last minute if that is longer.
fn drains_per_minute(drains: &[u32]) -> Option<f64> {
    let seconds = (drains.len() / 2).max(MIN_RATED_SECONDS);
    let from = drains.len().checked_sub(seconds)?;
    let sum: u32 = drains[from..].iter().sum();
    Some(rounded(f64::from(sum) * 60.0 / seconds as f64))
}

/// Rounds to three decimals; further digits depend on the seed.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_means_even_for_half_a_minute() {
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
