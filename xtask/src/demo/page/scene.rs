//! The scenes of rebalancing on the page: three sides beside each other. Medians and ranges of all seeds, then
//! where connections were and how many were closed over time, with the first seed.

use std::fmt::Write;

use super::{KEY, escape, failed, policy};
use crate::demo::chart::over_time::{self, Curve, Time};
use crate::demo::chart::ranges::ranges;
use crate::demo::chart::thousands;
use crate::demo::rebalancing::{Balance, EVEN, Number, Run, Scene};

const BALANCED: &str = "<p class=\"soft\">Balanced: the highest pod has at most 1.25 times the mean, and stays so \
                        until the end. Drains until balanced count from the change of pods.";

/// The answers, before the reasons.
pub fn overview(html: &mut String, scenes: &[Scene]) {
    html.push_str(
        "<div class=\"wide\"><table class=\"overview\">\
         <tr><th></th><th>without</th><th>age only</th><th>rebalance</th><th>failed</th></tr>\n",
    );
    for scene in scenes {
        let _ = write!(html, "<tr><td>{} ({})</td>", scene.title(), scene.seeds);
        for side in scene.sides() {
            let _ = write!(html, "<td>{}</td>", escape(&side.headline()));
        }
        let _ = writeln!(html, "{}</tr>", failed(scene.failed()));
    }
    html.push_str("</table></div>\n");
}

pub fn section(html: &mut String, scene: &Scene) {
    let plan = &scene.plan;
    let _ = writeln!(
        html,
        "<section>\n<h2>{} <small>{}; {}</small></h2>\n<p>{}</p>\n<p>{}</p>",
        plan.name,
        plan.protocol,
        scene.seeds,
        escape(&plan.setup),
        escape(plan.reading)
    );
    medians(html, scene);
    if let Some(run) = scene.runs.first() {
        let _ = writeln!(html, "<h3>Over time, with seed {}</h3>", run.seed);
        row(html, scene, run, &CONNECTIONS);
        row(html, scene, run, &DRAINS);
    }
    html.push_str(KEY);
    let last = plan.last.as_secs();
    let _ = writeln!(
        html,
        "{BALANCED} Drains per minute once balanced are those of the last {last} s, times {}.</p>",
        60 / last.max(1)
    );
    table(html, scene);
    policy(html, "The policy of “age only”", &plan.age.policy());
    policy(html, "The policy of “rebalance”", &plan.rebalance);
    html.push_str("</section>\n");
}

/// A chart for each number: its median and range over the seeds, side by side.
fn medians(html: &mut String, scene: &Scene) {
    html.push_str("<div class=\"pair three\">\n");
    for number in Number::ALL {
        let columns = scene.sides().map(|side| (side.name, side.spread(number)));
        let known = columns.iter().flat_map(|(_, spread)| spread.known());
        let top = known.fold(0.0, f64::max);
        let _ = writeln!(
            html,
            "<figure><h3>{}</h3><figcaption>a point per run, a bar at the median</figcaption>\n{}</figure>",
            number.title(),
            ranges(&columns, top, |value| number.show(value))
        );
    }
    html.push_str("</div>\n");
}

/// A kind of chart.
struct Chart {
    /// What came out.
    title: fn(&Balance) -> String,
    /// What it shows.
    caption: fn(&Balance, &Scene) -> String,
    draw: fn(&Balance, &Scene, &Run) -> String,
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

/// One for every side, on the same scale.
fn row(html: &mut String, scene: &Scene, run: &Run, chart: &Chart) {
    html.push_str("<div class=\"pair three\">\n");
    for (name, side) in sides(run) {
        let _ = writeln!(
            html,
            "<figure><h3>{name}: {}</h3><figcaption>{}</figcaption>\n{}</figure>",
            (chart.title)(side),
            escape(&(chart.caption)(side, scene)),
            (chart.draw)(side, scene, run)
        );
    }
    html.push_str("</div>\n");
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

fn at_the_end(side: &Balance, scene: &Scene) -> String {
    let counts = scene.plan.labels.iter().zip(&side.connections_per_pod);
    let counts = counts.map(|(pod, count)| format!("{pod} {count}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    match scene.plan.pods() {
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

fn peak(side: &Balance, _: &Scene) -> String {
    format!(
        "drains per second; at most {:.0}",
        side.peak_drains_per_second
    )
}

fn connections(side: &Balance, scene: &Scene, run: &Run) -> String {
    let plan = &scene.plan;
    let curves: Vec<_> = (0..plan.pods())
        .map(|pod| Curve {
            joined: pod >= plan.first,
            points: side
                .course
                .samples()
                .iter()
                .map(|sample| (sample.at, sample.open[pod] as f64))
                .collect(),
        })
        .collect();
    let top = most(run, |side| {
        let samples = side.course.samples().iter();
        samples
            .flat_map(|sample| &sample.open)
            .max()
            .copied()
            .unwrap_or(0) as f64
    });
    let mean = plan.connections as f64 / plan.serving().len() as f64;
    over_time::curves(&time(scene, run), top, &curves, mean * EVEN)
}

fn drains(side: &Balance, scene: &Scene, run: &Run) -> String {
    let top = most(run, |side| {
        let rates = side.course.rates().into_iter();
        rates.map(|(_, _, rate)| rate).fold(0.0, f64::max)
    });
    over_time::columns(&time(scene, run), top, &side.course.rates())
}

fn time(scene: &Scene, run: &Run) -> Time {
    let samples = run.rebalance.course.samples();
    Time {
        from: samples.first().map_or(0.0, |sample| sample.at),
        to: samples.last().map_or(0.0, |sample| sample.at),
        change: scene.plan.change,
    }
}

/// The largest of all sides.
fn most(run: &Run, of: impl Fn(&Balance) -> f64) -> f64 {
    let sides = sides(run).into_iter();
    sides.map(|(_, side)| of(side)).fold(0.0, f64::max)
}

/// Medians and ranges over all seeds.
fn table(html: &mut String, scene: &Scene) {
    html.push_str("<div class=\"wide\"><table><tr><th></th>");
    for number in Number::ALL {
        let _ = write!(html, "<th>{}</th>", number.title());
    }
    html.push_str("<th>failed</th></tr>\n");
    for side in scene.sides() {
        let _ = write!(html, "<tr><td>{}</td>", side.name);
        for number in Number::ALL {
            let _ = write!(html, "<td>{}</td>", side.show(number));
        }
        let _ = writeln!(html, "{}</tr>", failed(side.failed()));
    }
    html.push_str("</table></div>\n");
}
