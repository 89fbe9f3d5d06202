//! The charts of the page: the load of each pod, and the drains per second.

use evenkeel_report::chart::Chart;

use super::timeline::{Loads, Sample, Timeline};

const LOADS_HEIGHT: f64 = 215.0;
const DRAINS_HEIGHT: f64 = 110.0;
/// The most points of a line.
const POINTS: i64 = 240;
/// The fraction of the width that a label needs.
const LABEL_WIDTH: f64 = 0.12;

/// The scales that the charts of a comparison share.
pub struct Frame {
    /// Seconds since the first change at the left and the right edge.
    pub from: i64,
    pub to: i64,
    /// The highest load of a pod on any side, and the most drains in one second.
    pub load: f64,
    pub drains: f64,
    /// Pods that exist before the first change.
    pub old: usize,
    /// The label of the first change.
    pub change: String,
}

impl Frame {
    fn step(&self) -> i64 {
        ((self.to - self.from) / POINTS).max(1)
    }

    fn chart(&self, description: &str, height: f64, max: f64) -> Chart {
        Chart::new(description, height, self.from as f64..self.to as f64, max)
    }

    fn samples<'a>(&self, timeline: &'a Timeline) -> Vec<&'a Sample> {
        let step = self.step();
        let samples = timeline.samples.iter().filter(|sample| {
            (self.from..=self.to).contains(&sample.at) && (sample.at - self.from) % step == 0
        });
        samples.collect()
    }

    /// Returns the drains per second in each step from the first change on.
    fn drain_rates(&self, timeline: &Timeline) -> Vec<f64> {
        let until = usize::try_from(self.to).unwrap_or(0);
        let drains = &timeline.drains[..timeline.drains.len().min(until)];
        let rate =
            |drains: &[u32]| f64::from(drains.iter().sum::<u32>()) / drains.len().max(1) as f64;
        drains.chunks(self.step() as usize).map(rate).collect()
    }

    /// Draws when pods begin to change and when they have changed.
    fn finish(&self, mut chart: Chart, timeline: &Timeline) -> String {
        chart.mark(0.0, &self.change);
        if timeline.last_change > 0 {
            let fraction = timeline.last_change as f64 / (self.to - self.from).max(1) as f64;
            let label = if fraction > LABEL_WIDTH {
                "last_change"
            } else {
                ""
            };
            chart.mark(timeline.last_change as f64, label);
        }
        chart.label_time();
        chart.finish()
    }
}

/// Draws the load of each pod over time: a line per pod or, for many pods, their spread.
pub fn loads(frame: &Frame, timeline: &Timeline) -> String {
    let mut chart = frame.chart("Load of each pod over time", LOADS_HEIGHT, frame.load);
    let samples = frame.samples(timeline);
    let is_each = |sample: &&Sample| matches!(sample.loads, Loads::Each(_));
    if samples.iter().all(is_each) {
        for pod in 0..timeline.pods {
            let class = if pod < frame.old { "old" } else { "new" };
            let load = |sample: &&Sample| match &sample.loads {
                Loads::Each(loads) => loads.get(pod).copied().flatten(),
                Loads::Spread(_) => None,
            };
            for present in samples.split(|sample| load(sample).is_none()) {
                let point = |sample| Some((sample, f64::from(load(sample)?)));
                let points = present.iter().filter_map(point);
                chart.line(class, points.map(|(sample, load)| (sample.at as f64, load)));
            }
        }
    } else {
        let quantile = |index: usize| {
            samples.iter().filter_map(move |sample| match sample.loads {
                Loads::Spread(spread) => Some((sample.at as f64, spread[index].into())),
                Loads::Each(_) => None,
            })
        };
        chart.band("all", quantile(4), quantile(0));
        chart.band("most", quantile(3), quantile(1));
        chart.line("old", quantile(2));
    }
    let means = samples.iter();
    chart.line("mean", means.map(|sample| (sample.at as f64, sample.mean)));
    frame.finish(chart, timeline)
}

/// Draws the drains per second over time.
pub fn drains(frame: &Frame, timeline: &Timeline) -> String {
    let description = "Drained connections per second over time";
    let mut chart = frame.chart(description, DRAINS_HEIGHT, frame.drains);
    let step = frame.step() as f64;
    for (index, rate) in frame.drain_rates(timeline).into_iter().enumerate() {
        let from = index as f64 * step;
        if rate > 0.0 {
            chart.bar("drains", from..from + step, rate);
        }
    }
    frame.finish(chart, timeline)
}

/// Returns the highest rate of drains that the chart shows.
pub fn max_drains(frame: &Frame, timeline: &Timeline) -> f64 {
    let rates = frame.drain_rates(timeline);
    rates.into_iter().fold(0.0, f64::max)
}
