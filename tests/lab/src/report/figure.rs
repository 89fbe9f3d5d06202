//! The charts of a case.

use std::fmt::Write;

use evenkeel_report::chart::{Chart as Svg, WIDTH};
use evenkeel_report::html::{STYLE, escape};

use crate::outcome::{Chart, SideOutcome};

const HEIGHT: f64 = 200.0;
/// The height of a title above a chart.
const TITLE: f64 = 24.0;
const COLUMNS: usize = 2;

/// Returns the largest value of all sides, so that their charts have one scale.
pub fn max(sides: &[SideOutcome]) -> f64 {
    sides
        .iter()
        .map(|side| side.chart.max())
        .fold(0.0, f64::max)
}

/// Draws all sides in one file, two in a row, in the colors of the reader's theme.
pub fn file(sides: &[SideOutcome]) -> String {
    let rows = sides.len().div_ceil(COLUMNS);
    let (width, height) = (WIDTH * COLUMNS as f64, (HEIGHT + TITLE) * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<style>\n{STYLE}</style>\n"
    );
    let max = max(sides);
    for (index, side) in sides.iter().enumerate() {
        let x = (index % COLUMNS) as f64 * WIDTH;
        let y = (index / COLUMNS) as f64 * (HEIGHT + TITLE);
        let title = format!("{}: {}", side.name, side.chart.unit());
        let _ = writeln!(
            svg,
            "<text class=\"value\" x=\"{}\" y=\"{}\">{}</text>\n{}",
            x + WIDTH / 2.0,
            y + TITLE - 8.0,
            escape(&title),
            draw(side, max).into_group(x, y + TITLE)
        );
    }
    svg + "</svg>\n"
}

/// Draws the chart of a side; all sides have the same scale.
pub fn draw(side: &SideOutcome, max: f64) -> Svg {
    let description = format!("{}: {}", side.name, side.chart.unit());
    match &side.chart {
        Chart::Bars { bars, .. } => {
            let mut svg = Svg::of_columns(&description, HEIGHT, bars.len(), max);
            for (index, (label, value)) in bars.iter().enumerate() {
                let x = index as f64;
                svg.bar("old", x + 0.2..x + 0.8, *value);
                svg.text_above("value", x + 0.5, *value, 5.0, &format!("{value:.0}"));
                svg.label(x + 0.5, label);
            }
            svg
        }
        Chart::Lines {
            points,
            initial,
            marks,
            ..
        } => {
            let end = points.last().map_or(1.0, |(at, _)| *at);
            let mut svg = Svg::new(&description, HEIGHT, 0.0..end, max);
            svg.label_time();
            for (at, what) in marks {
                svg.mark(*at, what);
            }
            let pods = points.first().map_or(0, |(_, values)| values.len());
            // Added pods last, so that they are visible on top.
            for pod in 0..pods {
                let class = if pod < *initial { "old" } else { "new" };
                let line = points
                    .iter()
                    .filter_map(|(at, values)| Some((*at, *values.get(pod)?)));
                svg.line(class, line);
            }
            svg
        }
    }
}
