//! The charts of the page, as SVG. Colours come from the page's style, so that they follow its theme.

use std::fmt::Write;

use super::table::thousands;
use super::timeline::{Loads, Sample, Timeline};

const WIDTH: f64 = 400.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 22.0;
/// Of the chart of loads, and of that of drains.
const TALL: f64 = 210.0;
const LOW: f64 = 100.0;
/// Half of what a mark's name is wide.
const NAME: f64 = 16.0;
/// The most points of a line.
const POINTS: i64 = 240;

/// What the charts that stand side by side share.
pub struct Frame {
    /// Seconds since the first change at the left and the right edge.
    pub from: i64,
    pub to: i64,
    /// The highest load of a pod on any side, and the most drains in one second.
    pub load: f64,
    pub drains: f64,
    /// Pods that were there before the first change.
    pub old: usize,
    /// The label of the first change.
    pub change: String,
}

impl Frame {
    fn step(&self) -> i64 {
        ((self.to - self.from) / POINTS).max(1)
    }

    fn x(&self, second: f64) -> f64 {
        let part = (second - self.from as f64) / (self.to - self.from).max(1) as f64;
        LEFT + (WIDTH - LEFT - RIGHT) * part
    }

    fn shown<'a>(&self, timeline: &'a Timeline) -> Vec<&'a Sample> {
        let step = self.step();
        let shown = timeline.samples.iter().filter(|sample| {
            (self.from..=self.to).contains(&sample.at) && (sample.at - self.from) % step == 0
        });
        shown.collect()
    }
}

/// The load of each pod over time: a line per pod or, of many, their spread.
pub fn loads(frame: &Frame, timeline: &Timeline) -> String {
    let axis = Axis::new(frame.load, TALL, 4.0);
    let mut svg = open("Load of each pod over time", TALL);
    axis.draw(&mut svg);
    let shown = frame.shown(timeline);
    let point = |at: i64, load: f64| format!("{:.1},{:.1}", frame.x(at as f64), axis.y(load));
    if shown
        .iter()
        .all(|sample| matches!(sample.loads, Loads::Each(_)))
    {
        for pod in 0..timeline.pods {
            let class = if pod < frame.old { "old" } else { "new" };
            let load = |sample: &&Sample| match &sample.loads {
                Loads::Each(loads) => loads.get(pod).copied().flatten(),
                Loads::Spread(_) => None,
            };
            for there in shown.split(|sample| load(sample).is_none()) {
                let points = there
                    .iter()
                    .filter_map(|sample| Some(point(sample.at, load(sample)?.into())));
                line(&mut svg, class, points.collect());
            }
        }
    } else {
        let edge = |part: usize| {
            shown.iter().filter_map(move |sample| match sample.loads {
                Loads::Spread(spread) => Some(point(sample.at, spread[part].into())),
                Loads::Each(_) => None,
            })
        };
        for (low, high, class) in [(0, 4, "all"), (1, 3, "most")] {
            let above: Vec<String> = edge(high).collect();
            let below: Vec<String> = edge(low).collect();
            let below = below.into_iter().rev();
            let points: Vec<String> = above.into_iter().chain(below).collect();
            let _ = write!(
                svg,
                r#"<polygon class="{class}" points="{}"/>"#,
                points.join(" ")
            );
        }
        line(&mut svg, "old", edge(2).collect());
    }
    let means = shown.iter().map(|sample| point(sample.at, sample.mean));
    line(&mut svg, "mean", means.collect());
    marks(&mut svg, frame, timeline, TALL, true);
    seconds(&mut svg, frame, TALL);
    svg + "</svg>"
}

/// Drains per second over time.
pub fn drains(frame: &Frame, timeline: &Timeline) -> String {
    let axis = Axis::new(frame.drains, LOW, 2.0);
    let mut svg = open("Drained connections per second over time", LOW);
    axis.draw(&mut svg);
    let step = frame.step() as usize;
    let until = usize::try_from(frame.to).unwrap_or(0);
    let drained = &timeline.drains[..timeline.drains.len().min(until)];
    let wide = frame.x(step as f64) - frame.x(0.0);
    let mut area = format!("M{:.1},{:.1}", frame.x(0.0), axis.y(0.0));
    for drains in drained.chunks(step) {
        let rate = f64::from(drains.iter().sum::<u32>()) / drains.len() as f64;
        let _ = write!(area, "V{:.1}h{wide:.1}", axis.y(rate));
    }
    let _ = write!(
        svg,
        r#"<path class="drains" d="{area}V{:.1}Z"/>"#,
        axis.y(0.0)
    );
    marks(&mut svg, frame, timeline, LOW, false);
    seconds(&mut svg, frame, LOW);
    svg + "</svg>"
}

/// Returns the highest rate of drains that the chart shows.
pub fn max_drains(frame: &Frame, timeline: &Timeline) -> f64 {
    let until = usize::try_from(frame.to).unwrap_or(0);
    let drained = &timeline.drains[..timeline.drains.len().min(until)];
    let rate = |drains: &[u32]| f64::from(drains.iter().sum::<u32>()) / drains.len().max(1) as f64;
    drained
        .chunks(frame.step() as usize)
        .map(rate)
        .fold(0.0, f64::max)
}

/// When pods begin to change, and when that is over.
fn marks(svg: &mut String, frame: &Frame, timeline: &Timeline, height: f64, named: bool) {
    let mut marks = vec![(0, frame.change.as_str())];
    if timeline.settled > 0 {
        let is_apart = frame.x(timeline.settled as f64) - frame.x(0.0) > 2.0 * NAME;
        marks.push((timeline.settled, if is_apart { "settled" } else { "" }));
    }
    for (at, name) in marks {
        let (x, bottom) = (frame.x(at as f64), height - BOTTOM);
        let _ = write!(
            svg,
            r#"<line class="mark" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}"/>"#
        );
        if named {
            text(svg, "note", x, TOP - 8.0, name);
        }
    }
}

fn seconds(svg: &mut String, frame: &Frame, height: f64) {
    let steps = [10, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600];
    let step = steps.into_iter().find(|step| frame.to / step <= 6);
    let step = step.unwrap_or(7 * 24 * 3600);
    for at in (0..=frame.to).step_by(step as usize) {
        let label = match at {
            0 => "0".to_owned(),
            at if at % 3600 == 0 => format!("{} h", at / 3600),
            at if at % 60 == 0 && step >= 60 => format!("{} min", at / 60),
            at => format!("{at} s"),
        };
        let x = frame.x(at as f64).min(WIDTH - 22.0);
        text(svg, "label", x, height - 6.0, &label);
    }
}

/// The value axis: from 0 to a round number.
struct Axis {
    top: f64,
    step: f64,
    height: f64,
}

impl Axis {
    fn new(most: f64, height: f64, steps: f64) -> Self {
        let rough = (most / steps).max(1.0);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough && step.fract() == 0.0)
            .unwrap_or(10.0 * power);
        Self {
            top: (most / step).ceil().max(1.0) * step,
            step,
            height,
        }
    }

    fn y(&self, value: f64) -> f64 {
        self.height - BOTTOM - (self.height - BOTTOM - TOP) * value / self.top
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
            let label = thousands(value.round() as u64);
            text(svg, "axis", LEFT - 6.0, y + 4.0, &label);
        }
    }
}

fn open(spoken: &str, height: f64) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{spoken}">"#)
}

fn line(svg: &mut String, class: &str, points: Vec<String>) {
    if points.len() > 1 {
        let points = points.join(" ");
        let _ = write!(svg, r#"<polyline class="{class}" points="{points}"/>"#);
    }
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let _ = write!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_above_the_top() {
        for (most, top) in [
            (250.0, 300.0),
            (66.0, 80.0),
            (19_800.0, 20_000.0),
            (0.0, 1.0),
            (9.0, 10.0),
        ] {
            assert_eq!(Axis::new(most, TALL, 4.0).top, top, "{most}");
        }
    }
}
