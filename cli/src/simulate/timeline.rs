//! What there is to see of a run, second by second.

use evenkeel_engine::Instant;
use evenkeel_policy::Measure;

use super::client::Client;
use super::pod::{Pod, Stage};
use super::setup::Setup;

/// Up to so many pods are followed one by one; of more, how their loads are spread.
pub const FOLLOWED: usize = 32;

/// What one second shows.
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
    pub fn most(&self) -> f64 {
        match &self.loads {
            Loads::Each(loads) => loads.iter().flatten().copied().fold(0.0, f32::max).into(),
            Loads::Spread([.., most]) => (*most).into(),
        }
    }
}

/// The loads of pods.
pub enum Loads {
    /// Each pod of the run in the order of their beginning; None while it is not there.
    Each(Vec<Option<f32>>),
    /// Of the ready ones: the least, the lowest tenth's end, the median, the highest tenth's begin, the most.
    Spread([f32; 5]),
}

pub struct Timeline {
    measure: Measure,
    /// How many pods there are over the whole time.
    pub pods: usize,
    first: Instant,
    /// When the last change is over, in seconds since the first.
    pub settled: i64,
    pub samples: Vec<Sample>,
    /// Drained connections in each second since the first change.
    pub drains: Vec<u32>,
}

impl Timeline {
    /// Of a run whose first change comes at `first` and whose last one is over at `last`.
    pub fn new(setup: &Setup, first: Instant, last: Instant, pods: usize) -> Self {
        Self {
            measure: setup.scenario.measure(),
            pods,
            first,
            settled: last.since(first).as_secs_f64().ceil() as i64,
            samples: Vec::new(),
            drains: vec![0; setup.lasts.as_secs() as usize],
        }
    }

    /// When the first change comes.
    pub fn first(&self) -> Instant {
        self.first
    }

    /// Records that a connection was drained.
    pub fn close(&mut self, now: Instant) {
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
        let is_there = |pod: &Pod| !matches!(pod.stage, Stage::Gone);
        self.samples.push(Sample {
            at: now.as_nanos().wrapping_sub(self.first.as_nanos()) as i64 / 1_000_000_000,
            max_over_mean: max_over_mean(&ready),
            mean: ready.iter().sum::<f64>() / ready.len().max(1) as f64,
            loads: if self.pods <= FOLLOWED {
                let each = pods.iter().zip(&loads);
                Loads::Each(
                    each.map(|(pod, load)| is_there(pod).then_some(*load as f32))
                        .collect(),
                )
            } else {
                Loads::Spread([0.0, 0.1, 0.5, 0.9, 1.0].map(|part| quantile(&ready, part)))
            },
        });
    }
}

/// Of what is sorted; 1 where there is nothing.
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
