//! A chart of one number over several runs: each run a point, the range a line, the median a bar.

use std::fmt::Write;

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, open, text};
use crate::demo::spread::Spread;

/// A column for each spread. `show` formats the median above its column; `never` says how many runs have no
/// value.
pub fn ranges(columns: &[(&str, Spread)], top: f64, show: impl Fn(f64) -> String) -> String {
    let scale = Scale::new(top);
    let spoken: Vec<_> = columns
        .iter()
        .map(|(name, spread)| format!("{name}: {}", spread.show(&show, "never")))
        .collect();
    let mut svg = open(&format!("median and range: {}", spoken.join(", ")));
    scale.draw(&mut svg);
    let slot = (WIDTH - LEFT - RIGHT) / columns.len().max(1) as f64;
    for (index, (name, spread)) in columns.iter().enumerate() {
        let middle = LEFT + slot * (index as f64 + 0.5);
        text(&mut svg, "label", middle, HEIGHT - 12.0, name);
        let y = |value: f64| scale.y(value.min(scale.top));
        let known: Vec<f64> = spread.known().map(y).collect();
        if let (Some(least), Some(most)) = (known.first(), known.last()) {
            let _ = write!(
                svg,
                r#"<line class="range" x1="{middle:.1}" y1="{least:.1}" x2="{middle:.1}" y2="{most:.1}"/>"#
            );
            text(
                &mut svg,
                "value",
                middle,
                most - 8.0,
                &median(spread, &show),
            );
        } else {
            let bottom = HEIGHT - BOTTOM;
            text(&mut svg, "value", middle, (TOP + bottom) / 2.0, "never");
        }
        for y in known {
            let _ = write!(
                svg,
                r#"<circle class="run" cx="{middle:.1}" cy="{y:.1}" r="3"/>"#
            );
        }
        if let Some(median) = spread.median() {
            let y = y(median);
            let _ = write!(
                svg,
                r#"<line class="median" x1="{:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
                middle - 14.0,
                middle + 14.0
            );
        }
    }
    svg + "</svg>"
}

fn median(spread: &Spread, show: impl Fn(f64) -> String) -> String {
    let median = spread.median().map_or_else(|| "never".to_owned(), show);
    match spread.missing() {
        0 => median,
        never => format!("{median} ({never} never)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_a_point_and_the_median_is_told() {
        let values = [Some(9.0), None, Some(4.0), Some(2.0), Some(5.0)];
        let columns = [
            ("rebalance", Spread::of(values)),
            ("without", Spread::of([None])),
        ];

        let svg = ranges(&columns, 9.0, |value| format!("{value:.0}"));

        assert_eq!(svg.matches("class=\"run\"").count(), 4);
        assert_eq!(svg.matches("class=\"median\"").count(), 1);
        assert!(
            svg.contains("rebalance: 5 (2-never), without: never"),
            "{svg}"
        );
        assert!(svg.contains(">5 (1 never)</text>"), "{svg}");
    }
}
