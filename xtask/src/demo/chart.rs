//! The charts of the page.

use std::time::Duration;

use evenkeel_report::Spread;
use evenkeel_report::chart::Chart;
use evenkeel_report::number::thousands;

const HEIGHT: f64 = 220.0;
/// The width of a bar, as a fraction of its column.
const BAR: f64 = 0.62;

/// Draws a bar per label. `max` is the largest value of all charts that share the scale; the last `added` bars belong to
/// added backends.
pub fn bars(labels: &[String], values: &[u64], max: u64, added: usize) -> String {
    let pairs = labels.iter().zip(values);
    let description: Vec<_> = pairs
        .map(|(label, value)| format!("{label}: {value}"))
        .collect();
    let description = format!("bar chart: {}", description.join(", "));
    let mut chart = Chart::of_columns(&description, HEIGHT, values.len(), max as f64);
    for (index, (label, value)) in labels.iter().zip(values).enumerate() {
        let (middle, height) = (index as f64 + 0.5, *value as f64);
        let class = class(index, values.len(), added);
        chart.bar(class, middle - BAR / 2.0..middle + BAR / 2.0, height);
        chart.text_above("value", middle, height, 5.0, &thousands(*value));
        chart.label(middle, label);
    }
    chart.finish()
}

fn class(index: usize, count: usize, added: usize) -> &'static str {
    if index + added >= count { "new" } else { "old" }
}

/// Draws requests per second as a layer per backend, the first at the bottom, and when the last `added` were added.
pub fn layers(
    timeline: &[Vec<u64>],
    span: Duration,
    max: f64,
    added: usize,
    added_at: Duration,
) -> String {
    let span = span.as_secs_f64();
    let end = span * timeline.len() as f64;
    let description = "Requests per second of each backend over time";
    let mut chart = Chart::new(description, HEIGHT, 0.0..end, max);
    // The rate of a span is drawn at its middle, the first and last at the edges.
    let time = |index: usize| match index {
        0 => 0.0,
        last if last + 1 == timeline.len() => end,
        _ => span * (index as f64 + 0.5),
    };
    let points = |rates: &[f64]| -> Vec<(f64, f64)> {
        let rates = rates.iter().enumerate();
        rates.map(|(index, rate)| (time(index), *rate)).collect()
    };
    let backends = timeline.first().map_or(0, Vec::len);
    let mut lower = vec![0.0; timeline.len()];
    for backend in 0..backends {
        let upper: Vec<f64> = lower
            .iter()
            .zip(timeline)
            .map(|(lower, counts)| lower + counts[backend] as f64 / span)
            .collect();
        let class = class(backend, backends, added);
        let shade = if backend % 2 == 0 { "" } else { " shade" };
        let class = format!("{class} layer{shade}");
        chart.band(&class, points(&upper), points(&lower).into_iter());
        lower = upper;
    }
    chart.mark(added_at.as_secs_f64(), &format!("{added} added"));
    chart.label_time();
    chart.finish()
}

/// The time axis of a scenario.
pub struct Time {
    /// In seconds; negative before the change.
    pub from: f64,
    pub to: f64,
    /// The label of the change at 0.
    pub change: &'static str,
}

/// The connections of one pod.
pub struct Curve {
    /// Whether the pod was added at the change.
    pub is_added: bool,
    /// Seconds and connections.
    pub points: Vec<(f64, f64)>,
}

impl Time {
    /// Starts a chart.
    pub fn chart(&self, description: &str, max: f64) -> Chart {
        Chart::new(description, HEIGHT, self.from..self.to, max)
    }

    fn finish(&self, mut chart: Chart) -> String {
        chart.mark(0.0, self.change);
        chart.label_time();
        chart.finish()
    }
}

/// Draws a line per pod, and a dashed one at `limit` from the change on.
pub fn curves(time: &Time, max: f64, curves: &[Curve], limit: f64) -> String {
    let mut chart = time.chart("Connections of each pod over time", max.max(limit));
    for curve in curves {
        let class = if curve.is_added { "new" } else { "old" };
        chart.line(class, curve.points.iter().copied());
    }
    chart.line("mean", [(0.0, limit), (time.to, limit)]);
    chart.text_above("label", time.to, limit, 4.0, "1.25 × the mean");
    time.finish(chart)
}

/// Draws the drain rate between samples: from, to, and the rate.
pub fn columns(time: &Time, max: f64, rates: &[(f64, f64, f64)]) -> String {
    let mut chart = time.chart("Drains per second over time", max);
    for (from, to, rate) in rates.iter().filter(|(_, _, rate)| *rate > 0.0) {
        chart.bar("drains", *from..*to, *rate);
    }
    time.finish(chart)
}

/// Draws a number over several runs in a column for each spread: a dot per run, a line for the range, a bar at the median.
/// `format` formats the median above its column.
pub fn ranges(columns: &[(&str, Spread)], max: f64, format: impl Fn(f64) -> String) -> String {
    let description: Vec<_> = columns
        .iter()
        .map(|(name, spread)| format!("{name}: {}", spread.format(&format, "never")))
        .collect();
    let description = format!("median and range: {}", description.join(", "));
    let mut chart = Chart::of_columns(&description, HEIGHT, columns.len(), max);
    for (index, (name, spread)) in columns.iter().enumerate() {
        let middle = index as f64 + 0.5;
        chart.label(middle, name);
        let known: Vec<f64> = spread.known().collect();
        let label = median(spread, &format);
        match (known.first(), known.last()) {
            (Some(min), Some(max)) => {
                chart.line("range", [(middle, *min), (middle, *max)]);
                chart.text_above("value", middle, *max, 8.0, &label);
            }
            _ => chart.text_above("value", middle, chart.top() / 2.0, 0.0, &label),
        }
        for value in known {
            chart.dot("run", middle, value);
        }
        if let Some(median) = spread.median() {
            chart.line("median", [(middle - 0.12, median), (middle + 0.12, median)]);
        }
    }
    chart.finish()
}

fn median(spread: &Spread, format: impl Fn(f64) -> String) -> String {
    let median = spread.median().map_or_else(|| "never".to_owned(), format);
    match (spread.missing(), spread.known().next()) {
        (0, _) | (_, None) => median,
        (never, Some(_)) => format!("{median} ({never} never)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_show_every_run_and_the_median() {
        let values = [Some(9.0), None, Some(4.0), Some(2.0), Some(5.0)];
        let columns = [
            ("rebalance", Spread::of(values)),
            ("without", Spread::of([None])),
        ];

        let svg = ranges(&columns, 9.0, |value| format!("{value:.0}"));

        assert_eq!(svg.matches("class=\"run\"").count(), 4);
        assert_eq!(svg.matches("class=\"line median\"").count(), 1);
        assert!(
            svg.contains("rebalance: 5 (2-never), without: never"),
            "{svg}"
        );
        assert!(svg.contains(">5 (1 never)</text>"), "{svg}");
        assert!(svg.contains(">never</text>"), "{svg}");
    }
}
