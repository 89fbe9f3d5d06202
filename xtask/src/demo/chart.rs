//! The page's charts, as SVG. Colours come from the page's style, so that they follow its theme.

pub mod over_time;
pub mod ranges;

use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 30.0;

/// A bar per label. `top` is the value at the upper edge, so that two charts can share a scale; the last
/// `joined` bars are drawn as those who joined late.
pub fn bars(labels: &[String], values: &[u64], top: u64, joined: usize) -> String {
    let scale = Scale::new(top as f64);
    let mut svg = open(&format!("bar chart: {}", spoken(labels, values)));
    scale.draw(&mut svg);
    let slot = (WIDTH - LEFT - RIGHT) / values.len().max(1) as f64;
    let wide = (slot * 0.62).min(64.0);
    for (index, (label, value)) in labels.iter().zip(values).enumerate() {
        let middle = LEFT + slot * (index as f64 + 0.5);
        let y = scale.y(*value as f64);
        let class = if index + joined >= values.len() {
            "new"
        } else {
            "old"
        };
        let _ = write!(
            svg,
            r#"<rect class="{class}" x="{:.1}" y="{y:.1}" width="{wide:.1}" height="{:.1}" rx="2"/>"#,
            middle - wide / 2.0,
            HEIGHT - BOTTOM - y,
        );
        text(&mut svg, "value", middle, y - 5.0, &thousands(*value));
        text(&mut svg, "label", middle, HEIGHT - 12.0, label);
    }
    svg + "</svg>"
}

/// Requests a second, one band per backend, the first at the bottom. A line marks when the last `joined`
/// joined.
pub fn bands(
    timeline: &[Vec<u64>],
    span: Duration,
    top: f64,
    joined: usize,
    joined_at: Duration,
) -> String {
    let scale = Scale::new(top);
    let mut svg = open("Requests per second of each backend over time");
    scale.draw(&mut svg);
    let length = span.as_secs_f64() * timeline.len() as f64;
    let x = |seconds: f64| LEFT + (WIDTH - LEFT - RIGHT) * seconds / length.max(0.1);
    let backends = timeline.first().map_or(0, Vec::len);
    let mut below = vec![0.0; timeline.len()];
    for backend in 0..backends {
        let above: Vec<f64> = below
            .iter()
            .zip(timeline)
            .map(|(below, counts)| below + counts[backend] as f64 / span.as_secs_f64())
            .collect();
        let point = |(index, rate): (usize, &f64)| {
            // The rate of a span stands at its middle; the ends are drawn out to the edges.
            let at = match index {
                0 => 0.0,
                last if last + 1 == timeline.len() => length,
                _ => span.as_secs_f64() * (index as f64 + 0.5),
            };
            format!("{:.1},{:.1}", x(at), scale.y(*rate))
        };
        let there: Vec<_> = above.iter().enumerate().map(point).collect();
        let back: Vec<_> = below.iter().enumerate().map(point).rev().collect();
        let kind = if backend + joined >= backends {
            "new"
        } else {
            "old"
        };
        let shade = if backend % 2 == 0 { "" } else { " shade" };
        let _ = write!(
            svg,
            r#"<polygon class="{kind} band{shade}" points="{} {}"/>"#,
            there.join(" "),
            back.join(" ")
        );
        below = above;
    }
    let at = x(joined_at.as_secs_f64());
    let bottom = HEIGHT - BOTTOM;
    let _ = write!(
        svg,
        r#"<line class="mark" x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}"/>"#
    );
    text(&mut svg, "note", at, TOP - 8.0, &format!("{joined} join"));
    let seconds = length.round() as usize;
    for second in (0..=seconds).step_by(if seconds > 6 { 2 } else { 1 }) {
        text(
            &mut svg,
            "label",
            x(second as f64).min(WIDTH - 12.0),
            HEIGHT - 12.0,
            &format!("{second} s"),
        );
    }
    svg + "</svg>"
}

/// The value axis: from 0 to a round number, in four steps or so.
struct Scale {
    top: f64,
    step: f64,
}

impl Scale {
    fn new(top: f64) -> Self {
        let rough = (top / 4.0).max(1.0);
        let power = 10_f64.powf(rough.log10().floor());
        let mut steps = [1.0, 2.0, 2.5, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter();
        // What stands at the axis are whole numbers.
        let step = steps.find(|step| *step >= rough && step.fract() == 0.0);
        let step = step.unwrap_or(rough);
        Self {
            top: (top / step).ceil().max(1.0) * step,
            step,
        }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / self.top
    }

    fn draw(&self, svg: &mut String) {
        let steps = (self.top / self.step).round() as u64;
        for step in 0..=steps {
            let value = self.step * step as f64;
            let y = self.y(value);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
                WIDTH - RIGHT
            );
            text(
                svg,
                "axis",
                LEFT - 6.0,
                y + 4.0,
                &thousands(value.round() as u64),
            );
        }
    }
}

fn open(spoken: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{spoken}">"#)
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let _ = write!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
    );
}

/// What a screen reader says.
fn spoken(labels: &[String], values: &[u64]) -> String {
    let pairs = labels
        .iter()
        .zip(values)
        .map(|(label, value)| format!("{label}: {value}"));
    pairs.collect::<Vec<_>>().join(", ")
}

/// `30000` as `30,000`.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_above_the_top() {
        for (top, end) in [
            (830.0, 1000.0),
            (66.0, 80.0),
            (9.0, 10.0),
            (19_800.0, 20_000.0),
            (0.0, 1.0),
        ] {
            assert_eq!(Scale::new(top).top, end, "{top}");
        }
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
