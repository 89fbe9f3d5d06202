//! A policy in sentences.

use evenkeel_policy::{Mode, Place, Policy, show_duration};
use evenkeel_report::terminal::{self, Style};
use serde_json::{Value as Json, json};

use super::{rule, settings};
use crate::diagnose::{Document, LocatedRule, Source};
use crate::pace::Limits;

/// The load that the command line states.
#[derive(Clone, Copy)]
pub struct Load {
    /// Connections under each rule at one proxy.
    pub connections: f64,
    /// Requests per second of a connection.
    pub requests: Option<f64>,
}

/// The parts of a policy, in order.
pub struct Explanation {
    parts: Vec<Part>,
}

struct Part {
    /// The key in the policy.
    place: String,
    name: Option<String>,
    line: Option<usize>,
    title: String,
    sentences: Vec<String>,
    /// Mean lifetime in seconds, and drains per second.
    pace: Option<(f64, f64)>,
}

pub fn of(source: &Source, document: &Document<'_>, policy: &Policy, load: Load) -> Explanation {
    let line = |place: &Place| {
        let location = document.find(place)?;
        Some(source.position(location.name().start).line)
    };
    let per_second = policy.budget.map(|budget| budget.per_second);
    let mut parts = vec![mode(policy)];
    for located in LocatedRule::all(policy) {
        let limits = Limits::of(located.rule);
        let mut sentences = rule::sentences(&located);
        sentences.extend(rule::pace(&limits, load, per_second));
        if located.rule.max_requests_per_connection.is_some() && load.requests.is_none() {
            sentences.push(
                "This is by age alone; --requests-per-second includes `max_requests_per_connection`."
                    .to_owned(),
            );
        }
        parts.push(Part {
            place: located.place.to_string(),
            name: Some(located.rule.name.to_string()),
            line: line(&located.place),
            title: rule::about(&located),
            sentences,
            pace: pace(&limits, load),
        });
    }
    let root = Place::default;
    let mut part = |key: &str, title: &str, sentences: Vec<String>, pace| {
        parts.push(Part {
            place: key.to_owned(),
            name: None,
            line: line(&root().key(key)),
            title: title.to_owned(),
            sentences,
            pace,
        });
    };
    if let Some(upstream) = &policy.upstream {
        let limits = Limits::upstream(upstream);
        let mut sentences = vec![settings::upstream(upstream)];
        sentences.extend(rule::pace(&limits, load, per_second));
        let title = "HTTP/1 connections to upstream hosts";
        part("upstream", title, sentences, pace(&limits, load));
    }
    part(
        "budget",
        "drains per second of the whole proxy",
        settings::budget(policy, load),
        None,
    );
    if let Some(rebalance) = &policy.rebalance {
        part(
            "rebalance",
            "drains only the excess",
            settings::rebalance(rebalance, policy, load),
            None,
        );
    }
    if let Some(peers) = &policy.peers {
        let sentence = format!(
            "Every {} this proxy exchanges load reports with four others of the cluster {}.",
            show_duration(peers.interval),
            peers.cluster
        );
        part("peers", "load reports of the pods", vec![sentence], None);
    }
    part(
        "keepalive",
        "keepalive of clients and upstreams",
        settings::keepalive(policy),
        None,
    );
    Explanation { parts }
}

/// Mean lifetime in seconds, and drains per second; None without a limit.
pub fn pace(limits: &Limits, load: Load) -> Option<(f64, f64)> {
    let limits = limits.with_requests(load.requests);
    Some((
        limits.lifetime()?,
        limits.drains_per_second(load.connections)?,
    ))
}

fn mode(policy: &Policy) -> Part {
    let sentence = match policy.mode {
        Mode::Enforce => "Connections are drained.",
        Mode::DryRun => "Nothing is drained: log and metrics show what would be drained.",
    };
    Part {
        place: "mode".to_owned(),
        name: None,
        line: None,
        title: policy.mode.name().to_owned(),
        sentences: vec![sentence.to_owned()],
        pace: None,
    }
}

impl Explanation {
    pub fn to_text(&self) -> String {
        let parts = self.parts.iter().filter(|part| !part.sentences.is_empty());
        let parts = parts.map(|part| {
            let name = match &part.name {
                Some(name) if *name != part.place => format!("{} {name}", part.place),
                _ => part.place.clone(),
            };
            let line = match part.line {
                Some(line) => format!(", line {line}"),
                None => String::new(),
            };
            let sentences: String = part
                .sentences
                .iter()
                .map(|line| format!("  {line}\n"))
                .collect();
            format!(
                "{}{line}: {}\n{sentences}",
                terminal::styled(Style::Bold, name),
                part.title
            )
        });
        parts.collect::<Vec<_>>().join("\n")
    }

    pub fn to_json(&self) -> Json {
        let parts = self.parts.iter().map(|part| {
            json!({
                "place": part.place,
                "name": part.name,
                "line": part.line,
                "about": part.title,
                "sentences": part.sentences,
                "mean_lifetime_seconds": part.pace.map(|pace| pace.0),
                "drains_per_second": part.pace.map(|pace| pace.1),
            })
        });
        json!({ "parts": parts.collect::<Vec<_>>() })
    }
}
