//! The scenarios of rebalancing on the page: three sides beside each other. Medians and ranges of all seeds, then the
//! connections and drains over time with the first seed.

use std::fmt::Write;

use evenkeel_report::html::{self, escape};
use evenkeel_report::number::thousands;

use super::{KEY, charts, failed, policy};
use crate::demo::chart::{Curve, Time, columns, curves, ranges};
use crate::demo::rebalancing::{Balance, EVEN, Number, RebalancingScenario, Run};

const BALANCED: &str = "<p class=\"soft\">Balanced: the highest pod has at most 1.25 times the mean, and stays so \
                        until the end. Drains until balanced count from the change of pods.";

/// Adds a summary of all scenarios.
pub fn overview(html: &mut String, scenarios: &[RebalancingScenario]) {
    let rows = scenarios.iter().map(|scenario| {
        let title = format!("{} ({})", scenario.title(), scenario.seeds);
        let headlines = scenario.sides().map(|side| escape(&side.headline()));
        [&[title], &headlines[..], &[failed(scenario.failed())]].concat()
    });
    let table = html::table(&["", "without", "age only", "rebalance", "failed"], rows);
    let _ = writeln!(html, "<div class=\"overview\">{table}</div>");
}

pub fn section(html: &mut String, scenario: &RebalancingScenario) {
    let plan = &scenario.plan;
    let _ = writeln!(
        html,
        "<section>\n<h2>{} <small>{}; {}</small></h2>\n<p>{}</p>\n<p>{}</p>",
        plan.name,
        plan.protocol,
        scenario.seeds,
        escape(&plan.setup),
        escape(plan.reading)
    );
    medians(html, scenario);
    if let Some(run) = scenario.runs.first() {
        let _ = writeln!(html, "<h3>Over time, with seed {}</h3>", run.seed);
        row(html, scenario, run, &CONNECTIONS);
        row(html, scenario, run, &DRAINS);
    }
    html.push_str(KEY);
    let last = plan.last.as_secs();
    let _ = writeln!(
        html,
        "{BALANCED} Drains per minute once balanced are those of the last {last} s, times {}.</p>",
        60 / last.max(1)
    );
    table(html, scenario);
    html.push_str(&policy("The policy of “age only”", &plan.age.policy()));
    html.push_str(&policy("The policy of “rebalance”", &plan.rebalance));
    html.push_str("</section>\n");
}

/// Adds a chart for each number: its median and range over the seeds, side by side.
fn medians(html: &mut String, scenario: &RebalancingScenario) {
    charts(
        html,
        Number::ALL.map(|number| {
            let columns = scenario
                .sides()
                .map(|side| (side.name, side.spread(number)));
            let known = columns.iter().flat_map(|(_, spread)| spread.known());
            let max = known.fold(0.0, f64::max);
            let chart = ranges(&columns, max, |value| number.format(value));
            let caption = "a dot per run, a bar at the median".to_owned();
            (number.title().to_owned(), caption, chart)
        }),
    );
}

/// A chart that each side has, on the same scale.
struct Chart {
    /// The result.
    title: fn(&Balance) -> String,
    caption: fn(&Balance, &RebalancingScenario) -> String,
    draw: fn(&Balance, &RebalancingScenario, &Run) -> String,
}

const CONNECTIONS: Chart = Chart {
    title: evenness,
    caption: at_the_end,
    draw: connections,
};

const DRAINS: Chart = Chart {
    title: effort,
    caption: peak,
    draw: drains,
};

fn row(html: &mut String, scenario: &RebalancingScenario, run: &Run, chart: &Chart) {
    charts(
        html,
        sides(run).map(|(name, side)| {
            let title = format!("{name}: {}", (chart.title)(side));
            let caption = (chart.caption)(side, scenario);
            (title, caption, (chart.draw)(side, scenario, run))
        }),
    );
}

fn sides(run: &Run) -> [(&'static str, &Balance); 3] {
    [
        ("without", &run.none),
        ("age only", &run.age),
        ("rebalance", &run.rebalance),
    ]
}

fn evenness(side: &Balance) -> String {
    match side.seconds_to_1_25 {
        Some(seconds) => format!("balanced after {seconds:.0} s"),
        None => "not balanced".to_owned(),
    }
}

fn at_the_end(side: &Balance, scenario: &RebalancingScenario) -> String {
    let counts = scenario.plan.labels.iter().zip(&side.connections_per_pod);
    let counts = counts.map(|(pod, count)| format!("{pod} {count}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    match scenario.plan.pods() {
        0..=3 => format!("connections of each pod; at the end {counts}"),
        _ => format!(
            "connections of each pod; at the end the highest has {:.2} times the mean",
            side.max_over_mean
        ),
    }
}

fn effort(side: &Balance) -> String {
    let balanced = side.drains_per_minute_balanced;
    match side.drains_to_1_25 {
        Some(drains) => format!("{} drains, then {balanced:.0}/min", thousands(drains)),
        None => format!("{balanced:.0} drains per minute at the end"),
    }
}

fn peak(side: &Balance, _: &RebalancingScenario) -> String {
    format!(
        "drains per second; at most {:.0}",
        side.peak_drains_per_second
    )
}

fn connections(side: &Balance, scenario: &RebalancingScenario, run: &Run) -> String {
    let plan = &scenario.plan;
    let samples = side.timeline.samples();
    let pods = (0..plan.pods()).map(|pod| Curve {
        is_added: pod >= plan.first,
        points: samples
            .iter()
            .map(|sample| (sample.at, sample.open[pod] as f64))
            .collect(),
    });
    let max = max_of_sides(run, |side| {
        let samples = side.timeline.samples().iter();
        let max = samples.flat_map(|sample| &sample.open).max();
        max.copied().unwrap_or(0) as f64
    });
    let mean = plan.connections as f64 / plan.serving().len() as f64;
    curves(
        &time(scenario, run),
        max,
        &pods.collect::<Vec<_>>(),
        mean * EVEN,
    )
}

fn drains(side: &Balance, scenario: &RebalancingScenario, run: &Run) -> String {
    let max = max_of_sides(run, |side| {
        let rates = side.timeline.rates().into_iter();
        rates.map(|(_, _, rate)| rate).fold(0.0, f64::max)
    });
    columns(&time(scenario, run), max, &side.timeline.rates())
}

fn time(scenario: &RebalancingScenario, run: &Run) -> Time {
    let samples = run.rebalance.timeline.samples();
    Time {
        from: samples.first().map_or(0.0, |sample| sample.at),
        to: samples.last().map_or(0.0, |sample| sample.at),
        change: scenario.plan.change,
    }
}

/// Returns the largest number of all sides.
fn max_of_sides(run: &Run, number: impl Fn(&Balance) -> f64) -> f64 {
    let sides = sides(run).into_iter();
    sides.map(|(_, side)| number(side)).fold(0.0, f64::max)
}

/// Adds the medians and ranges over all seeds.
fn table(html: &mut String, scenario: &RebalancingScenario) {
    let headings = Number::ALL.map(Number::title);
    let headings = [&[""], &headings[..], &["failed"]].concat();
    let rows = scenario.sides().map(|side| {
        let numbers = Number::ALL.map(|number| side.format(number));
        [
            &[side.name.to_owned()],
            &numbers[..],
            &[failed(side.failed())],
        ]
        .concat()
    });
    html.push_str(&html::table(&headings, rows));
}
