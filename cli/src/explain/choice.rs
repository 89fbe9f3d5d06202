//! Which rule decides about a request or a raw TCP connection, and why no earlier one does.

use evenkeel_policy::{Direction, Policy, Request};
use evenkeel_report::align;
use evenkeel_report::terminal::{self, Style};
use serde_json::{Value as Json, json};

use super::asked::{self, Asked};
use super::values;
use crate::diagnose::{Document, Kind, Ruling, Source};

/// The rule that a policy applies to a request or connection.
pub struct Choice {
    asked: String,
    tried: Vec<Tried>,
    /// None: nothing applies, and the connection is bypassed.
    winner: Option<Winner>,
    /// Why that is so, if it is.
    no_rule: &'static str,
}

struct Tried {
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
    fits: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    DoesNotMatch,
    Wins,
    NotTried,
}

struct Winner {
    place: String,
    name: String,
    values: Vec<values::Value>,
}

pub fn of(source: &Source, document: &Document<'_>, policy: &Policy, asked: &Asked) -> Choice {
    let rules = Ruling::all(policy);
    let line = |ruling: &Ruling<'_>| {
        let spot = document.find(&ruling.place);
        spot.map_or(1, |spot| source.position(spot.value.start).line)
    };
    let candidates = rules.iter().filter(|ruling| match ruling.kind {
        Kind::Defaults => false,
        Kind::Route(_) => matches!(asked, Asked::Request(_)),
        Kind::Port(_) => matches!(asked, Asked::Connection { .. }),
    });
    let winner = winner(policy, &rules, asked);
    let mut is_over = false;
    let tried = candidates.map(|ruling| {
        let outcome = match winner {
            _ if is_over => Outcome::NotTried,
            Some(winner) if winner.place == ruling.place => Outcome::Wins,
            _ => Outcome::DoesNotMatch,
        };
        is_over |= outcome == Outcome::Wins;
        Tried {
            place: ruling.place.to_string(),
            name: ruling.rule.name.to_string(),
            line: line(ruling),
            parts: parts(ruling, asked),
            outcome,
        }
    });
    Choice {
        no_rule: match asked {
            Asked::Request(_) => {
                "No rule matches, and `defaults` do not apply to outbound listeners: the connection is bypassed."
            }
            Asked::Connection { .. } => {
                "No rule matches, and `defaults` apply to HTTP only: the connection is bypassed."
            }
        },
        asked: shown(asked),
        tried: tried.collect(),
        winner: winner.map(|ruling| Winner {
            place: ruling.place.to_string(),
            name: ruling.rule.name.to_string(),
            values: values::of(source, document, ruling),
        }),
    }
}

/// The module's own choice.
fn winner<'a>(policy: &Policy, rules: &'a [Ruling<'a>], asked: &Asked) -> Option<&'a Ruling<'a>> {
    let rule = match asked {
        Asked::Request(asked) => policy
            .route(asked.direction, &request(asked))
            .map(|route| &route.rule)
            .or_else(|| policy.otherwise(asked.direction)),
        Asked::Connection { port, direction } => {
            policy.tcp_rule(*direction, *port).map(|port| &port.rule)
        }
    };
    let rule = rule?;
    rules
        .iter()
        .find(|ruling| std::ptr::eq(ruling.rule, &**rule))
}

fn request(asked: &asked::Request) -> Request<'_> {
    Request {
        route: asked.route.as_bytes(),
        authority: asked.authority.as_bytes(),
        path: asked.path.as_bytes(),
    }
}

fn parts(ruling: &Ruling<'_>, asked: &Asked) -> Vec<Part> {
    match (ruling.kind, asked) {
        (Kind::Route(route), Asked::Request(asked)) => {
            let parts = route
                .conditions(asked.direction, &request(asked))
                .map(|part| Part {
                    key: part.key,
                    pattern: part.pattern.to_owned(),
                    found: found(asked, part.key).to_owned(),
                    fits: part.is_met,
                });
            parts.collect()
        }
        (Kind::Port(rule), Asked::Connection { port, direction }) => vec![
            Part {
                key: "direction",
                pattern: rule.direction.name().to_owned(),
                found: direction.name().to_owned(),
                fits: rule.direction == *direction,
            },
            Part {
                key: "port",
                pattern: rule.port.to_string(),
                found: port.to_string(),
                fits: rule.port == *port,
            },
        ],
        _ => Vec::new(),
    }
}

fn found<'a>(asked: &'a asked::Request, key: &str) -> &'a str {
    match key {
        "direction" => asked.direction.name(),
        "route" => &asked.route,
        "authority" => &asked.authority,
        _ => &asked.path,
    }
}

fn shown(asked: &Asked) -> String {
    match asked {
        Asked::Request(asked::Request {
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
        Asked::Connection { port, direction } => {
            format!("raw TCP on port {port} ({})", listener(*direction))
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
        let mut text = format!("{}\n\n", terminal::styled(Style::Bold, &self.asked));
        for tried in &self.tried {
            let Tried {
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
        let Some(winner) = &self.winner else {
            return text + self.no_rule + "\n";
        };
        let title = match winner.name == winner.place {
            true => format!("Decided by {}", winner.name),
            false => format!("Decided by {} {}", winner.place, winner.name),
        };
        let mut rows = vec![["key", "value", "from"].map(str::to_owned)];
        rows.extend(winner.values.iter().map(|value| {
            let shown = values::show(&value.value);
            [value.key.to_owned(), shown, value.from.show()]
        }));
        text + &format!(
            "{}\n\n{}",
            terminal::styled(Style::Bold, title),
            align(2, &rows, 0..0)
        )
    }

    pub fn to_json(&self) -> Json {
        let tried = self.tried.iter().map(|tried| {
            let parts = tried.parts.iter().map(|part| {
                json!({ "key": part.key, "pattern": part.pattern, "found": part.found, "fits": part.fits })
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
        let winner = self.winner.as_ref().map(|winner| {
            let values = winner.values.iter().map(|value| {
                let mut json = value.from.to_json();
                json["key"] = json!(value.key);
                json["value"] = value.value.clone();
                json
            });
            json!({
                "place": winner.place,
                "name": winner.name,
                "values": values.collect::<Vec<_>>(),
            })
        });
        json!({ "asked": self.asked, "tried": tried.collect::<Vec<_>>(), "decided_by": winner })
    }
}

fn row(part: &Part) -> [String; 3] {
    let verdict = match (part.fits, part.found.as_str()) {
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
