//! The rows of the dashboard: first what needs attention, then whether load is even, then why.

mod upstream;

use evenkeel_metrics::Metric;

use super::panel::{Panel, Row};
use crate::promql::{Selector, jain, max_over_mean, sum_by};

/// Grafana's window with enough scrapes for a rate.
const OVER: &str = "$__rate_interval";

/// The displayed time range.
const RANGE: &str = "$__range";

/// What identifies a pod: `instance` in any scrape, `pod` where there is one.
const POD: &str = "pod, instance";
const POD_LEGEND: &str = "{{pod}} {{instance}}";

/// The updates that made a policy active.
const ACCEPTED: &str = r#"update_result="accepted""#;

/// The values of a label.
pub fn values_of(label: &str) -> String {
    format!("label_values({}, {label})", Metric::ConnectionsActive)
}

/// Above 0 when a policy became active.
pub fn policies_accepted(selection: &str) -> String {
    let accepted = Selector(selection).with(Metric::PolicyUpdates, ACCEPTED);
    format!("sum (increase({accepted}[1m])) > 0")
}

/// All rows, for series with this selection.
pub fn rows(selection: &str, workload: &str) -> Vec<Row> {
    let of = Selector(selection);
    let groups = format!("job, namespace, {workload}");
    vec![
        attention(of, &groups),
        evenness(of, &groups),
        connections(of),
        drains(of),
        delays(of),
        peers(of),
        upstream::row(of),
        policies(of),
    ]
}

/// The connections of each pod.
fn load_of_pods(of: Selector<'_>, groups: &str) -> String {
    sum_by(
        &format!("{groups}, {POD}"),
        &of.now(Metric::LoadConnections),
    )
}

fn attention(of: Selector<'_>, groups: &str) -> Row {
    let since = |metric| format!("sum ({})", of.increase(metric, RANGE));
    let load = load_of_pods(of, groups);
    let event = |title, metric: Metric| {
        Panel::number(title, "short", metric.help())
            .query(since(metric), "")
            .thresholds(0.5, 0.5)
            .add_action(metric)
    };
    Row {
        title: "Needs attention",
        panels: vec![
            Panel::number("Policies rejected", "short", Metric::PolicyRejected.help())
                .query(format!("sum ({})", of.now(Metric::PolicyRejected)), "")
                .thresholds(0.5, 0.5)
                .add_action(Metric::PolicyRejected),
            event("Requests aborted", Metric::RequestsAborted),
            event("Connections aborted", Metric::ConnectionsAborted),
            event("Drains deferred", Metric::Deferred),
            event("WebSockets closed without notice", Metric::ClosedWithoutNotice),
            event("Streams unmatched", Metric::StreamsUnmatched),
            event("Duplicate filters", Metric::DuplicateFilters),
            Panel::number("Budget exhausted", "short", Metric::BudgetExhausted.help())
                .query(since(Metric::BudgetExhausted), "")
                .thresholds(0.5, 1e9)
                .add_action(Metric::BudgetExhausted),
            Panel::number(
                "Highest load / mean",
                "none",
                "The highest number of connections of a workload's pods, divided by their mean, for the least even workload: 1 is even, 2 is a pod with twice its share. With few connections such differences are random.",
            )
            .query(format!("max ({})", max_over_mean(groups, &load)), "")
            .thresholds(1.2, 1.5)
            .add_action(Metric::Rebalancing),
            Panel::number(
                "Jain's index",
                "none",
                "Jain's fairness index over the pods of the least even workload: 1 is even, 1/n is one of n pods with all connections.",
            )
            .query(format!("min ({})", jain(groups, &load)), ""),
        ],
    }
}

fn evenness(of: Selector<'_>, groups: &str) -> Row {
    let legend: Vec<_> = groups
        .split(", ")
        .map(|label| format!("{{{{{label}}}}}"))
        .collect();
    let legend = legend.join(" ");
    let load = load_of_pods(of, groups);
    let panel = |title, unit, metric: Metric| {
        Panel::series(title, unit, metric.help())
            .width(8)
            .query(sum_by(POD, &of.now(metric)), POD_LEGEND)
    };
    Row {
        title: "Evenness over pods",
        panels: vec![
            Panel::series(
                "Connections of each pod",
                "short",
                "Connections by which the pods of a service are compared: inbound, under a rule, and not draining. Equal load gives coinciding lines.",
            )
            .query(sum_by(POD, &of.now(Metric::LoadConnections)), POD_LEGEND),
            Panel::series(
                "Load / mean, as the pod knows it",
                "none",
                "The load of a pod divided by the mean that its peers report: `rebalance` decides by this. 1 is its share. Needs `peers`.",
            )
            .query(
                format!(
                    "{} / ({} > 0)",
                    sum_by(POD, &of.now(Metric::LoadConnections)),
                    sum_by(POD, &of.now(Metric::PeersMean))
                ),
                POD_LEGEND,
            )
            .thresholds(1.2, 1.5)
            .add_action(Metric::Rebalancing),
            Panel::series(
                "Highest load / mean",
                "none",
                "The highest load divided by the mean of a workload's pods, as Prometheus sees them: 1 is even. It needs neither `rebalance` nor `peers`.",
            )
            .query(max_over_mean(groups, &load), &legend)
            .thresholds(1.2, 1.5),
            Panel::series(
                "Jain's fairness index",
                "none",
                "(sum x)\u{b2} / (n * sum x\u{b2}) over the connections of a workload's pods: 1 is even, 1/n is one of n pods with all connections. Unlike the highest load it depends on all pods.",
            )
            .query(jain(groups, &load), &legend),
            panel("Active requests", "short", Metric::LoadActive),
            panel("Requests per second", "reqps", Metric::LoadRequests),
            panel("Bytes per second", "Bps", Metric::LoadBytes),
        ],
    }
}

fn connections(of: Selector<'_>) -> Row {
    let active = of.now(Metric::ConnectionsActive);
    let by_protocol = |metric| sum_by("connection_protocol", &of.rate(metric, OVER));
    Row {
        title: "Connections and their age",
        panels: vec![
            Panel::series("Open", "short", Metric::ConnectionsActive.help())
                .query(sum_by(POD, &active), POD_LEGEND),
            Panel::series("Opened per second", "cps", Metric::Connections.help())
                .query(by_protocol(Metric::Connections), "{{connection_protocol}}"),
            Panel::series(
                "Mean age of open connections",
                "s",
                "The sum of the ages of all open connections, divided by their number, of each pod.",
            )
            .query(
                format!(
                    "{} / ({} > 0)",
                    sum_by(POD, &of.now(Metric::ConnectionsAge)),
                    sum_by(POD, &active)
                ),
                POD_LEGEND,
            )
            .add_action(Metric::ConnectionsAge),
            Panel::series(
                "Expected lifetime",
                "s",
                "Open connections divided by those opened per second: by Little's law the mean lifetime, while as many open as close. Without new connections there is no line.",
            )
            .query(
                format!(
                    "{} / ({} > 0)",
                    sum_by(POD, &active),
                    sum_by(POD, &of.rate(Metric::Connections, OVER))
                ),
                POD_LEGEND,
            ),
            Panel::series("Requests per second", "reqps", Metric::Requests.help())
                .query(by_protocol(Metric::Requests), "{{connection_protocol}}"),
            Panel::series("HTTP/2 clients, connections per second", "cps", Metric::Http2Connections.help())
                .query(sum_by("http2_client", &of.rate(Metric::Http2Connections, OVER)), "{{http2_client}}"),
        ],
    }
}

fn drains(of: Selector<'_>) -> Row {
    let by = |labels, metric| sum_by(labels, &of.rate(metric, OVER));
    Row {
        title: "Drains",
        panels: vec![
            Panel::series(
                "Expired and drain signals per second",
                "cps",
                "Connections that reached a limit or were selected by `rebalance`, and those whose client was then sent a drain signal. Expired without a drain signal: see what delays drains.",
            )
            .query(by("drain_reason", Metric::Expired), "expired: {{drain_reason}}")
            .query(by("drain_reason", Metric::DrainSignals), "drain signal: {{drain_reason}}"),
            Panel::series("Closed by, per second", "cps", Metric::Drained.help())
                .query(by("closed_by", Metric::Drained), "{{closed_by}}")
                .add_action(Metric::Drained),
            Panel::series(
                "GOAWAYs per second",
                "cps",
                Metric::Goaways.help(),
            )
            .query(
                by("http2_client, last_stream_id, connection_state", Metric::Goaways),
                "{{http2_client}}: {{last_stream_id}}, {{connection_state}}",
            ),
            Panel::series(
                "Dry-run drains per second",
                "cps",
                Metric::DryRunDrains.help(),
            )
            .query(by("drain_reason", Metric::DryRunDrains), "{{drain_reason}}")
            .add_action(Metric::DryRunDrains),
            Panel::series("gRPC streams terminated per second", "cps", Metric::StreamsTerminated.help())
                .query(by(POD, Metric::StreamsTerminated), POD_LEGEND),
        ],
    }
}

fn delays(of: Selector<'_>) -> Row {
    let panel = |title, labels, legend, metric: Metric| {
        Panel::series(title, "cps", metric.help())
            .query(sum_by(labels, &of.rate(metric, OVER)), legend)
            .add_action(metric)
    };
    Row {
        title: "What delays drains, and what they cost",
        panels: vec![
            panel(
                "Budget exhausted, per second",
                POD,
                POD_LEGEND,
                Metric::BudgetExhausted,
            ),
            panel(
                "Drains deferred, per second",
                "defer_reason",
                "{{defer_reason}}",
                Metric::Deferred,
            ),
            panel(
                "Connections pinned, per second",
                "pin_reason",
                "{{pin_reason}}",
                Metric::Pinned,
            ),
            panel(
                "Requests aborted, per second",
                "drain_reason",
                "{{drain_reason}}",
                Metric::RequestsAborted,
            ),
            panel(
                "Connections aborted, per second",
                "drain_reason",
                "{{drain_reason}}",
                Metric::ConnectionsAborted,
            ),
            panel(
                "WebSockets closed without notice, per second",
                "drain_reason",
                "{{drain_reason}}",
                Metric::ClosedWithoutNotice,
            ),
            panel(
                "Drain signals ignored, per second",
                "drain_reason",
                "{{drain_reason}}",
                Metric::SignalsIgnored,
            ),
            panel(
                "Bypassed, per second",
                "bypass_reason",
                "{{bypass_reason}}",
                Metric::Bypassed,
            ),
            panel(
                "HTTP/2 tunnels per second",
                POD,
                POD_LEGEND,
                Metric::Http2Tunnels,
            ),
            panel(
                "Streams unmatched, per second",
                POD,
                POD_LEGEND,
                Metric::StreamsUnmatched,
            ),
        ],
    }
}

fn peers(of: Selector<'_>) -> Row {
    Row {
        title: "Peers and rebalancing",
        panels: vec![
            Panel::series("Known peers", "short", Metric::Peers.help())
                .query(sum_by(POD, &of.now(Metric::Peers)), POD_LEGEND)
                .add_action(Metric::Peers),
            Panel::series(
                "Mean that each pod knows",
                "short",
                "Pods that know each other agree; a different line belongs to a pod that knows other peers, or none.",
            )
            .query(sum_by(POD, &of.now(Metric::PeersMean)), POD_LEGEND),
            Panel::series("Exchanges per second", "ops", Metric::PeerExchanges.help())
                .query(
                    sum_by("exchange_result", &of.rate(Metric::PeerExchanges, OVER)),
                    "{{exchange_result}}",
                )
                .add_action(Metric::PeerExchanges),
            Panel::series("Rebalancing", "short", Metric::Rebalancing.help())
                .query(sum_by(POD, &of.now(Metric::Rebalancing)), POD_LEGEND)
                .add_action(Metric::Rebalancing),
            Panel::series(
                "Implausible reports per second",
                "ops",
                Metric::ReportsDropped.help(),
            )
            .query(
                sum_by(POD, &of.rate(Metric::ReportsDropped, OVER)),
                POD_LEGEND,
            )
            .add_action(Metric::ReportsDropped),
        ],
    }
}

fn policies(of: Selector<'_>) -> Row {
    Row {
        title: "Policies",
        panels: vec![
            Panel::series("Policy updates", "short", Metric::PolicyUpdates.help())
                .query(
                    sum_by(
                        &format!("{POD}, update_result"),
                        &of.increase(Metric::PolicyUpdates, OVER),
                    ),
                    "{{pod}} {{instance}} {{update_result}}",
                )
                .add_action(Metric::PolicyUpdates),
            Panel::series("Active policies", "short", Metric::PolicyInfo.help()).query(
                sum_by("policy_mode", &of.now(Metric::PolicyInfo)),
                "{{policy_mode}}",
            ),
            Panel::series("Versions", "short", Metric::BuildInfo.help()).query(
                sum_by("evenkeel_version", &of.now(Metric::BuildInfo)),
                "{{evenkeel_version}}",
            ),
        ],
    }
}
