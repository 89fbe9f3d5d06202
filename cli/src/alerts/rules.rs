//! The alerts, and when each fires.
//!
//! No rule aggregates over pods: each alert keeps the labels with which the scrape identifies a pod.

use evenkeel_metrics::Metric;

use crate::promql::{Selector, sum_without};

/// An alert.
#[derive(Debug)]
pub struct Alert {
    /// Its name; docs/operating.md has a section of that name.
    pub name: &'static str,
    /// Its condition.
    pub expr: String,
    /// How long the condition must hold.
    pub lasts: &'static str,
    /// `critical`: clients lose requests. `warning`: Evenkeel does not follow the policy. `info`: not urgent.
    pub severity: &'static str,
    /// In one sentence.
    pub summary: &'static str,
    /// What it means and what to do.
    pub description: String,
}

/// A load above this multiple of the mean is uneven: between the default high watermark and twice the mean.
const UNEVEN: &str = "1.5";

/// Results of exchanges that brought no reports.
const UNSUCCESSFUL: &str = r#"exchange_result=~"failed|malformed|too_long|version""#;

/// Every alert.
pub fn alerts() -> Vec<Alert> {
    let all = Selector("");
    let described = |meaning: &str, metric: Metric| {
        let action = metric.action().unwrap_or_default();
        format!("{meaning} {action}")
    };
    vec![
        Alert {
            name: "EvenkeelRequestsAborted",
            expr: {
                let aborted = |metric| {
                    let increase = all.increase(metric, "10m");
                    format!("{} > 0", sum_without("drain_reason", &increase))
                };
                format!(
                    "{} or {}",
                    aborted(Metric::RequestsAborted),
                    aborted(Metric::ConnectionsAborted)
                )
            },
            lasts: "0m",
            severity: "critical",
            summary: "Evenkeel aborted requests, or active TCP connections or WebSockets, when their drain timeout ended.",
            description: described(
                "{{ $value | humanize }} requests or connections in ten minutes did not end within their `drain_timeout`.",
                Metric::RequestsAborted,
            ),
        },
        Alert {
            name: "EvenkeelPolicyRejected",
            expr: format!("{} > 0", Metric::PolicyRejected),
            lasts: "1m",
            severity: "warning",
            summary: "A policy is rejected; the previous one stays active, or none.",
            description: described(
                "The newest policy of this proxy is invalid.",
                Metric::PolicyRejected,
            ),
        },
        Alert {
            name: "EvenkeelStreamsUnmatched",
            expr: format!("{} > 0", all.rate(Metric::StreamsUnmatched, "5m")),
            lasts: "15m",
            severity: "warning",
            summary: "The HTTP filter does not find the network filter: the rules of routes have no effect.",
            description: described(
                "Requests arrive on connections that the network role does not know.",
                Metric::StreamsUnmatched,
            ),
        },
        Alert {
            name: "EvenkeelDrainsDeferred",
            expr: format!("{} > 0", all.rate(Metric::Deferred, "10m")),
            lasts: "30m",
            severity: "warning",
            summary: "Connections cannot be drained, because there is no safe point for their clients.",
            description: described(
                "Some expired connections never reach a point at which their client tolerates the drain signal.",
                Metric::Deferred,
            ),
        },
        Alert {
            name: "EvenkeelConnectionsPinned",
            expr: format!("{} > 0", all.rate(Metric::Pinned, "10m")),
            lasts: "1h",
            severity: "info",
            summary: "Connections to databases or brokers are not drained, because the server keeps state for them.",
            description: described(
                "Some expired connections have state on the server, such as a subscription or a lock, that a new connection would not have.",
                Metric::Pinned,
            ),
        },
        Alert {
            name: "EvenkeelBudgetExhausted",
            expr: format!("{} > 0", all.rate(Metric::BudgetExhausted, "10m")),
            lasts: "1h",
            severity: "warning",
            summary: "The drain budget has been exhausted for an hour.",
            description: described(
                "More connections expire than the budget allows to drain.",
                Metric::BudgetExhausted,
            ),
        },
        Alert {
            name: "EvenkeelUneven",
            expr: format!(
                "{} > {UNEVEN} * {} and {} > 0 and max_over_time({}[10m]) > 0",
                Metric::LoadConnections,
                Metric::PeersMean,
                Metric::Peers,
                Metric::Rebalancing,
            ),
            lasts: "30m",
            severity: "warning",
            summary: "A pod has far more load than the mean, although it rebalances.",
            description: described(
                "For half an hour this pod has had more than 1.5 times the mean load of its service.",
                Metric::Rebalancing,
            ),
        },
        Alert {
            name: "EvenkeelPeersLost",
            expr: format!(
                "{} == 0 and {} > 0",
                Metric::Peers,
                sum_without(
                    "exchange_result",
                    &all.rate_with(Metric::PeerExchanges, UNSUCCESSFUL, "5m")
                )
            ),
            lasts: "10m",
            severity: "warning",
            summary: "A pod requests reports from its peers and knows none.",
            description: described(
                "It cannot compare its load, and rebalances nothing.",
                Metric::PeerExchanges,
            ),
        },
        Alert {
            name: "EvenkeelWebSocketsClosedWithoutNotice",
            expr: format!(
                "{} > 0",
                sum_without(
                    "drain_reason",
                    &all.increase(Metric::ClosedWithoutNotice, "30m")
                )
            ),
            lasts: "0m",
            severity: "info",
            summary: "WebSockets were closed without a Close frame.",
            description: described(
                "{{ $value | humanize }} silent WebSockets in half an hour got no Close frame.",
                Metric::ClosedWithoutNotice,
            ),
        },
    ]
}
