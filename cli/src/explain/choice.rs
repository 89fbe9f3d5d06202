//! The rule that applies to a request or TCP connection, and why no earlier one does.

use evenkeel_policy::{Direction, Policy, Request};
use evenkeel_report::align;
use evenkeel_report::terminal::{self, Style};
use serde_json::{Value as Json, json};

use super::lookup::{self, Lookup};
use super::values;
use crate::diagnose::{Document, LocatedRule, RuleKind, Source};
use crate::rule_protocol::RuleProtocol;

/// The rule that a policy applies to a request or connection.
pub struct Choice {
    lookup: String,
    tried: Vec<TriedRule>,
    /// None if no rule applies: the connection is bypassed.
    matched: Option<MatchedRule>,
    /// Why no rule applies.
    no_rule: &'static str,
}

struct TriedRule {
    place: String,
    name: String,
    line: usize,
    parts: Vec<Part>,
    outcome: Outcome,
}

struct Part {
    key: &'static str,
    pattern: String,
    found: String,
    is_met: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    DoesNotMatch,
    Wins,
    NotTried,
}

struct MatchedRule {
    place: String,
    name: String,
    values: Vec<values::Value>,
    /// Of a connection: its protocol, and a sentence about it.
    protocol: Option<(RuleProtocol, String)>,
}

pub fn of(source: &Source, document: &Document<'_>, policy: &Policy, lookup: &Lookup) -> Choice {
    let rules = LocatedRule::all(policy);
    let line = |located: &LocatedRule<'_>| {
        let location = document.find(&located.place);
        location.map_or(1, |location| source.position(location.value.start).line)
    };
    let candidates = rules.iter().filter(|located| match located.kind {
        RuleKind::Defaults => false,
        RuleKind::Route(_) => matches!(lookup, Lookup::Request(_)),
        RuleKind::Port(_) => matches!(lookup, Lookup::Connection { .. }),
    });
    let matched = matched(policy, &rules, lookup);
    let mut is_decided = false;
    let tried = candidates.map(|located| {
        let outcome = match matched {
            _ if is_decided => Outcome::NotTried,
            Some(matched) if matched.place == located.place => Outcome::Wins,
            _ => Outcome::DoesNotMatch,
        };
        is_decided |= outcome == Outcome::Wins;
        TriedRule {
            place: located.place.to_string(),
            name: located.rule.name.to_string(),
            line: line(located),
            parts: parts(located, lookup),
            outcome,
        }
    });
    Choice {
        no_rule: match lookup {
            Lookup::Request(_) => {
                "No rule matches, and `defaults` do not apply to outbound listeners: the connection is bypassed."
            }
            Lookup::Connection { .. } => {
                "No rule matches, and `defaults` apply to HTTP only: the connection is bypassed."
            }
        },
        lookup: shown(lookup),
        tried: tried.collect(),
        matched: matched.map(|located| MatchedRule {
            place: located.place.to_string(),
            name: located.rule.name.to_string(),
            values: values::of(source, document, located),
            protocol: match lookup {
                Lookup::Request(_) => None,
                Lookup::Connection { port, .. } => {
                    let protocol = RuleProtocol::of(*port, located.rule);
                    Some((protocol, protocol.describe(*port, located.rule)))
                }
            },
        }),
    }
}

/// Finds the rule as the module does.
fn matched<'a>(
    policy: &Policy,
    rules: &'a [LocatedRule<'a>],
    lookup: &Lookup,
) -> Option<&'a LocatedRule<'a>> {
    let rule = match lookup {
        Lookup::Request(lookup) => policy
            .route(lookup.direction, &request(lookup))
            .map(|route| &route.rule)
            .or_else(|| policy.otherwise(lookup.direction)),
        Lookup::Connection { port, direction } => {
            policy.tcp_rule(*direction, *port).map(|port| &port.rule)
        }
    };
    let rule = rule?;
    rules
        .iter()
        .find(|located| std::ptr::eq(located.rule, &**rule))
}

fn request(lookup: &lookup::Request) -> Request<'_> {
    Request {
        route: lookup.route.as_bytes(),
        authority: lookup.authority.as_bytes(),
        path: lookup.path.as_bytes(),
    }
}

fn parts(located: &LocatedRule<'_>, lookup: &Lookup) -> Vec<Part> {
    match (located.kind, lookup) {
        (RuleKind::Route(route), Lookup::Request(lookup)) => {
            let parts = route
                .conditions(lookup.direction, &request(lookup))
                .map(|part| Part {
                    key: part.key,
                    pattern: part.pattern.to_owned(),
                    found: found(lookup, part.key).to_owned(),
                    is_met: part.is_met,
                });
            parts.collect()
        }
        (RuleKind::Port(rule), Lookup::Connection { port, direction }) => vec![
            Part {
                key: "direction",
                pattern: rule.direction.name().to_owned(),
                found: direction.name().to_owned(),
                is_met: rule.direction == *direction,
            },
            Part {
                key: "port",
                pattern: rule.port.to_string(),
                found: port.to_string(),
                is_met: rule.port == *port,
            },
        ],
        _ => Vec::new(),
    }
}

fn found<'a>(lookup: &'a lookup::Request, key: &str) -> &'a str {
    match key {
        "direction" => lookup.direction.name(),
        "route" => &lookup.route,
        "authority" => &lookup.authority,
        _ => &lookup.path,
    }
}

fn shown(lookup: &Lookup) -> String {
    match lookup {
        Lookup::Request(lookup::Request {
            method,
            authority,
            path,
            route,
            direction,
        }) => {
            let route = match route.as_str() {
                "" => "no route stated".to_owned(),
                name => format!("route {name}"),
            };
            format!(
                "{method} {authority}{path} ({}, {route})",
                listener(*direction)
            )
        }
        Lookup::Connection { port, direction } => {
            format!("TCP on port {port} ({})", listener(*direction))
        }
    }
}

fn listener(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "received from another host",
        Direction::Outbound => "outbound, from the application beside a sidecar",
    }
}

impl Choice {
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n\n", terminal::styled(Style::Bold, &self.lookup));
        for tried in &self.tried {
            let TriedRule {
                place, name, line, ..
            } = tried;
            let verdict = match tried.outcome {
                Outcome::DoesNotMatch => "no",
                Outcome::Wins => "yes, and the first match wins",
                Outcome::NotTried => "not tried",
            };
            text += &format!("  {place} {name}, line {line}: {verdict}\n");
            if tried.outcome != Outcome::NotTried {
                text += &align(4, &tried.parts.iter().map(row).collect::<Vec<_>>(), 0..0);
            }
        }
        if !self.tried.is_empty() {
            text += "\n";
        }
        let Some(matched) = &self.matched else {
            return text + self.no_rule + "\n";
        };
        let title = match matched.name == matched.place {
            true => format!("Decided by {}", matched.name),
            false => format!("Decided by {} {}", matched.place, matched.name),
        };
        let mut rows = vec![["key", "value", "from"].map(str::to_owned)];
        rows.extend(matched.values.iter().map(|value| {
            let shown = values::show(&value.value);
            [value.key.to_owned(), shown, value.from.show()]
        }));
        let protocol = matched.protocol.as_ref();
        let protocol = protocol.map_or(String::new(), |(_, sentence)| format!("\n{sentence}\n"));
        text + &format!(
            "{}\n\n{}{protocol}",
            terminal::styled(Style::Bold, title),
            align(2, &rows, 0..0)
        )
    }

    pub fn to_json(&self) -> Json {
        let tried = self.tried.iter().map(|tried| {
            let parts = tried.parts.iter().map(|part| {
                json!({ "key": part.key, "pattern": part.pattern, "found": part.found, "is_met": part.is_met })
            });
            json!({
                "place": tried.place,
                "name": tried.name,
                "line": tried.line,
                "outcome": match tried.outcome {
                    Outcome::DoesNotMatch => "does-not-match",
                    Outcome::Wins => "wins",
                    Outcome::NotTried => "not-tried",
                },
                "parts": parts.collect::<Vec<_>>(),
            })
        });
        let matched = self.matched.as_ref().map(|matched| {
            let values = matched.values.iter().map(|value| {
                let mut json = value.from.to_json();
                json["key"] = json!(value.key);
                json["value"] = value.value.clone();
                json
            });
            json!({
                "place": matched.place,
                "name": matched.name,
                "values": values.collect::<Vec<_>>(),
                "parsed_as": matched.protocol.as_ref().map(|(protocol, _)| protocol.name()),
            })
        });
        json!({ "lookup": self.lookup, "tried": tried.collect::<Vec<_>>(), "decided_by": matched })
    }
}

fn row(part: &Part) -> [String; 3] {
    let verdict = match (part.is_met, part.found.as_str()) {
        (true, _) => "yes".to_owned(),
        (false, "") => "no, it is not stated".to_owned(),
        (false, found) => format!("no, it is {found}"),
    };
    [
        part.key.to_owned(),
        terminal::escape(&part.pattern),
        verdict,
    ]
}
