//! Charts over a time that has a change in it: second 0.

use std::fmt::Write;

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, Scale, TOP, WIDTH, open, text};

/// The time axis.
pub struct Time {
    /// In seconds; before the change, below 0.
    pub from: f64,
    pub to: f64,
    /// What happens at 0.
    pub change: &'static str,
}

/// One pod's line.
pub struct Curve {
    /// Whether it joined at the change.
    pub joined: bool,
    /// Second and value.
    pub points: Vec<(f64, f64)>,
}

/// A line per pod, and a dashed one at `limit` from the change on.
pub fn curves(time: &Time, top: f64, curves: &[Curve], limit: f64) -> String {
    let scale = Scale::new(top.max(limit));
    let mut svg = open("Connections of each pod over time");
    scale.draw(&mut svg);
    time.draw(&mut svg);
    for curve in curves {
        let class = if curve.joined { "new" } else { "old" };
        let points = curve.points.iter();
        let points: Vec<_> = points
            .map(|(second, value)| format!("{:.1},{:.1}", time.x(*second), scale.y(*value)))
            .collect();
        let _ = write!(
            svg,
            r#"<polyline class="{class} curve" points="{}"/>"#,
            points.join(" ")
        );
    }
    let y = scale.y(limit);
    let _ = write!(
        svg,
        r#"<line class="limit" x1="{:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
        time.x(0.0),
        WIDTH - RIGHT
    );
    text(&mut svg, "end", WIDTH - RIGHT, y - 4.0, "1.25 × the mean");
    svg + "</svg>"
}

/// A column for each span of time: from, to, and the rate in it.
pub fn columns(time: &Time, top: f64, rates: &[(f64, f64, f64)]) -> String {
    let scale = Scale::new(top);
    let mut svg = open("Drains per second over time");
    scale.draw(&mut svg);
    time.draw(&mut svg);
    for (from, to, rate) in rates.iter().filter(|(_, _, rate)| *rate > 0.0) {
        let (x, y) = (time.x(*from), scale.y(*rate));
        let _ = write!(
            svg,
            r#"<rect class="drains" x="{x:.1}" y="{y:.1}" width="{:.2}" height="{:.1}"/>"#,
            (time.x(*to) - x).max(0.5),
            HEIGHT - BOTTOM - y
        );
    }
    svg + "</svg>"
}

impl Time {
    fn x(&self, second: f64) -> f64 {
        let length = (self.to - self.from).max(0.1);
        LEFT + (WIDTH - LEFT - RIGHT) * (second - self.from) / length
    }

    /// The change, and a label at every round number of seconds.
    fn draw(&self, svg: &mut String) {
        let (zero, bottom) = (self.x(0.0), HEIGHT - BOTTOM);
        let _ = write!(
            svg,
            r#"<line class="mark" x1="{zero:.1}" y1="{TOP}" x2="{zero:.1}" y2="{bottom}"/>"#
        );
        text(svg, "note begin", LEFT, TOP - 8.0, self.change);
        let steps = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
        let step = steps.into_iter().find(|step| self.to / step <= 6.0);
        let step = step.unwrap_or(300.0);
        for number in 0..=(self.to / step) as usize {
            let second = step * number as f64;
            let label = format!("{second:.0} s");
            text(
                svg,
                "label",
                self.x(second).min(WIDTH - 20.0),
                HEIGHT - 12.0,
                &label,
            );
        }
    }
}
