//! The results for the terminal, and as one HTML page.

use std::fmt::Write;

use evenkeel_report::chart::Chart as Svg;
use evenkeel_report::html::{self, details, escape};
use evenkeel_report::terminal::{Style, styled};
use serde::Serialize;

use crate::case::About;
use crate::outcome::{Chart, Number, Outcome, SideOutcome};

const HEIGHT: f64 = 200.0;

/// A case that was run.
#[derive(Serialize)]
pub struct Played {
    pub case: String,
    pub rules: String,
    pub seconds: f64,
    #[serde(flatten)]
    pub about: About,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Renders the numbers and checks of a case.
pub fn terminal(played: &Played) -> String {
    let mut text = String::new();
    for side in &played.outcome.sides {
        let numbers = side
            .numbers
            .iter()
            .map(|number| format!("{} {}", number.name, number.text()));
        let numbers = numbers.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "  {:10} {numbers}", side.name);
    }
    for check in &played.outcome.checks {
        let (style, word) = verdict(check.passed);
        let _ = writeln!(text, "  {} {}", styled(style, word), check.what);
    }
    text
}

fn verdict(passed: bool) -> (Style, &'static str) {
    match passed {
        true => (Style::Green, "ok    "),
        false => (Style::Red, "FAILED"),
    }
}

/// Renders the page.
pub fn page(played: &[Played]) -> String {
    let mut body = String::from(
        "<h1>Lab: each case of the problem, before and after</h1>\n\
         <p>Pods are network namespaces at a bridge, each with an application and a stock Envoy before it. Services are \
         kube-proxy's own rules, in the kernel. <em>Before</em> and <em>after</em> are the same pods; only the filter \
         chain of the listener differs.</p>\n",
    );
    let rows = played.iter().map(|played| {
        let passed = match played.outcome.passed() {
            true => "<span class=\"good\">passed</span>",
            false => "<span class=\"bad\">failed</span>",
        };
        let link = format!(
            "<a href=\"#{}\">{}</a>",
            anchor(played),
            escape(played.about.title)
        );
        vec![
            link,
            played.rules.clone(),
            passed.to_owned(),
            format!("{} s", played.seconds),
        ]
    });
    let table = html::table(&["case", "rules", "result", "time"], rows);
    let _ = writeln!(body, "<div class=\"overview\">{table}</div>");
    for played in played {
        section(&mut body, played);
    }
    html::page("Evenkeel: lab", &body)
}

fn anchor(played: &Played) -> String {
    format!("{}-{}", played.case, played.rules)
}

fn section(body: &mut String, played: &Played) {
    let About {
        title,
        problem,
        reading,
    } = &played.about;
    let _ = writeln!(
        body,
        "<section id=\"{}\">\n<h2>{} <small>{}</small></h2>\n<p>{}</p>\n<p>{}</p>\n<div class=\"charts\">",
        anchor(played),
        escape(title),
        played.rules,
        escape(problem),
        escape(reading)
    );
    let sides = &played.outcome.sides;
    let max = sides
        .iter()
        .map(|side| side.chart.max())
        .fold(0.0, f64::max);
    for side in sides {
        let _ = writeln!(
            body,
            "<figure><h3>{}</h3><figcaption>{}</figcaption>\n{}</figure>",
            escape(&side.name),
            escape(side.chart.unit()),
            draw(side, max)
        );
    }
    body.push_str("</div>\n");
    body.push_str(&numbers(sides));
    body.push_str("<ul>\n");
    for check in &played.outcome.checks {
        let (class, word) = match check.passed {
            true => ("good", "ok"),
            false => ("bad", "failed"),
        };
        let _ = writeln!(
            body,
            "<li><span class=\"{class}\">{word}</span> {}</li>",
            escape(&check.what)
        );
    }
    body.push_str("</ul>\n");
    for side in sides {
        if let Some(policy) = &side.policy {
            let policy = serde_json::to_string_pretty(policy).unwrap_or_default();
            body.push_str(&details(&format!("The policy of {}", side.name), &policy));
        }
    }
    body.push_str("</section>\n");
}

/// Renders a row for each number and a column for each side.
fn numbers(sides: &[SideOutcome]) -> String {
    let names: Vec<&str> = sides.iter().map(|side| side.name.as_str()).collect();
    let headings: Vec<&str> = [""].into_iter().chain(names).collect();
    let all = sides.iter().flat_map(|side| &side.numbers);
    let mut names: Vec<&str> = Vec::new();
    for number in all {
        if !names.contains(&number.name.as_str()) {
            names.push(&number.name);
        }
    }
    let rows = names.into_iter().map(|name| {
        let number = |side: &SideOutcome| {
            side.numbers
                .iter()
                .find(|number| number.name == name)
                .map(Number::text)
        };
        let values = sides.iter().map(|side| number(side).unwrap_or_default());
        [escape(name)].into_iter().chain(values).collect()
    });
    html::table(&headings, rows)
}

/// Draws the chart of a side; all sides have the same scale.
fn draw(side: &SideOutcome, max: f64) -> String {
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
            svg.finish()
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
            svg.finish()
        }
    }
}
