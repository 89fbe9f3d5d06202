//! One HTML page that needs no network.

use std::fmt::Write;

use evenkeel_report::html::{self, details, escape};

use super::{Played, figure, numbers};
use crate::case::About;

const KEY: &str = "<p class=\"soft\"><span class=\"key old\"></span>initial pods\
                   <span class=\"key new\"></span>added pods</p>\n";

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
            escape(played.case.about().title)
        );
        vec![
            link,
            played.rules.to_string(),
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

/// Escapes a text, and marks its code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(index, part)| match index % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    });
    parts.collect()
}

fn anchor(played: &Played) -> String {
    format!("{}-{}", played.case, played.rules)
}

fn section(body: &mut String, played: &Played) {
    let About {
        title,
        problem,
        reading,
    } = played.case.about();
    let _ = writeln!(
        body,
        "<section id=\"{}\">\n<h2>{} <small>{}</small></h2>\n<p>{}</p>\n<p>{}</p>\n<div class=\"charts\">",
        anchor(played),
        escape(title),
        played.rules,
        prose(problem),
        prose(reading)
    );
    let sides = &played.outcome.sides;
    let max = figure::max(sides);
    for side in sides {
        let _ = writeln!(
            body,
            "<figure><h3>{}</h3><figcaption>{}</figcaption>\n{}</figure>",
            escape(&side.name),
            escape(side.chart.unit()),
            figure::draw(side, max).finish()
        );
    }
    body.push_str("</div>\n");
    if sides.iter().any(|side| side.chart.has_added_pods()) {
        body.push_str(KEY);
    }
    let names: Vec<&str> = [""]
        .into_iter()
        .chain(sides.iter().map(|side| side.name.as_str()))
        .collect();
    body.push_str(&html::table(&names, numbers(sides)));
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
