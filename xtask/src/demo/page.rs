//! The result as one HTML page that needs nothing else: no script, no font, no network.

mod scene;

use std::fmt::Write;

use serde_json::Value;

use super::Played;
use super::chart::{self, thousands};
use super::outcome::{About, Outcome, Scenario};
use super::summary::headline;

const STYLE: &str = include_str!("page.css");

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

/// The whole page.
pub fn render(played: &Played) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Evenkeel: long-lived connections, before and after</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{OPENING}"
    );
    let seeds = played.seeds;
    let _ = writeln!(
        html,
        "<p class=\"soft\">Seed {} (<code>--seed</code>). Scenes with three sides: {seeds}; their numbers \
         are medians with ranges. All others ran once, with seed {}.</p>",
        seeds.first(),
        seeds.first()
    );
    overview(&mut html, &played.scenarios);
    scene::overview(&mut html, &played.scenes);
    for scenario in &played.scenarios {
        section(&mut html, scenario);
    }
    for scene in &played.scenes {
        scene::section(&mut html, scene);
    }
    html + "</main>\n</body>\n</html>\n"
}

/// The answers, before the reasons.
fn overview(html: &mut String, scenarios: &[Scenario]) {
    html.push_str(
        "<div class=\"wide\"><table class=\"overview\">\
         <tr><th></th><th>before</th><th>after</th><th>failed requests, after</th></tr>\n",
    );
    for scenario in scenarios {
        let _ = writeln!(
            html,
            "<tr><td>{}, {}</td><td>{}</td><td>{}</td>{}</tr>",
            scenario.name,
            scenario.protocol,
            escape(&headline(&scenario.before, scenario)),
            escape(&headline(&scenario.after, scenario)),
            failed(scenario.after.failed)
        );
    }
    html.push_str("</table></div>\n");
}

fn section(html: &mut String, scenario: &Scenario) {
    let about = &scenario.about;
    let _ = writeln!(
        html,
        "<section>\n<h2>{} <small>{}</small></h2>\n<p>{}</p>\n<p>{}</p>",
        scenario.name,
        scenario.protocol,
        escape(&about.setup),
        escape(about.reading)
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
        &format!("{} per backend", about.unit),
        ratio,
        per_backend,
    );
    if scenario.joined > 0 {
        pair(
            html,
            scenario,
            &format!("{} per second over time", about.unit),
            headline,
            over_time,
        );
    }
    table(html, scenario);
    policy(html, "The policy of the after side", &about.policy);
    html.push_str("</section>\n");
}

fn policy(html: &mut String, title: &str, policy: &Value) {
    let policy = serde_json::to_string_pretty(policy).unwrap_or_default();
    let _ = writeln!(
        html,
        "<details><summary>{title}</summary>\n<pre>{}</pre></details>",
        escape(&policy)
    );
}

/// The same chart for both sides, on the same scale.
fn pair(
    html: &mut String,
    scenario: &Scenario,
    title: &str,
    caption: fn(&Outcome, &Scenario) -> String,
    draw: fn(&Outcome, &Scenario) -> String,
) {
    html.push_str("<div class=\"pair\">\n");
    for (name, side) in [("Before", &scenario.before), ("After", &scenario.after)] {
        let _ = writeln!(
            html,
            "<figure><h3>{name}: {title}</h3><figcaption>{}</figcaption>\n{}</figure>",
            escape(&caption(side, scenario)),
            draw(side, scenario)
        );
    }
    html.push_str("</div>\n");
    if scenario.joined > 0 {
        html.push_str(KEY);
    }
}

fn ratio(side: &Outcome, _: &Scenario) -> String {
    format!("the highest has {:.2} times the mean", side.max_over_mean)
}

fn runs(side: &Outcome, scenario: &Scenario) -> String {
    let runs = side.runs_by_backends_used.iter().flatten();
    let (labels, values): (Vec<_>, Vec<_>) = runs
        .map(|(used, runs)| (format!("{used} of {}", side.per_backend.len()), *runs))
        .unzip();
    chart::bars(
        &labels,
        &values,
        both(scenario, |side| {
            side.runs_by_backends_used
                .iter()
                .flatten()
                .map(|(_, runs)| *runs)
                .max()
                .unwrap_or(0)
        }),
        0,
    )
}

fn per_backend(side: &Outcome, scenario: &Scenario) -> String {
    let labels = &scenario.about.labels;
    let top = both(scenario, |side| {
        side.per_backend.iter().max().copied().unwrap_or(0)
    });
    chart::bars(labels, &side.per_backend, top, scenario.joined)
}

fn over_time(side: &Outcome, scenario: &Scenario) -> String {
    let About {
        span, joined_at, ..
    } = &scenario.about;
    let top = both(scenario, |side| {
        side.timeline
            .iter()
            .map(|counts| counts.iter().sum())
            .max()
            .unwrap_or(0)
    });
    chart::bands(
        &side.timeline,
        *span,
        top as f64 / span.as_secs_f64(),
        scenario.joined,
        *joined_at,
    )
}

/// The larger of both sides.
fn both(scenario: &Scenario, of: impl Fn(&Outcome) -> u64) -> u64 {
    of(&scenario.before).max(of(&scenario.after))
}

fn table(html: &mut String, scenario: &Scenario) {
    let _ = writeln!(
        html,
        "<div class=\"wide\"><table><tr><th></th><th>{}</th><th>highest / mean</th><th>connections opened</th>\
         <th>drain signals</th><th>aborted</th><th>failed</th></tr>",
        scenario.about.unit
    );
    for (name, side) in [("before", &scenario.before), ("after", &scenario.after)] {
        let _ = writeln!(
            html,
            "<tr><td>{name}</td><td>{}</td><td>{:.2}</td><td>{}</td><td>{}</td><td>{}</td>{}</tr>",
            thousands(side.requests),
            side.max_over_mean,
            thousands(side.connections_opened),
            thousands(side.drain_signals),
            thousands(side.aborted),
            failed(side.failed)
        );
    }
    html.push_str("</table></div>\n");
}

fn failed(requests: u64) -> String {
    let class = if requests == 0 { "good" } else { "bad" };
    format!("<td class=\"{class}\">{}</td>", thousands(requests))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
