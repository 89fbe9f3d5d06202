//! The chart in README.md: the connections of each pod before and after a scale-out, without and with the module.
//!
//! `cargo xtask demo --chart-data PATH` writes what one run measured, and `cargo xtask generate` draws it. Both are
//! committed. An image in a README has no access to the style of its page, so there is a file for each theme.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use evenkeel_report::chart::{self, Chart};
use serde::{Deserialize, Serialize};

use super::rebalancing::{Balance, RebalancingScenario};

/// Where the data and the charts are, without the ending.
const PATH: &str = "docs/images/scale-out";
const WIDTH: f64 = 2.0 * chart::WIDTH;
const HEIGHT: f64 = 226.0;
/// The height of the two charts.
const CHART: f64 = 196.0;
/// The seconds before the change that the charts show.
const BEFORE: f64 = 5.0;

/// The measurements of one run.
#[derive(Serialize, Deserialize)]
pub struct Data {
    seed: u64,
    connections: usize,
    /// Pods before the change; the others are added.
    first_pods: usize,
    /// The label of the change.
    change: String,
    without: Vec<Sample>,
    with: Vec<Sample>,
}

/// The open connections of each pod at one time.
#[derive(Serialize, Deserialize)]
struct Sample {
    /// Seconds since the change.
    at: f64,
    open: Vec<u64>,
}

impl Data {
    /// Returns the data of the first run of a scenario.
    pub fn of(scenario: &RebalancingScenario) -> Option<Self> {
        let run = scenario.runs.first()?;
        Some(Self {
            seed: run.seed,
            connections: run.connections,
            first_pods: scenario.plan.first,
            change: scenario.plan.change.to_owned(),
            without: samples(&run.none),
            with: samples(&run.rebalance),
        })
    }

    /// Formats it with one sample a line, so that a change of the data can be read.
    pub fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string(self)?;
        Ok(text.replace("{\"at\"", "\n  {\"at\"") + "\n")
    }

    fn max(&self) -> f64 {
        let samples = self.without.iter().chain(&self.with);
        let open = samples.flat_map(|sample| &sample.open);
        open.max().copied().unwrap_or(0) as f64
    }

    fn chart(&self, samples: &[Sample]) -> Chart {
        let end = |sample: Option<&Sample>| sample.map_or(0.0, |sample| sample.at);
        let time = end(samples.first())..end(samples.last());
        let mut chart = Chart::new("Connections of each pod", CHART, time, self.max());
        let pods = samples.first().map_or(0, |sample| sample.open.len());
        for pod in 0..pods {
            let class = if pod < self.first_pods { "old" } else { "new" };
            let point = |sample: &Sample| (sample.at, sample.open[pod] as f64);
            chart.line(class, samples.iter().map(point));
        }
        chart.mark(0.0, &self.change);
        chart.label_time();
        chart
    }

    fn svg(&self, theme: &Theme) -> String {
        let Theme {
            ink,
            soft,
            grid,
            old,
            new,
            ..
        } = theme;
        let pods = self.without.first().map_or(0, |sample| sample.open.len());
        let description = format!(
            "Connections of each pod over time; {} clients, {} pods become {pods}. Without Evenkeel the added pods \
             get none, with Evenkeel all pods have about the same number.",
            self.connections, self.first_pods
        );
        let left = self.chart(&self.without).into_group(0.0, 30.0);
        let right = self.chart(&self.with).into_group(chart::WIDTH, 30.0);
        let title =
            |x: f64, text: &str| format!(r#"<text class="title" x="{x}" y="18">{text}</text>"#);
        let key = |x: f64, class: &str, text: &str| {
            let (from, to, label) = (x, x + 18.0, x + 24.0);
            format!(
                r#"<path class="line {class}" d="M{from} 14H{to}"/><text x="{label}" y="18">{text}</text>"#
            )
        };
        let titles = [
            title(46.0, "Connections of each pod, without Evenkeel"),
            title(chart::WIDTH + 46.0, "With Evenkeel"),
            key(chart::WIDTH + 170.0, "old", "initial pods"),
            key(chart::WIDTH + 290.0, "new", "added pods"),
        ];
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{description}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: {soft}; }} .title {{ font-weight: 600; fill: {ink}; }}
.label, .note {{ text-anchor: middle; }} .axis {{ text-anchor: end; }}
.grid {{ stroke: {grid}; }} .mark {{ stroke: {soft}; stroke-dasharray: 4 3; }}
.line {{ fill: none; stroke-width: 1.6; stroke-linejoin: round; }} .old {{ stroke: {old}; }} .new {{ stroke: {new}; }}
</style>
{}
{left}
{right}
</svg>
"#,
            titles.concat()
        )
    }
}

fn samples(side: &Balance) -> Vec<Sample> {
    let samples = side.timeline.samples().iter();
    let tenths = |seconds: f64| (seconds * 10.0).round() / 10.0;
    samples
        .filter(|sample| sample.at >= -BEFORE)
        .map(|sample| Sample {
            at: tenths(sample.at),
            open: sample.open.clone(),
        })
        .collect()
}

/// The colors of a chart. The background is that of the page.
struct Theme {
    name: &'static str,
    ink: &'static str,
    soft: &'static str,
    grid: &'static str,
    old: &'static str,
    new: &'static str,
}

const THEMES: [Theme; 2] = [
    Theme {
        name: "light",
        ink: "#1c2733",
        soft: "#5b6876",
        grid: "#d8dde3",
        old: "#4a7fb5",
        new: "#d9781a",
    },
    Theme {
        name: "dark",
        ink: "#e4e9ee",
        soft: "#9aa7b4",
        grid: "#323d49",
        old: "#5c96d0",
        new: "#e8963c",
    },
];

/// Draws the committed data, in a file for each theme.
///
/// # Errors
/// When the data cannot be read.
pub fn charts(root: &Path) -> Result<Vec<(String, String)>> {
    let path = root.join(format!("{PATH}.json"));
    let json =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let data: Data = serde_json::from_str(&json).context("the data of the chart")?;
    let charts = THEMES.iter().map(|theme| {
        let path = format!("{PATH}-{}.svg", theme.name);
        (path, data.svg(theme))
    });
    Ok(charts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[test]
    fn committed_charts_show_the_committed_data() {
        let root = Workspace::find().unwrap().root;
        for (path, svg) in charts(&root).unwrap() {
            let committed = fs::read_to_string(root.join(&path)).unwrap_or_default();
            assert!(
                committed == svg,
                "{path} is out of date: run `cargo xtask generate`"
            );
        }
    }

    #[test]
    fn readme_shows_both_themes() {
        let readme = Workspace::find().unwrap().root.join("README.md");
        let readme = fs::read_to_string(readme).unwrap();
        for theme in THEMES {
            assert!(readme.contains(&format!("{PATH}-{}.svg", theme.name)));
        }
    }
}
