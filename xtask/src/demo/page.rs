//! The result as one HTML page that needs no network.

mod rebalancing;

use std::fmt::Write;

use evenkeel_report::html::{self, details, escape};
use evenkeel_report::number::thousands;
use serde_json::Value;

use super::Results;
use super::chart;
use super::outcome::{Description, Outcome, Scenario};
use super::summary::headline;

const OPENING: &str = r#"<h1>Load of long-lived connections, before and after</h1>
<p>Kubernetes balances <em>connections</em>, not requests: kube-proxy picks a backend when a connection is
opened, and a long-lived connection (keep-alive, HTTP/2) stays there. Evenkeel runs inside the Envoy that a mesh
already has and drains connections at safe points, so that clients reconnect and load rebalances.</p>
<p class="soft">Measured on this machine: real HTTP servers, each behind a stock Envoy; real keep-alive
clients; between them kube-proxy's rule chain. <em>Before</em> and <em>after</em> are the same Envoys; only
the filter chain of the listener differs.</p>
"#;

const KEY: &str = "<p class=\"soft\"><span class=\"key old\"></span>initial\
                   <span class=\"key new\"></span>added</p>\n";

/// Renders the page.
pub fn render(results: &Results) -> String {
    let seeds = results.seeds;
    let first = seeds.first();
    let mut body = format!(
        "{OPENING}<p class=\"soft\">Seed {first} (<code>--seed</code>). Scenarios with three sides: {seeds}; their \
         numbers are medians with ranges. All others ran once, with seed {first}.</p>\n"
    );
    overview(&mut body, &results.scenarios);
    rebalancing::overview(&mut body, &results.rebalancing);
    for scenario in &results.scenarios {
        section(&mut body, scenario);
    }
    for scenario in &results.rebalancing {
        rebalancing::section(&mut body, scenario);
    }
    html::page("Evenkeel: long-lived connections, before and after", &body)
}

/// Adds a summary of all scenarios.
fn overview(html: &mut String, scenarios: &[Scenario]) {
    let rows = scenarios.iter().map(|scenario| {
        vec![
            format!("{}, {}", scenario.name, scenario.protocol),
            escape(&headline(&scenario.before, scenario)),
            escape(&headline(&scenario.after, scenario)),
            failed(scenario.after.failed),
        ]
    });
    let table = html::table(&["", "before", "after", "failed requests, after"], rows);
    let _ = writeln!(html, "<div class=\"overview\">{table}</div>");
}

fn section(html: &mut String, scenario: &Scenario) {
    let description = &scenario.description;
    let _ = writeln!(
        html,
        "<section>\n<h2>{} <small>{}</small></h2>\n<p>{}</p>\n<p>{}</p>",
        scenario.name,
        scenario.protocol,
        escape(&description.setup),
        escape(description.reading)
    );
    if scenario.after.runs_by_backends_used.is_some() {
        pair(
            html,
            scenario,
            "runs by the number of backends used",
            headline,
            runs,
        );
    }
    pair(
        html,
        scenario,
        &format!("{} per backend", description.unit),
        ratio,
        per_backend,
    );
    if scenario.joined > 0 {
        pair(
            html,
            scenario,
            &format!("{} per second over time", description.unit),
            headline,
            over_time,
        );
    }
    table(html, scenario);
    html.push_str(&policy("The policy of the after side", &description.policy));
    html.push_str("</section>\n");
}

fn policy(title: &str, policy: &Value) -> String {
    let policy = serde_json::to_string_pretty(policy).unwrap_or_default();
    details(title, &policy)
}

/// Adds the same chart for both sides, on the same scale.
fn pair(
    html: &mut String,
    scenario: &Scenario,
    title: &str,
    caption: fn(&Outcome, &Scenario) -> String,
    draw: fn(&Outcome, &Scenario) -> String,
) {
    let sides = [("Before", &scenario.before), ("After", &scenario.after)];
    charts(
        html,
        sides.map(|(name, side)| {
            let title = format!("{name}: {title}");
            (title, caption(side, scenario), draw(side, scenario))
        }),
    );
    if scenario.joined > 0 {
        html.push_str(KEY);
    }
}

/// Adds charts beside each other, each with its title and caption.
fn charts(html: &mut String, charts: impl IntoIterator<Item = (String, String, String)>) {
    html.push_str("<div class=\"charts\">\n");
    for (title, caption, chart) in charts {
        let _ = writeln!(
            html,
            "<figure><h3>{title}</h3><figcaption>{}</figcaption>\n{chart}</figure>",
            escape(&caption)
        );
    }
    html.push_str("</div>\n");
}

fn ratio(side: &Outcome, _: &Scenario) -> String {
    format!("the highest has {:.2} times the mean", side.max_over_mean)
}

fn runs(side: &Outcome, scenario: &Scenario) -> String {
    let runs = side.runs_by_backends_used.iter().flatten();
    let (labels, values): (Vec<_>, Vec<_>) = runs
        .map(|(used, runs)| (format!("{used} of {}", side.per_backend.len()), *runs))
        .unzip();
    let max = larger(scenario, |side| {
        let runs = side.runs_by_backends_used.iter().flatten();
        runs.map(|(_, runs)| *runs).max().unwrap_or(0)
    });
    chart::bars(&labels, &values, max, 0)
}

fn per_backend(side: &Outcome, scenario: &Scenario) -> String {
    let labels = &scenario.description.labels;
    let max = larger(scenario, |side| {
        side.per_backend.iter().max().copied().unwrap_or(0)
    });
    chart::bars(labels, &side.per_backend, max, scenario.joined)
}

fn over_time(side: &Outcome, scenario: &Scenario) -> String {
    let Description {
        span, joined_at, ..
    } = scenario.description;
    let max = larger(scenario, |side| {
        let sums = side.timeline.iter().map(|counts| counts.iter().sum());
        sums.max().unwrap_or(0)
    });
    let max = max as f64 / span.as_secs_f64();
    chart::layers(&side.timeline, span, max, scenario.joined, joined_at)
}

/// Returns the larger number of both sides.
fn larger(scenario: &Scenario, number: impl Fn(&Outcome) -> u64) -> u64 {
    number(&scenario.before).max(number(&scenario.after))
}

fn table(html: &mut String, scenario: &Scenario) {
    let rows = [("before", &scenario.before), ("after", &scenario.after)];
    let rows = rows.map(|(name, side)| {
        vec![
            name.to_owned(),
            thousands(side.requests),
            format!("{:.2}", side.max_over_mean),
            thousands(side.connections_opened),
            thousands(side.drain_signals),
            thousands(side.aborted),
            failed(side.failed),
        ]
    });
    let headings = [
        "",
        scenario.description.unit,
        "highest / mean",
        "connections opened",
        "drain signals",
        "aborted",
        "failed",
    ];
    html.push_str(&html::table(&headings, rows));
}

/// Colors the number of failed requests.
fn failed(requests: u64) -> String {
    let class = if requests == 0 { "good" } else { "bad" };
    format!("<span class=\"{class}\">{}</span>", thousands(requests))
}
