//! Charts as SVG. Colors come from classes, so that a chart follows the theme of the page that contains it.
//!
//! A chart has a value axis from 0 to a round number, and a horizontal axis of seconds or of columns. Points are given in
//! the units of both axes.

use std::fmt::Write;
use std::ops::Range;

use crate::html::escape;
use crate::number::thousands;

pub const WIDTH: f64 = 420.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 26.0;
/// The height that a step of the value axis should have at least.
const STEP_HEIGHT: f64 = 40.0;
/// An upper bound of the width of a character in a label.
const CHARACTER_WIDTH: f64 = 8.0;

/// A chart under construction.
pub struct Chart {
    svg: String,
    height: f64,
    /// The values at the left and the right edge.
    x: Range<f64>,
    /// The value at the upper edge.
    top: f64,
}

impl Chart {
    /// Starts a chart with a value axis for values up to `max`. `description` is what a screen reader reads.
    pub fn new(description: &str, height: f64, x: Range<f64>, max: f64) -> Self {
        let steps = ((height - TOP - BOTTOM) / STEP_HEIGHT).floor().max(2.0);
        let (step, count) = value_axis(max, steps);
        let mut chart = Self {
            svg: format!(
                r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#,
                escape(description)
            ),
            height,
            x,
            top: step * f64::from(count),
        };
        for number in 0..=count {
            let value = step * f64::from(number);
            let y = chart.y(value);
            chart.segment("grid", LEFT, y, WIDTH - RIGHT, y);
            let label = thousands(value.round() as u64);
            chart.text("axis", LEFT - 6.0, y + 4.0, &label);
        }
        chart
    }

    /// Starts a chart with a column for each of `count` values.
    pub fn of_columns(description: &str, height: f64, count: usize, max: f64) -> Self {
        Self::new(description, height, 0.0..count.max(1) as f64, max)
    }

    /// Labels the horizontal axis with round numbers of seconds, minutes or hours from 0 on.
    pub fn label_time(&mut self) {
        const STEPS: [u32; 14] = [
            1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 21_600, 86_400,
        ];
        let end = self.x.end.max(0.0);
        let step = STEPS.into_iter().find(|step| end / f64::from(*step) <= 6.0);
        let step = step.unwrap_or(7 * 86_400);
        for number in 0..=(end / f64::from(step)) as u32 {
            let second = number * step;
            let label = match second {
                0 => "0".to_owned(),
                _ if second.is_multiple_of(3600) => format!("{} h", second / 3600),
                _ if step.is_multiple_of(60) => format!("{} min", second / 60),
                _ => format!("{second} s"),
            };
            self.label(f64::from(second), &label);
        }
    }

    /// Writes a label below the horizontal axis at `x`.
    pub fn label(&mut self, x: f64, text: &str) {
        self.text_within("label", self.x(x), self.height - 8.0, text);
    }

    /// Marks `x` with a vertical line and a label above it.
    pub fn mark(&mut self, x: f64, label: &str) {
        let x = self.x(x);
        self.segment("mark", x, TOP, x, self.height - BOTTOM);
        self.text_within("note", x, TOP - 8.0, label);
    }

    /// Draws a line through points.
    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points = self.points(points);
        if points.contains(' ') {
            let _ = write!(
                self.svg,
                r#"<polyline class="line {class}" points="{points}"/>"#
            );
        }
    }

    /// Fills the area between two lines.
    pub fn band(
        &mut self,
        class: &str,
        upper: impl IntoIterator<Item = (f64, f64)>,
        lower: impl DoubleEndedIterator<Item = (f64, f64)>,
    ) {
        let points = self.points(upper.into_iter().chain(lower.rev()));
        let _ = write!(self.svg, r#"<polygon class="{class}" points="{points}"/>"#);
    }

    /// Draws a bar from 0 to `value`, at least half a pixel wide.
    pub fn bar(&mut self, class: &str, x: Range<f64>, value: f64) {
        let (left, top) = (self.x(x.start), self.y(value));
        let width = (self.x(x.end) - left).max(0.5);
        let height = self.height - BOTTOM - top;
        let _ = write!(
            self.svg,
            r#"<rect class="{class}" x="{left:.1}" y="{top:.1}" width="{width:.2}" height="{height:.1}"/>"#
        );
    }

    /// Draws a dot.
    pub fn dot(&mut self, class: &str, x: f64, value: f64) {
        let (x, y) = (self.x(x), self.y(value));
        let _ = write!(
            self.svg,
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"/>"#
        );
    }

    /// Writes a text some pixels above a point.
    pub fn text_above(&mut self, class: &str, x: f64, value: f64, pixels: f64, text: &str) {
        self.text_within(class, self.x(x), self.y(value) - pixels, text);
    }

    /// Returns the value at the upper edge.
    pub fn top(&self) -> f64 {
        self.top
    }

    /// Returns the chart as an `<svg>` element.
    pub fn finish(self) -> String {
        self.svg + "</svg>"
    }

    /// Returns the chart as a `<g>` element at a place in a larger SVG.
    pub fn into_group(self, x: f64, y: f64) -> String {
        let (_, content) = self.svg.split_once('>').unwrap_or_default();
        format!(r#"<g transform="translate({x} {y})">{content}</g>"#)
    }

    fn x(&self, value: f64) -> f64 {
        let length = (self.x.end - self.x.start).max(0.1);
        LEFT + (WIDTH - LEFT - RIGHT) * (value - self.x.start) / length
    }

    fn y(&self, value: f64) -> f64 {
        let bottom = self.height - BOTTOM;
        bottom - (bottom - TOP) * value.min(self.top) / self.top
    }

    fn points(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let points = points.into_iter();
        let points = points.map(|(x, value)| format!("{:.1},{:.1}", self.x(x), self.y(value)));
        points.collect::<Vec<_>>().join(" ")
    }

    fn segment(&mut self, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ = write!(
            self.svg,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    /// Writes a centered text, moved so that it stays inside the chart.
    fn text_within(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let half = text.chars().count() as f64 * CHARACTER_WIDTH / 2.0;
        let x = x.min(WIDTH - half).max(half);
        self.text(class, x, y, text);
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let _ = write!(
            self.svg,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#,
            escape(text)
        );
    }
}

/// Returns a round integer step, and how many of them reach `max`.
fn value_axis(max: f64, steps: f64) -> (f64, u32) {
    let rough = (max / steps).max(1.0);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough && step.fract() == 0.0)
        .unwrap_or(10.0 * power);
    (step, (max / step).ceil().max(1.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_axis_ends_at_a_round_number() {
        for (max, top) in [
            (830.0, 1000.0),
            (250.0, 300.0),
            (66.0, 80.0),
            (9.0, 10.0),
            (19_800.0, 20_000.0),
            (0.0, 1.0),
        ] {
            let (step, count) = value_axis(max, 4.0);
            assert_eq!(step * f64::from(count), top, "{max}");
        }
    }

    #[test]
    fn time_labels_are_few_and_round() {
        let labels = |end: f64| {
            let mut chart = Chart::new("", 100.0, -20.0..end, 1.0);
            chart.label_time();
            let svg = chart.finish();
            let labels = svg.split(r#"class="label""#).skip(1);
            let text = |label: &str| {
                let (_, text) = label.split_once('>').unwrap();
                text.split('<').next().unwrap().to_owned()
            };
            labels.map(text).collect::<Vec<_>>().join(", ")
        };

        assert_eq!(labels(42.0), "0, 10 s, 20 s, 30 s, 40 s");
        assert_eq!(labels(300.0), "0, 1 min, 2 min, 3 min, 4 min, 5 min");
        assert_eq!(labels(7200.0), "0, 30 min, 1 h, 90 min, 2 h");
    }

    #[test]
    fn labels_stay_inside_the_chart() {
        let mut chart = Chart::new("", 100.0, 0.0..10.0, 1.0);
        chart.mark(0.0, "Z added, X removed");
        let svg = chart.finish();
        assert!(svg.contains(r#"<text class="note" x="72.0""#), "{svg}");
    }
}
