//! The load of each pod and the drains of a run, second by second.

use evenkeel_engine::Instant;
use evenkeel_policy::Measure;

use super::client::Client;
use super::pod::{Pod, Stage};
use super::setup::Setup;

/// The maximum number of pods whose loads are recorded one by one; of more, quantiles are.
pub const MAX_LINES: usize = 32;

/// The state at one second.
pub struct Sample {
    /// Seconds since the first change.
    pub at: i64,
    /// The largest load of a ready pod over the mean of all; 1 is even.
    pub max_over_mean: f64,
    /// The mean of the ready pods.
    pub mean: f64,
    pub loads: Loads,
}

impl Sample {
    /// The highest load of a pod.
    pub fn max_load(&self) -> f64 {
        match &self.loads {
            Loads::Each(loads) => loads.iter().flatten().copied().fold(0.0, f32::max).into(),
            Loads::Spread([.., most]) => (*most).into(),
        }
    }
}

/// The loads of pods.
pub enum Loads {
    /// The load of each pod, in the order of their start; None while the pod does not run.
    Each(Vec<Option<f32>>),
    /// Quantiles of the ready pods: minimum, 10 %, median, 90 %, maximum.
    Spread([f32; 5]),
}

pub struct Timeline {
    measure: Measure,
    /// The number of pods over the whole time.
    pub pods: usize,
    first: Instant,
    /// The end of the last change, in seconds since the first.
    pub last_change: i64,
    pub samples: Vec<Sample>,
    /// Drained connections in each second since the first change.
    pub drains: Vec<u32>,
}

impl Timeline {
    /// Creates the timeline of a run whose first change is at `first` and whose last one ends at `last`.
    pub fn new(setup: &Setup, first: Instant, last: Instant, pods: usize) -> Self {
        Self {
            measure: setup.scenario.measure(),
            pods,
            first,
            last_change: last.since(first).as_secs_f64().ceil() as i64,
            samples: Vec::new(),
            drains: vec![0; setup.duration.as_secs() as usize],
        }
    }

    /// The time of the first change.
    pub fn first(&self) -> Instant {
        self.first
    }

    /// Records that a connection was drained.
    pub fn record_drain(&mut self, now: Instant) {
        if now < self.first {
            return;
        }
        let second = now.since(self.first).as_secs() as usize;
        if let Some(drains) = self.drains.get_mut(second) {
            *drains += 1;
        }
    }

    pub fn sample(&mut self, now: Instant, pods: &[Pod], clients: &[Client]) {
        let load = |pod: &Pod| match self.measure {
            Measure::Connections => pod.clients.len() as f64,
            Measure::Requests | Measure::Bytes => {
                let rates = pod.clients.iter();
                rates
                    .map(|client| f64::from(clients[*client as usize].rate))
                    .sum()
            }
        };
        let loads: Vec<f64> = pods.iter().map(load).collect();
        let mut ready: Vec<f64> = pods
            .iter()
            .zip(&loads)
            .filter(|(pod, _)| pod.stage == Stage::Ready)
            .map(|(_, load)| *load)
            .collect();
        ready.sort_unstable_by(f64::total_cmp);
        let exists = |pod: &Pod| !matches!(pod.stage, Stage::Removed);
        self.samples.push(Sample {
            at: now.as_nanos().wrapping_sub(self.first.as_nanos()) as i64 / 1_000_000_000,
            max_over_mean: max_over_mean(&ready),
            mean: ready.iter().sum::<f64>() / ready.len().max(1) as f64,
            loads: if self.pods <= MAX_LINES {
                let each = pods.iter().zip(&loads);
                Loads::Each(
                    each.map(|(pod, load)| exists(pod).then_some(*load as f32))
                        .collect(),
                )
            } else {
                Loads::Spread([0.0, 0.1, 0.5, 0.9, 1.0].map(|part| quantile(&ready, part)))
            },
        });
    }
}

/// Returns the maximum over the mean; 1 without load.
fn max_over_mean(sorted: &[f64]) -> f64 {
    let sum: f64 = sorted.iter().sum();
    match sorted.last() {
        Some(most) if sum > 0.0 => most * sorted.len() as f64 / sum,
        _ => 1.0,
    }
}

fn quantile(sorted: &[f64], part: f64) -> f32 {
    let at = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(at).map_or(0.0, |load| *load as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_is_one_and_all_on_one_is_the_number_of_pods() {
        assert_eq!(max_over_mean(&[5.0, 5.0]), 1.0);
        assert_eq!(max_over_mean(&[0.0, 0.0, 9.0]), 3.0);
        assert_eq!(max_over_mean(&[0.0]), 1.0);
        assert_eq!(max_over_mean(&[]), 1.0);
    }

    #[test]
    fn spread_has_quantiles() {
        let sorted: Vec<f64> = (0..=100).map(f64::from).collect();
        let spread = [0.0, 0.1, 0.5, 0.9, 1.0].map(|part| quantile(&sorted, part));
        assert_eq!(spread, [0.0, 10.0, 50.0, 90.0, 100.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
