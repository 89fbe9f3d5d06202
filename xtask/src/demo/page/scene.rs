//! The scenes of shedding on the page: three sides beside each other, where connections are and how many
//! are closed, over time.

use std::fmt::Write;

use super::{KEY, escape, failed, policy};
use crate::demo::chart::over_time::{self, Curve, Time};
use crate::demo::chart::thousands;
use crate::demo::shedding::{Balance, EVEN, Scene};

const EVENLY: &str = "<p class=\"soft\">Even: the busiest pod has at most 1.25 times the mean, and no more until the \
                      end. Then: in the last minute or so, when all that can be balanced is.</p>\n";

/// The answers, before the reasons.
pub fn overview(html: &mut String, scenes: &[Scene]) {
    html.push_str(
        "<div class=\"wide\"><table class=\"overview\">\
         <tr><th></th><th>without</th><th>age only</th><th>shed</th><th>failed</th></tr>\n",
    );
    for scene in scenes {
        let _ = write!(html, "<tr><td>{}, {}</td>", scene.name, scene.protocol);
        for (_, side) in scene.sides() {
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
        "<section>\n<h2>{} <small>{}</small></h2>\n<p>{}</p>\n<p>{}</p>",
        scene.name,
        scene.protocol,
        escape(&plan.setup),
        escape(plan.reading)
    );
    row(html, scene, &CONNECTIONS);
    row(html, scene, &CLOSES);
    html.push_str(KEY);
    html.push_str(EVENLY);
    table(html, scene);
    policy(html, "The policy of “age only”", &plan.age);
    policy(html, "The policy of “shed”", &plan.shed);
    html.push_str("</section>\n");
}

/// A kind of chart.
struct Chart {
    /// What came out.
    title: fn(&Balance) -> String,
    /// What it shows.
    caption: fn(&Balance, &Scene) -> String,
    draw: fn(&Balance, &Scene) -> String,
}

const CONNECTIONS: Chart = Chart {
    title: evenness,
    caption: at_the_end,
    draw: connections,
};

const CLOSES: Chart = Chart {
    title: effort,
    caption: peak,
    draw: closes,
};

/// One for every side, on the same scale.
fn row(html: &mut String, scene: &Scene, chart: &Chart) {
    html.push_str("<div class=\"pair three\">\n");
    for (name, side) in scene.sides() {
        let _ = writeln!(
            html,
            "<figure><h3>{name}: {}</h3><figcaption>{}</figcaption>\n{}</figure>",
            (chart.title)(side),
            escape(&(chart.caption)(side, scene)),
            (chart.draw)(side, scene)
        );
    }
    html.push_str("</div>\n");
}

fn evenness(side: &Balance) -> String {
    match side.seconds_to_1_25 {
        Some(seconds) => format!("even after {seconds:.0} s"),
        None => "not even".to_owned(),
    }
}

fn at_the_end(side: &Balance, scene: &Scene) -> String {
    let counts = scene.plan.labels.iter().zip(&side.connections_per_pod);
    let counts = counts.map(|(pod, count)| format!("{pod} {count}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    match scene.plan.pods() {
        0..=3 => format!("connections of each pod; at the end {counts}"),
        _ => format!(
            "connections of each pod; at the end the busiest has {:.2} times the mean",
            side.max_over_mean
        ),
    }
}

fn effort(side: &Balance) -> String {
    match side.closes {
        0 => "no closes".to_owned(),
        closes => format!(
            "{} closes, then {:.0}/min",
            thousands(closes),
            side.closes_per_minute_balanced
        ),
    }
}

fn peak(side: &Balance, _: &Scene) -> String {
    format!(
        "closes a second; at most {:.0}",
        side.peak_closes_per_second
    )
}

fn connections(side: &Balance, scene: &Scene) -> String {
    let plan = &scene.plan;
    let curves: Vec<_> = (0..plan.pods())
        .map(|pod| Curve {
            joined: pod >= plan.first,
            points: side
                .course
                .looks()
                .iter()
                .map(|look| (look.at, look.open[pod] as f64))
                .collect(),
        })
        .collect();
    let top = most(scene, |side| {
        let looks = side.course.looks().iter();
        looks
            .flat_map(|look| &look.open)
            .max()
            .copied()
            .unwrap_or(0) as f64
    });
    let mean = plan.connections as f64 / plan.serving().len() as f64;
    over_time::curves(&time(scene), top, &curves, mean * EVEN)
}

fn closes(side: &Balance, scene: &Scene) -> String {
    let top = most(scene, |side| {
        let rates = side.course.rates().into_iter();
        rates.map(|(_, _, rate)| rate).fold(0.0, f64::max)
    });
    over_time::columns(&time(scene), top, &side.course.rates())
}

fn time(scene: &Scene) -> Time {
    let looks = scene.shed.course.looks();
    Time {
        from: looks.first().map_or(0.0, |look| look.at),
        to: looks.last().map_or(0.0, |look| look.at),
        change: scene.plan.change,
    }
}

/// The largest of all sides.
fn most(scene: &Scene, of: impl Fn(&Balance) -> f64) -> f64 {
    let sides = scene.sides().into_iter();
    sides.map(|(_, side)| of(side)).fold(0.0, f64::max)
}

fn table(html: &mut String, scene: &Scene) {
    html.push_str(
        "<div class=\"wide\"><table><tr><th></th><th>requests</th><th>busiest / mean</th><th>even after</th>\
         <th>closes</th><th>at most a second</th><th>then a minute</th><th>opened</th><th>failed</th></tr>\n",
    );
    for (name, side) in scene.sides() {
        let even = side
            .seconds_to_1_25
            .map_or("never".to_owned(), |seconds| format!("{seconds:.0} s"));
        let _ = writeln!(
            html,
            "<tr><td>{name}</td><td>{}</td><td>{:.2}</td><td>{even}</td><td>{}</td><td>{:.1}</td>\
             <td>{:.0}</td><td>{}</td>{}</tr>",
            thousands(side.requests),
            side.max_over_mean,
            thousands(side.closes),
            side.peak_closes_per_second,
            side.closes_per_minute_balanced,
            thousands(side.connections_opened),
            failed(side.failed)
        );
    }
    html.push_str("</table></div>\n");
}
