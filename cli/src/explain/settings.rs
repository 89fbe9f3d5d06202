//! The settings other than rules, in sentences.

use evenkeel_policy::{
    Budget, Measure, Policy, Rebalance, UpstreamProtocol, UpstreamRecycling, Weight, show_duration,
};
use evenkeel_report::number::{duration, rounded};

use super::policy::{Load, pace};
use crate::diagnose::LocatedRule;

use crate::pace::Limits;

pub fn upstream(upstream: &UpstreamRecycling) -> String {
    let keep = 1.0 - upstream.jitter.get();
    let age = upstream.max_connection_age.map(|max| {
        let least = duration(max.as_secs_f64() * keep);
        format!("at an age of {least} to {}", show_duration(max))
    });
    let requests = upstream.max_requests_per_connection.map(|max| {
        let least = (max.get() as f64 * keep).ceil().max(1.0);
        format!("after {least} to {max} requests")
    });
    let when: Vec<_> = [age, requests].into_iter().flatten().collect();
    let which = match upstream.protocol {
        UpstreamProtocol::Http1 => "all upstream connections are assumed to be HTTP/1",
        UpstreamProtocol::Auto => {
            "only connections of clusters in which a response has shown HTTP/1"
        }
    };
    format!(
        "One is recycled {}, by `connection: close` on the next request that is neither an upgrade nor CONNECT; {which}.",
        when.join(" or ")
    )
}

pub fn budget(policy: &Policy, load: Load) -> Vec<String> {
    let Some(budget) = policy.budget else {
        return vec!["There is no limit.".to_owned()];
    };
    let mut sentences = vec![format!(
        "At most {} connections per second over all rules, with a burst of {}{}.",
        rounded(budget.per_second),
        budget.burst,
        if budget == Budget::default() {
            " (built in)"
        } else {
            ""
        }
    )];
    let rates = LocatedRule::all(policy).into_iter().filter_map(|located| {
        let (_, rate) = pace(&Limits::of(located.rule), load)?;
        Some((located.rule.name.to_string(), rate))
    });
    if let Some((name, rate)) = rates.max_by(|a, b| a.1.total_cmp(&b.1)) {
        sentences.push(format!(
            "The rule with the most drains is {name}: {} per second with {} connections, {} % of the budget.",
            rounded(rate),
            load.connections,
            rounded(100.0 * rate / budget.per_second)
        ));
    }
    sentences
}

pub fn rebalance(rebalance: &Rebalance, policy: &Policy, load: Load) -> Vec<String> {
    let (others, part) = match policy.peers {
        Some(_) => ("the other pods", "this pod"),
        None => ("the other upstream hosts of a cluster", "an upstream host"),
    };
    let mut sentences = vec![
        format!(
            "When {part} has more than {} times the mean load of {others}, by {}, in {} of {} samples (one per second), \
             its excess is drained down to {} times the mean.",
            rounded(1.0 + rebalance.high_watermark),
            rebalance.measure.name(),
            rebalance.samples / 2 + 1,
            rebalance.samples,
            rounded(1.0 + rebalance.low_watermark)
        ),
        match rebalance.measure {
            Measure::Connections => format!(
                "At most {} % of the mean is drained per second: with {} connections on average, {} connections per second.",
                rounded(rebalance.max_rate * 100.0),
                load.connections,
                rounded(rebalance.max_rate * load.connections)
            ),
            Measure::Requests | Measure::Bytes => {
                format!(
                    "At most {} % of the mean is drained per second.",
                    rounded(rebalance.max_rate * 100.0)
                )
            }
        },
        format!(
            "Below {} connections nothing is drained.",
            rebalance.min_connections
        ),
    ];
    match rebalance.weight {
        Weight::Workers => {
            sentences.push("The share of a pod is proportional to its worker threads.".to_owned())
        }
        Weight::Fixed(1.0) => {}
        Weight::Fixed(weight) => sentences.push(format!(
            "The share of this pod is {} times that of a pod with weight 1.",
            rounded(weight)
        )),
    }
    if let Some(mean) = rebalance.fallback_mean_connection_age {
        sentences.push(format!(
            "While no peers are known, connections are drained at random, at an age of {} on average.",
            show_duration(mean)
        ));
    }
    sentences
}

pub fn keepalive(policy: &Policy) -> Vec<String> {
    let keepalive = &policy.keepalive;
    let mut sentences = Vec::new();
    if keepalive.http1_hint {
        sentences.push(
            "HTTP/1 responses state in a Keep-Alive field how long the connection will stay open."
                .to_owned(),
        );
    }
    if let Some(ping) = keepalive.http2 {
        sentences.push(format!(
            "Envoy is to send HTTP/2 clients a PING every {}, and to close the connection if there is no response within {}.",
            show_duration(ping.interval),
            show_duration(ping.timeout)
        ));
    } else if drains_http(policy) {
        sentences.push(
            "No HTTP/2 PINGs are configured; clients that are drained only when idle (tonic, undici, Java's HttpClient) \
             need them."
                .to_owned(),
        );
    }
    if let Some(ping) = keepalive.upstream_http2 {
        sentences.push(format!(
            "Envoy is to send HTTP/2 upstreams a PING every {}, and to close the connection if there is no response within {}.",
            show_duration(ping.interval),
            show_duration(ping.timeout)
        ));
    }
    if let Some(tcp) = keepalive.tcp {
        sentences.push(format!(
            "TCP keepalive: probes after {} idle, every {}; after {} lost probes the connection is closed.",
            show_duration(tcp.time),
            show_duration(tcp.interval),
            tcp.probes
        ));
    }
    sentences
}

fn drains_http(policy: &Policy) -> bool {
    let rules = LocatedRule::all(policy);
    let mut rules = rules.iter().filter(|located| located.is_http());
    rules.any(|located| {
        Limits::of(located.rule).lifetime().is_some()
            || located.rule.max_requests_per_connection.is_some()
    })
}
