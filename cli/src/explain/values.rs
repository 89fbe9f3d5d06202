//! Every value of a rule, and where it comes from.

use std::time::Duration;

use evenkeel_policy::{Rule, show_duration};
use serde_json::{Value as Json, json};

use crate::diagnose::{Document, Ruling, Source};

/// A key's value, as a policy would have it.
pub struct Value {
    pub key: &'static str,
    pub value: Json,
    pub from: From,
}

/// Where a value comes from.
pub enum From {
    Rule { line: usize },
    Defaults { line: usize },
    BuiltIn,
}

impl From {
    pub fn show(&self) -> String {
        match self {
            Self::Rule { line } => format!("this rule, line {line}"),
            Self::Defaults { line } => format!("defaults, line {line}"),
            Self::BuiltIn => "built in".to_owned(),
        }
    }

    pub fn to_json(&self) -> Json {
        match self {
            Self::Rule { line } => json!({ "from": "rule", "line": line }),
            Self::Defaults { line } => json!({ "from": "defaults", "line": line }),
            Self::BuiltIn => json!({ "from": "built-in", "line": null }),
        }
    }
}

pub fn of(source: &Source, document: &Document<'_>, ruling: &Ruling<'_>) -> Vec<Value> {
    let values = held(ruling.rule, ruling.is_http()).into_iter();
    let values = values.map(|(key, value)| {
        let from = match ruling.stated(document, key) {
            None => From::BuiltIn,
            Some(stated) => {
                let line = source.position(stated.spot.name().start).line;
                if stated.is_inherited {
                    From::Defaults { line }
                } else {
                    From::Rule { line }
                }
            }
        };
        Value { key, value, from }
    });
    values.collect()
}

/// In the order of the table of keys; of raw TCP what holds there.
fn held(rule: &Rule, is_http: bool) -> Vec<(&'static str, Json)> {
    let span = |span: Duration| json!(show_duration(span));
    let limit = |limit: Option<Duration>| limit.map_or(json!("off"), span);
    let mut held = vec![
        ("max_age", limit(rule.max_age)),
        ("mean_age", limit(rule.mean_age)),
        ("jitter", json!(rule.jitter.get())),
        ("min_age", span(rule.min_age)),
        ("quiet_wait", span(rule.quiet_wait)),
        ("grace", limit(rule.grace)),
        ("linger", span(rule.linger)),
    ];
    if is_http {
        let requests = rule.max_requests;
        held.extend([
            (
                "max_requests",
                requests.map_or(json!("off"), |max| json!(max)),
            ),
            ("goaway", json!(rule.goaway.name())),
            ("busy", json!(rule.busy.name())),
            ("websocket", json!(rule.websocket.name())),
            ("idle_wait", limit(rule.idle_wait)),
            ("max_stream_age", limit(rule.max_stream_age)),
            ("protect", json!(rule.protect)),
        ]);
    }
    held
}

/// Without the quotes of a string: for people.
pub fn show(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
