//! The result as one self-contained HTML page without scripts.

use std::fmt::Write;

use evenkeel_policy::Measure;
use evenkeel_report::html::{self, details, escape};
use evenkeel_report::number::thousands;

use super::chart::{self, Frame};
use super::table;
use super::timeline::MAX_LINES;
use super::{Comparison, Side};

/// How many seconds after the first change, and before it, the charts show at most.
const SECONDS_AFTER: u64 = 900;
const SECONDS_BEFORE: i64 = 20;

const INTRODUCTION: &str = r#"<h1>Simulated effect of a policy on a service</h1>
<p>Every pod runs the module's own code, on virtual time. Clients, kube-proxy's random choice of a pod, and
starting and stopping pods are simulated.</p>
"#;

const QUANTILE_LEGEND: &str = "<p class=\"soft keys\"><span class=\"key all\"></span>all pods<span class=\"key most\"></span>\
                    eight of ten<span class=\"key old\"></span>the median; dotted: the mean<span class=\"key \
                    drains\"></span>drained connections per second</p>\n";
const POD_LEGEND: &str = "<p class=\"soft keys\"><span class=\"key old\"></span>initial pods<span class=\"key new\">\
                   </span>added pods; dotted: the mean<span class=\"key drains\"></span>drained \
                   connections per second</p>\n";

/// Renders the page.
pub fn render(comparisons: &[Comparison]) -> String {
    let mut body = INTRODUCTION.to_owned();
    for comparison in comparisons {
        section(&mut body, comparison);
    }
    html::page("Evenkeel: simulated", &body)
}

fn section(html: &mut String, comparison: &Comparison) {
    let Comparison { setup, sides } = comparison;
    let frame = frame(comparison);
    let _ = writeln!(
        html,
        "<section>\n<h2>{}</h2>\n<p>{}. {}</p>",
        setup.scenario.name(),
        escape(&table::describe(setup)),
        seeds(comparison)
    );
    numbers(html, sides);
    let many = sides.iter().any(|side| side.timeline.pods > MAX_LINES);
    html.push_str(if many { QUANTILE_LEGEND } else { POD_LEGEND });
    if setup.duration.as_secs() > SECONDS_AFTER {
        let _ = writeln!(
            html,
            "<p class=\"soft\">The charts show the first {} of {} minutes.</p>",
            SECONDS_AFTER / 60,
            setup.duration.as_secs() / 60
        );
    }
    let unit = match setup.scenario.measure() {
        Measure::Connections => "connections of each pod",
        Measure::Requests | Measure::Bytes => "requests per second of each pod",
    };
    html.push_str("<div class=\"charts\">\n");
    for side in sides {
        let _ = writeln!(
            html,
            "<figure><h3>{}</h3><figcaption>{}</figcaption>\n<p class=\"unit\">{unit}</p>\n{}\n\
             <p class=\"unit\">drains per second</p>\n{}</figure>",
            escape(&side.row.policy),
            escape(&result(side)),
            chart::loads(&frame, &side.timeline),
            chart::drains(&frame, &side.timeline)
        );
    }
    html.push_str("</div>\n");
    for side in sides {
        let title = format!("The policy {}", side.row.policy);
        html.push_str(&details(&title, &side.text));
    }
    html.push_str("</section>\n");
}

fn seeds(Comparison { setup, sides }: &Comparison) -> String {
    match sides.first().map_or(1, |side| side.rows.len() as u64) {
        1 => format!("Seed {}.", setup.seed),
        seeds => format!(
            "Seeds {} to {}: the table has medians and ranges, the charts show seed {}.",
            setup.seed,
            setup.seed + seeds - 1,
            setup.seed
        ),
    }
}

/// The scales that all sides share.
fn frame(comparison: &Comparison) -> Frame {
    let Comparison { setup, sides } = comparison;
    let to = setup.duration.as_secs().min(SECONDS_AFTER) as i64;
    let mut frame = Frame {
        from: -SECONDS_BEFORE,
        to,
        load: 0.0,
        drains: 0.0,
        old: setup.pods,
        change: if setup.pods == setup.after
            || sides.iter().any(|side| side.timeline.last_change > 0)
        {
            "start".to_owned()
        } else {
            format!("{} → {}", setup.pods, setup.after)
        },
    };
    for side in sides {
        let shown = side.timeline.samples.iter();
        let shown = shown.filter(|sample| (-SECONDS_BEFORE..=to).contains(&sample.at));
        let most = shown.map(|sample| sample.max_load()).fold(0.0, f64::max);
        frame.load = frame.load.max(most);
        frame.drains = frame.drains.max(chart::max_drains(&frame, &side.timeline));
    }
    frame
}

/// Summarizes the result of a policy in a sentence.
fn result(side: &Side) -> String {
    let row = &side.row;
    let even = match row.seconds_to_1_25 {
        Some(0) => "at most 1.25 times the mean throughout".to_owned(),
        Some(seconds) => format!("1.25 times the mean after {seconds} s"),
        None => format!("{:.2} times the mean at the end", row.max_over_mean_end),
    };
    match row.drains {
        0 => format!("{even}; nothing drained"),
        drains => format!("{even}; {} drains", thousands(drains)),
    }
}

fn numbers(html: &mut String, sides: &[Side]) {
    let rows = sides.iter().map(|side| {
        let [policy, numbers @ ..] = table::cells(side);
        [vec![escape(&policy)], numbers.to_vec()].concat()
    });
    html.push_str(&html::table(&table::HEAD, rows));
}
