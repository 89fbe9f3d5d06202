//! A policy as a whole in sentences.

use evenkeel_policy::{
    Budget, Measure, Mode, Place, Policy, Shed, Upstream, Weight, show_duration,
};
use serde_json::{Value as Json, json};

use super::rule;
use crate::diagnose::{Document, Ruling, Source};
use crate::pace::{Limits, number, show};
use crate::term;

/// What the operator says of the service.
#[derive(Clone, Copy)]
pub struct Load {
    /// Under each rule, at one proxy.
    pub connections: f64,
    /// Of one connection, a second.
    pub requests: Option<f64>,
}

/// A policy's parts, in its order.
pub struct Explained {
    parts: Vec<Part>,
}

struct Part {
    /// Where it stands, where the policy has it.
    place: String,
    name: Option<String>,
    line: Option<usize>,
    title: String,
    sentences: Vec<String>,
    /// Mean lifetime in seconds, and closes a second.
    pace: Option<(f64, f64)>,
}

pub fn of(source: &Source, document: &Document<'_>, policy: &Policy, load: Load) -> Explained {
    let line = |place: &Place| {
        let spot = document.find(place)?;
        Some(source.position(spot.name().start).line)
    };
    let per_second = policy.budget.map(|budget| budget.per_second);
    let mut parts = vec![mode(policy)];
    for ruling in Ruling::all(policy) {
        let limits = Limits::of(ruling.rule);
        let mut sentences = rule::sentences(&ruling);
        sentences.extend(rule::pace(&limits, load, per_second));
        if ruling.rule.max_requests.is_some() && load.requests.is_none() {
            sentences.push(
                "That is by age alone; --requests-per-second counts `max_requests`, too."
                    .to_owned(),
            );
        }
        parts.push(Part {
            place: ruling.place.to_string(),
            name: Some(ruling.rule.name.to_string()),
            line: line(&ruling.place),
            title: rule::about(&ruling),
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
        let mut sentences = vec![self::upstream(upstream)];
        sentences.extend(rule::pace(&limits, load, per_second));
        let title = "HTTP/1 connections that the proxy itself opens";
        part("upstream", title, sentences, pace(&limits, load));
    }
    part(
        "budget",
        "what the whole proxy may move",
        budget(policy, load),
        None,
    );
    if let Some(shed) = &policy.shed {
        part(
            "shed",
            "only the surplus",
            self::shed(shed, policy, load),
            None,
        );
    }
    if let Some(peers) = &policy.peers {
        let sentence = format!(
            "Every {} this proxy asks four others of the cluster {}, and tells them what it carries.",
            show_duration(peers.every),
            peers.cluster
        );
        part(
            "peers",
            "what pods know of each other",
            vec![sentence],
            None,
        );
    }
    part(
        "keepalive",
        "how clients are told, and dead peers found out",
        keepalive(policy),
        None,
    );
    Explained { parts }
}

fn pace(limits: &Limits, load: Load) -> Option<(f64, f64)> {
    let limits = limits.with_requests(load.requests);
    Some((limits.lifetime()?, limits.closes(load.connections)?))
}

fn mode(policy: &Policy) -> Part {
    let sentence = match policy.mode {
        Mode::Enforce => "Connections are moved.",
        Mode::Observe => "Nothing is moved: log and metrics say what would be.",
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

fn upstream(upstream: &Upstream) -> String {
    let keep = 1.0 - upstream.jitter.get();
    let age = upstream.max_age.map(|max| {
        let least = show(max.as_secs_f64() * keep);
        format!("at an age of {least} to {}", show_duration(max))
    });
    let requests = upstream.max_requests.map(|max| {
        let least = (max.get() as f64 * keep).ceil().max(1.0);
        format!("after {least} to {max} requests")
    });
    let when: Vec<_> = [age, requests].into_iter().flatten().collect();
    format!(
        "One is renewed {}, by `connection: close` on a request.",
        when.join(" or ")
    )
}

fn budget(policy: &Policy, load: Load) -> Vec<String> {
    let Some(budget) = policy.budget else {
        return vec!["There is no limit.".to_owned()];
    };
    let mut sentences = vec![format!(
        "At most {} connections a second, and {} at once after a time without any, over all rules{}.",
        number(budget.per_second),
        budget.burst,
        if budget == Budget::default() {
            " (as built in)"
        } else {
            ""
        }
    )];
    let rates = Ruling::all(policy).into_iter().filter_map(|ruling| {
        let (_, rate) = pace(&Limits::of(ruling.rule), load)?;
        Some((ruling.rule.name.to_string(), rate))
    });
    if let Some((name, rate)) = rates.max_by(|a, b| a.1.total_cmp(&b.1)) {
        sentences.push(format!(
            "The rule that needs most of it is {name}: {} a second with {} connections, {} % of the budget.",
            number(rate),
            load.connections,
            number(100.0 * rate / budget.per_second)
        ));
    }
    sentences
}

fn shed(shed: &Shed, policy: &Policy, load: Load) -> Vec<String> {
    let (others, part) = match policy.peers {
        Some(_) => ("the other pods", "this pod"),
        None => ("the other upstream hosts of a cluster", "an upstream host"),
    };
    let mut sentences = vec![
        format!(
            "When {part} carries more than {} times the mean of {others}, by {}, in {} of {} looks (one a second), \
             its surplus is moved down to {} times the mean.",
            number(1.0 + shed.start_at),
            shed.measure.name(),
            shed.looks / 2 + 1,
            shed.looks,
            number(1.0 + shed.tolerance)
        ),
        match shed.measure {
            Measure::Connections => format!(
                "That goes at {} % of the mean a second: with {} connections on average at most {} closes a second.",
                number(shed.rate * 100.0),
                load.connections,
                number(shed.rate * load.connections)
            ),
            Measure::Requests | Measure::Bytes => {
                format!(
                    "That goes at {} % of the mean a second.",
                    number(shed.rate * 100.0)
                )
            }
        },
        format!(
            "With fewer than {} connections nothing is moved.",
            shed.min_connections
        ),
    ];
    match shed.weight {
        Weight::Workers => {
            sentences.push("A pod is expected to carry by its worker threads.".to_owned())
        }
        Weight::Fixed(1.0) => {}
        Weight::Fixed(weight) => sentences.push(format!(
            "This pod is expected to carry {} times what one of weight 1 does.",
            number(weight)
        )),
    }
    if let Some(mean) = shed.fallback_mean_age {
        sentences.push(format!(
            "While nothing is known of the others, connections are moved by chance, at an age of {} on average.",
            show_duration(mean)
        ));
    }
    sentences
}

fn keepalive(policy: &Policy) -> Vec<String> {
    let keepalive = &policy.keepalive;
    let mut sentences = Vec::new();
    if keepalive.http1_hint {
        sentences.push(
            "HTTP/1 answers tell in a Keep-Alive field how long the connection will be served."
                .to_owned(),
        );
    }
    if let Some(ping) = keepalive.http2_ping {
        sentences.push(format!(
            "Envoy is to send HTTP/2 clients a PING every {}, and to close where none comes back in {}.",
            show_duration(ping.interval),
            show_duration(ping.timeout)
        ));
    } else if moves_http(policy) {
        sentences.push(
            "No HTTP/2 PINGs are asked for; clients that are told only at rest (tonic, undici, Java's HttpClient) \
             need them."
                .to_owned(),
        );
    }
    if let Some(tcp) = keepalive.tcp {
        sentences.push(format!(
            "TCP keepalive: probes after {} idle, every {}; after {} that are lost the connection is dead.",
            show_duration(tcp.idle),
            show_duration(tcp.interval),
            tcp.probes
        ));
    }
    sentences
}

fn moves_http(policy: &Policy) -> bool {
    let rules = Ruling::all(policy);
    let mut rules = rules.iter().filter(|ruling| ruling.is_http());
    rules.any(|ruling| {
        Limits::of(ruling.rule).lifetime().is_some() || ruling.rule.max_requests.is_some()
    })
}

impl Explained {
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
            format!("{}{line}: {}\n{sentences}", term::heading(name), part.title)
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
                "closes_per_second": part.pace.map(|pace| pace.1),
            })
        });
        json!({ "parts": parts.collect::<Vec<_>>() })
    }
}
