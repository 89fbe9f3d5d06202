//! The values of a rule, and where each comes from.

use std::time::Duration;

use evenkeel_policy::{ProtocolSetting, Rule, WhenTcpActive, show_duration};
use serde_json::{Value as Json, json};

use crate::diagnose::{Document, LocatedRule, Source};

/// A key and its value in the notation of a policy.
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

pub fn of(source: &Source, document: &Document<'_>, located: &LocatedRule<'_>) -> Vec<Value> {
    let values = values(located.rule, located.is_http()).into_iter();
    let values = values.map(|(key, value)| {
        let from = match located.locate(document, key) {
            None => From::BuiltIn,
            Some(stated) => {
                let line = source.position(stated.location.name().start).line;
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

/// The shown default where it depends on the protocol of each connection.
const BY_PROTOCOL: &str = "by protocol";

/// Returns the values in the order of the table of keys; for a rule of `tcp` only the keys that apply there.
fn values(rule: &Rule, is_http: bool) -> Vec<(&'static str, Json)> {
    let span = |span: Duration| json!(show_duration(span));
    let limit = |limit: Option<Duration>| limit.map_or(json!("off"), span);
    let mut values = vec![
        ("max_connection_age", limit(rule.max_connection_age)),
        ("mean_connection_age", limit(rule.mean_connection_age)),
        ("jitter", json!(rule.jitter.get())),
        ("min_connection_age", span(rule.min_connection_age)),
        ("drain_timeout", limit(rule.drain_timeout)),
        ("close_delay", span(rule.close_delay)),
    ];
    if !is_http {
        let tcp = &rule.tcp;
        let (idle_time, when_active) = match tcp.protocol {
            ProtocolSetting::Auto => (None, None),
            ProtocolSetting::Raw => (Some(tcp.raw_idle_time()), Some(tcp.aborts_raw())),
            _ => (Some(tcp.session_idle_time()), Some(tcp.aborts_sessions())),
        };
        let when_active = when_active.map(|aborts| match aborts {
            true => WhenTcpActive::Abort,
            false => WhenTcpActive::Defer,
        });
        values.extend([
            ("protocol", json!(tcp.protocol.name())),
            (
                "idle_time",
                tcp.idle_time.or(idle_time).map_or(json!(BY_PROTOCOL), span),
            ),
            ("session_state", json!(tcp.session_state.name())),
            ("error", json!(tcp.error.name())),
            (
                "when_active",
                tcp.when_active
                    .or(when_active)
                    .map_or(json!(BY_PROTOCOL), |when| json!(when.name())),
            ),
        ]);
        return values;
    }
    let (http2, websocket) = (rule.http2, rule.websocket);
    let requests = rule.max_requests_per_connection;
    values.extend([
        (
            "max_requests_per_connection",
            requests.map_or(json!("off"), |max| json!(max)),
        ),
        ("protect", json!(rule.protect)),
        ("http2.idle_wait", span(http2.idle_wait)),
        ("http2.last_stream_id", json!(http2.last_stream_id.name())),
        ("http2.when_active", json!(http2.when_active.name())),
        ("websocket.close_code", json!(websocket.close_code.name())),
        ("websocket.idle_time", span(websocket.idle_time)),
        ("websocket.when_active", json!(websocket.when_active.name())),
        ("websocket.idle_timeout", limit(websocket.idle_timeout)),
        ("grpc.max_stream_age", limit(rule.max_stream_age)),
    ]);
    values
}

/// Formats a value; strings have no quotes.
pub fn show(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use evenkeel_policy::{Policy, Rule, Tcp};

    use super::*;
    use crate::diagnose::RuleKind;

    /// Compares with the resolved policy: inherited values are those of `defaults`, built-in ones those of a policy that
    /// has only a version.
    #[test]
    fn origin_of_values_is_correct() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
        let mut counts = [0; 3];
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap_or_default();
            let source = Source::new("a", bytes);
            let Ok(policy) = source.policy() else {
                continue;
            };
            let document = Document::of(&source);
            for located in LocatedRule::all(&policy) {
                let tcp = Rule {
                    drain_timeout: Some(Duration::from_secs(30)),
                    tcp: Tcp {
                        protocol: located.rule.tcp.protocol,
                        ..Tcp::default()
                    },
                    ..Rule::default()
                };
                let built_in = match located.kind {
                    RuleKind::Port(_) => values(&tcp, false),
                    RuleKind::Defaults | RuleKind::Route(_) => {
                        values(&Policy::default().defaults, true)
                    }
                };
                let defaults = values(&policy.defaults, true);
                let of = |values: &[(&str, Json)], key| {
                    let found = values.iter().find(|(name, _)| *name == key);
                    found.map(|(_, value)| value.clone())
                };
                for value in super::of(&source, &document, &located) {
                    let what = format!("{}: {} {}", path.display(), located.place, value.key);
                    match value.from {
                        From::Rule { .. } => counts[0] += 1,
                        From::Defaults { .. } => {
                            counts[1] += 1;
                            assert_eq!(Some(value.value), of(&defaults, value.key), "{what}");
                        }
                        From::BuiltIn => {
                            counts[2] += 1;
                            assert_eq!(Some(value.value), of(&built_in, value.key), "{what}");
                        }
                    }
                }
            }
        }
        assert!(counts.iter().all(|count| *count > 20), "{counts:?}");
    }
}
