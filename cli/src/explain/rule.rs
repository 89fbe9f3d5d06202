//! A rule in sentences.

use std::time::Duration;

use evenkeel_engine::TcpProtocol;
use evenkeel_policy::{
    CloseCode, Direction, ErrorSetting, Request, Rule, WhenActive, show_duration,
};
use evenkeel_report::number::{duration, rounded};
use evenkeel_report::terminal;

use super::policy::Load;
use crate::diagnose::{LocatedRule, RuleKind};
use crate::rule_protocol::RuleProtocol;

use crate::pace::Limits;

/// Describes what the rule applies to.
pub fn about(located: &LocatedRule<'_>) -> String {
    match located.kind {
        RuleKind::Defaults => {
            "for HTTP that no route matches, on listeners that receive from other hosts".to_owned()
        }
        RuleKind::Route(route) => {
            let nothing = Request::default();
            let parts = route.conditions(route.direction(), &nothing);
            let parts = parts.filter(|part| part.key != "direction");
            let parts: Vec<_> = parts
                .map(|part| format!("{} {}", part.key, terminal::escape(part.pattern)))
                .collect();
            let which = match parts.is_empty() {
                true => "for every request".to_owned(),
                false => format!("for requests with {}", parts.join(" and ")),
            };
            format!("{which}, {}", listeners(route.direction()))
        }
        RuleKind::Port(rule) => {
            format!(
                "for TCP on port {}, {}",
                rule.port,
                listeners(rule.direction)
            )
        }
    }
}

fn listeners(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "on listeners that receive from other hosts",
        Direction::Outbound => "on a sidecar's outbound listeners",
    }
}

pub fn sentences(located: &LocatedRule<'_>) -> Vec<String> {
    let rule = located.rule;
    let mut sentences = vec![ages(rule)];
    if let Some(max) = rule.max_requests_per_connection {
        let least = (max.get() as f64 * (1.0 - rule.jitter.get()))
            .ceil()
            .max(1.0) as u64;
        sentences.push(format!(
            "It is drained after {} requests, too.",
            range(&least.to_string(), &max.to_string())
        ));
    }
    if !rule.min_connection_age.is_zero() {
        sentences.push(format!(
            "None is drained before the age of {}.",
            show_duration(rule.min_connection_age)
        ));
    }
    match located.kind {
        RuleKind::Defaults | RuleKind::Route(_) => sentences.extend(http(rule)),
        RuleKind::Port(port) => sentences.extend(tcp(port.port, rule)),
    }
    sentences
}

fn ages(rule: &Rule) -> String {
    let latest = rule.max_connection_age.map(|max| spread(max, rule));
    match (rule.mean_connection_age.map(show_duration), latest) {
        (None, None) => "No connection is drained because of its age.".to_owned(),
        (None, Some(latest)) => format!("A connection is drained at an age of {latest}."),
        (Some(mean), None) => {
            format!("A connection is drained at random, at an age of {mean} on average.")
        }
        (Some(mean), Some(latest)) => format!(
            "A connection is drained at random, at an age of {mean} on average; at {latest} at the latest."
        ),
    }
}

/// Describes the range from which a limit is drawn.
fn spread(max: Duration, rule: &Rule) -> String {
    let least = duration(max.as_secs_f64() * (1.0 - rule.jitter.get()));
    range(&least, &show_duration(max))
}

fn range(from: &str, to: &str) -> String {
    match from == to {
        true => to.to_owned(),
        false => format!("{from} to {to}"),
    }
}

fn http(rule: &Rule) -> Vec<String> {
    let mut sentences = Vec::new();
    if rule.protect {
        sentences.push(
            "While such a request is active, no other rule drains its connection.".to_owned(),
        );
    }
    sentences.push(match rule.drain_timeout.map(show_duration) {
        Some(drain_timeout) => {
            format!(
                "After the drain signal requests may take {drain_timeout}; then they are aborted."
            )
        }
        None => "After the drain signal requests may take as long as they need.".to_owned(),
    });
    if let (WhenActive::Drain, Some(drain_timeout)) = (rule.http2.when_active, rule.drain_timeout) {
        sentences.push(format!(
            "An HTTP/2 client that is active for {} gets the drain signal nevertheless, and may fail requests.",
            show_duration(drain_timeout)
        ));
    }
    let close = match rule.websocket.close_code {
        CloseCode::Off => None,
        CloseCode::GoingAway => Some("1001"),
        CloseCode::ServiceRestart => Some("1012"),
    };
    sentences.push(match close {
        None => "WebSockets are not drained.".to_owned(),
        Some(status) => format!(
            "A WebSocket gets a Close frame with {status} when its client has been silent for {}.",
            show_duration(rule.websocket.idle_time)
        ),
    });
    if let Some(max) = rule.max_stream_age.filter(|_| !rule.protect) {
        sentences.push(format!(
            "A gRPC stream ends with UNAVAILABLE at an age of {}.",
            spread(max, rule)
        ));
    }
    sentences
}

fn tcp(port: u16, rule: &Rule) -> Vec<String> {
    let protocol = RuleProtocol::of(port, rule);
    let mut sentences = vec![protocol.describe(port, rule)];
    match protocol {
        RuleProtocol::Raw => sentences.push(raw(rule)),
        RuleProtocol::Protocol(protocol) => sentences.extend(session(protocol, rule)),
        RuleProtocol::FirstBytes => sentences.push(format!("Raw TCP: {}", raw(rule))),
    }
    sentences
}

fn raw(rule: &Rule) -> String {
    let idle = show_duration(rule.tcp.raw_idle_time());
    let timeout = rule.drain_timeout.map(show_duration);
    let else_closed = match (timeout, rule.tcp.aborts_raw()) {
        (Some(timeout), true) => {
            format!("one that is not idle within {timeout} is closed while active")
        }
        (Some(timeout), false) => {
            format!("one that stays idle after {timeout}, and an active one never")
        }
        (None, _) => "an idle one after 30s, and an active one never".to_owned(),
    };
    format!(
        "An expired connection is closed after {idle} of silence after data from the server; {else_closed}."
    )
}

fn session(protocol: TcpProtocol, rule: &Rule) -> Vec<String> {
    let needs_no_idle_time = matches!(protocol, TcpProtocol::Nats | TcpProtocol::Mqtt);
    let close = match rule.tcp.idle_time {
        None if needs_no_idle_time => {
            "An expired connection is closed when nothing is in flight.".to_owned()
        }
        _ => format!(
            "An expired connection is closed when nothing is in flight and no byte has passed for {}.",
            show_duration(rule.tcp.session_idle_time())
        ),
    };
    let pinned = match rule.tcp.pins_sessions() {
        true => {
            "It stays open while the server keeps state for it, such as a subscription or a lock."
        }
        false => "State that the server keeps for it is lost.",
    };
    let timeout = rule.drain_timeout.map(show_duration);
    let no_safe_point = match (timeout, rule.tcp.aborts_sessions()) {
        (Some(timeout), true) => format!("One that is active for {timeout} is aborted."),
        (Some(timeout), false) => {
            format!("One that is active for {timeout} is counted, and stays open.")
        }
        (None, _) => "One that is active for 30s is counted, and stays open.".to_owned(),
    };
    let mut sentences = vec![close, pinned.to_owned(), no_safe_point];
    if protocol == TcpProtocol::PostgreSql && rule.tcp.error == ErrorSetting::AdminShutdown {
        let wait = rule.drain_timeout.map_or("30s".to_owned(), show_duration);
        sentences.push(format!(
            "Before it is closed, its client gets the error 57P01 in response to its next request, if it sends one within {wait}."
        ));
    }
    sentences
}

/// Describes the resulting drain rate.
pub fn pace(limits: &Limits, load: Load, budget: Option<f64>) -> Option<String> {
    let limits = limits.with_requests(load.requests);
    let (lifetime, rate) = (
        limits.lifetime()?,
        limits.drains_per_second(load.connections)?,
    );
    let connections = load.connections;
    let mut sentence = format!(
        "Of {connections} connections each lives for {} on average: {} drains per second, {} per minute, {} per hour.",
        duration(lifetime),
        rounded(rate),
        rounded(rate * 60.0),
        rounded(rate * 3600.0)
    );
    if let Some(budget) = budget.filter(|budget| rate > *budget) {
        sentence += &format!(
            " The budget allows {} per second, so each lives for {}.",
            rounded(budget),
            duration(connections / budget)
        );
    }
    Some(sentence)
}
