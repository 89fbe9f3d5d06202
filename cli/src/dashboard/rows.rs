//! What is on the dashboard: first what needs somebody, then whether loads are even, then why.

use evenkeel_metrics::Metric;

use super::panel::{Panel, Row};
use crate::promql::{Of, jain, max_over_mean, sum_by};

/// Grafana's own choice of a window that has enough scrapes in it.
const OVER: &str = "$__rate_interval";

/// The time that is looked at.
const RANGE: &str = "$__range";

/// What tells one pod: `instance` in any scrape, `pod` where there is one.
const POD: &str = "pod, instance";
const POD_LEGEND: &str = "{{pod}} {{instance}}";

/// The values of a label.
pub fn values_of(label: &str) -> String {
    format!("label_values({}, {label})", Metric::ConnectionsActive)
}

/// Above 0 when a policy came into force.
pub fn policies_taken(selection: &str) -> String {
    let taken = Of(selection).increase(Metric::PolicyLoads, "1m");
    format!("sum ({taken}) > 0")
}

/// All rows, for series with this selection.
pub fn rows(selection: &str, workload: &str) -> Vec<Row> {
    let of = Of(selection);
    let groups = format!("job, namespace, {workload}");
    vec![
        needs_you(of, &groups),
        evenness(of, &groups),
        connections(of),
        moves(of),
        holds_back(of),
        peers(of),
        upstream(of),
        policies(of),
    ]
}

/// What each pod carries.
fn carried(of: Of<'_>, groups: &str) -> String {
    sum_by(
        &format!("{groups}, {POD}"),
        &of.now(Metric::LoadConnections),
    )
}

fn needs_you(of: Of<'_>, groups: &str) -> Row {
    let since = |metric| format!("sum ({})", of.increase(metric, RANGE));
    let carried = carried(of, groups);
    let event = |title, metric: Metric| {
        Panel::number(title, "short", metric.help())
            .query(since(metric), "")
            .red_from(0.5, 0.5)
            .act(metric)
    };
    Row {
        title: "What needs you",
        panels: vec![
            Panel::number("Policies refused", "short", Metric::PoliciesRefused.help())
                .query(format!("sum ({})", of.now(Metric::PoliciesRefused)), "")
                .red_from(0.5, 0.5)
                .act(Metric::PoliciesRefused),
            event("Requests cut", Metric::Cut),
            event("Put off", Metric::PutOff),
            event("Closed untold", Metric::Untold),
            event("Not joined", Metric::Unjoined),
            event("Loaded twice", Metric::DuplicateFilters),
            Panel::number("Budget refusals", "short", Metric::BudgetRefused.help())
                .query(since(Metric::BudgetRefused), "")
                .red_from(0.5, 1e9)
                .act(Metric::BudgetRefused),
            Panel::number(
                "Fullest pod / mean",
                "none",
                "The largest of the connections of a workload's pods over their mean, of the least even workload: 1 is even, 2 is a pod with twice its share. With few connections chance alone makes such differences.",
            )
            .query(format!("max ({})", max_over_mean(groups, &carried)), "")
            .red_from(1.2, 1.5)
            .act(Metric::Shedding),
            Panel::number(
                "Jain's index",
                "none",
                "Jain's fairness index over the pods of the least even workload: 1 is even, 1/n is one of n pods that has all.",
            )
            .query(format!("min ({})", jain(groups, &carried)), ""),
        ],
    }
}

fn evenness(of: Of<'_>, groups: &str) -> Row {
    let legend: Vec<_> = groups
        .split(", ")
        .map(|label| format!("{{{{{label}}}}}"))
        .collect();
    let legend = legend.join(" ");
    let carried = carried(of, groups);
    let load = |title, unit, metric: Metric| {
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
                "What the pods of a service are compared by: inbound connections under a rule that have not been told to go. Even lines lie on each other.",
            )
            .query(sum_by(POD, &of.now(Metric::LoadConnections)), POD_LEGEND),
            Panel::series(
                "Load over the mean, as the pod knows it",
                "none",
                "What a pod carries over the mean that it has heard of from its peers: `shed` acts by this. 1 is its share. Needs `peers`.",
            )
            .query(
                format!(
                    "{} / ({} > 0)",
                    sum_by(POD, &of.now(Metric::LoadConnections)),
                    sum_by(POD, &of.now(Metric::PeersMean))
                ),
                POD_LEGEND,
            )
            .red_from(1.2, 1.5)
            .act(Metric::Shedding),
            Panel::series(
                "Fullest pod / mean",
                "none",
                "The largest over the mean of a workload's pods, as Prometheus sees them: 1 is even. It needs neither `shed` nor `peers`.",
            )
            .query(max_over_mean(groups, &carried), &legend)
            .red_from(1.2, 1.5),
            Panel::series(
                "Jain's fairness index",
                "none",
                "(sum x)\u{b2} / (n * sum x\u{b2}) over the connections of a workload's pods: 1 is even, 1/n is one of n pods that has all. Unlike the largest over the mean it sees all pods.",
            )
            .query(jain(groups, &carried), &legend),
            load("Requests under way", "short", Metric::LoadActive),
            load("Requests a second", "reqps", Metric::LoadRequests),
            load("Bytes a second", "Bps", Metric::LoadBytes),
        ],
    }
}

fn connections(of: Of<'_>) -> Row {
    let active = of.now(Metric::ConnectionsActive);
    let by_protocol = |metric| sum_by("protocol", &of.rate(metric, OVER));
    Row {
        title: "Connections and their age",
        panels: vec![
            Panel::series("Open", "short", Metric::ConnectionsActive.help())
                .query(sum_by(POD, &active), POD_LEGEND),
            Panel::series("Opened a second", "cps", Metric::Connections.help())
                .query(by_protocol(Metric::Connections), "{{protocol}}"),
            Panel::series(
                "Mean age of open connections",
                "s",
                "The ages of all open connections over their number, of each pod. In observe mode a connection's age begins anew when it would have been moved.",
            )
            .query(
                format!(
                    "{} / ({} > 0)",
                    sum_by(POD, &of.now(Metric::ConnectionsAge)),
                    sum_by(POD, &active)
                ),
                POD_LEGEND,
            )
            .act(Metric::ConnectionsAge),
            Panel::series(
                "Expected lifetime",
                "s",
                "Open connections over those opened a second: by Little's law how long one lives, on average, while as many open as close. With nothing opened there is no answer, and no line.",
            )
            .query(
                format!(
                    "{} / ({} > 0)",
                    sum_by(POD, &active),
                    sum_by(POD, &of.rate(Metric::Connections, OVER))
                ),
                POD_LEGEND,
            ),
            Panel::series("Requests a second", "reqps", Metric::Requests.help())
                .query(by_protocol(Metric::Requests), "{{protocol}}"),
            Panel::series("HTTP/2 clients, connections a second", "cps", Metric::Clients.help())
                .query(sum_by("family", &of.rate(Metric::Clients, OVER)), "{{family}}"),
        ],
    }
}

fn moves(of: Of<'_>) -> Row {
    let by = |labels, metric| sum_by(labels, &of.rate(metric, OVER));
    Row {
        title: "Moves",
        panels: vec![
            Panel::series(
                "Due and announced a second",
                "cps",
                "Connections that have reached a limit or were chosen by `shed`, and those whose client was then told. Due without announced: look at what holds moves back.",
            )
            .query(by("reason", Metric::Due), "due: {{reason}}")
            .query(by("reason", Metric::Announced), "announced: {{reason}}"),
            Panel::series("Who closed, a second", "cps", Metric::Closed.help())
                .query(by("by", Metric::Closed), "{{by}}")
                .act(Metric::Closed),
            Panel::series(
                "GOAWAYs a second",
                "cps",
                Metric::Goaways.help(),
            )
            .query(
                by("family, goaway, moment", Metric::Goaways),
                "{{family}}: {{goaway}}, {{moment}}",
            ),
            Panel::series(
                "Would have been moved, a second",
                "cps",
                Metric::Observed.help(),
            )
            .query(by("reason", Metric::Observed), "{{reason}}")
            .act(Metric::Observed),
            Panel::series("gRPC streams ended a second", "cps", Metric::StreamsEnded.help())
                .query(by(POD, Metric::StreamsEnded), POD_LEGEND),
        ],
    }
}

fn holds_back(of: Of<'_>) -> Row {
    let panel = |title, labels, legend, metric: Metric| {
        Panel::series(title, "cps", metric.help())
            .query(sum_by(labels, &of.rate(metric, OVER)), legend)
            .act(metric)
    };
    Row {
        title: "What holds moves back, and what they cost",
        panels: vec![
            panel(
                "Refused by the budget, a second",
                POD,
                POD_LEGEND,
                Metric::BudgetRefused,
            ),
            panel("Put off, a second", POD, POD_LEGEND, Metric::PutOff),
            panel(
                "Requests cut, a second",
                "reason",
                "{{reason}}",
                Metric::Cut,
            ),
            panel(
                "Closed untold, a second",
                "reason",
                "{{reason}}",
                Metric::Untold,
            ),
            panel(
                "Clients that ignore the drain signal, a second",
                "reason",
                "{{reason}}",
                Metric::SignalsIgnored,
            ),
            panel(
                "Not understood, a second",
                "cause",
                "{{cause}}",
                Metric::Opaque,
            ),
            panel(
                "HTTP/2 tunnels opened a second",
                POD,
                POD_LEGEND,
                Metric::Http2Tunnels,
            ),
            panel("Not joined, a second", POD, POD_LEGEND, Metric::Unjoined),
        ],
    }
}

fn peers(of: Of<'_>) -> Row {
    Row {
        title: "Peers and shedding",
        panels: vec![
            Panel::series("Known peers", "short", Metric::Peers.help())
                .query(sum_by(POD, &of.now(Metric::Peers)), POD_LEGEND)
                .act(Metric::Peers),
            Panel::series(
                "Mean that each pod has heard of",
                "short",
                "Pods that know each other agree; one that stands apart knows others, or none.",
            )
            .query(sum_by(POD, &of.now(Metric::PeersMean)), POD_LEGEND),
            Panel::series("Exchanges a second", "ops", Metric::Exchanges.help())
                .query(
                    sum_by("outcome", &of.rate(Metric::Exchanges, OVER)),
                    "{{outcome}}",
                )
                .act(Metric::Exchanges),
            Panel::series("Shedding", "short", Metric::Shedding.help())
                .query(sum_by(POD, &of.now(Metric::Shedding)), POD_LEGEND)
                .act(Metric::Shedding),
            Panel::series(
                "Absurd reports a second",
                "ops",
                Metric::ReportsDropped.help(),
            )
            .query(
                sum_by(POD, &of.rate(Metric::ReportsDropped, OVER)),
                POD_LEGEND,
            )
            .act(Metric::ReportsDropped),
        ],
    }
}

fn upstream(of: Of<'_>) -> Row {
    let host = |title, unit, metric: Metric| {
        Panel::series(title, unit, metric.help())
            .query(sum_by("upstream", &of.now(metric)), "{{upstream}}")
    };
    let requests = sum_by(
        &format!("{POD}, upstream"),
        &of.now(Metric::UpstreamRequestRate),
    );
    Row {
        title: "Upstream hosts",
        panels: vec![
            host("Connections", "short", Metric::UpstreamConnections),
            host("Requests under way", "short", Metric::UpstreamActive),
            host("Requests a second on what stays", "reqps", Metric::UpstreamRequestRate),
            host("Bytes a second on what stays", "Bps", Metric::UpstreamByteRate),
            Panel::series("Requests a second", "reqps", Metric::UpstreamRequests.help()).query(
                sum_by("upstream", &of.rate(Metric::UpstreamRequests, OVER)),
                "{{upstream}}",
            ),
            Panel::series(
                "Busiest host / mean",
                "none",
                "The largest over the mean of the requests a second that one proxy sends to its upstream hosts: 1 is even. It is for gateways; hosts of different services are not to be compared.",
            )
            .query(max_over_mean(POD, &requests), POD_LEGEND),
            Panel::series(
                "Upstream connections renewed a second",
                "cps",
                "Connections past a limit of `upstream`, those that a request ended, and others that it hit.",
            )
            .query(format!("sum ({})", of.rate(Metric::UpstreamDue, OVER)), "due")
            .query(
                format!("sum ({})", of.rate(Metric::UpstreamRecycled, OVER)),
                "renewed",
            )
            .query(
                format!("sum ({})", of.rate(Metric::UpstreamStray, OVER)),
                "another one",
            )
            .query(
                format!("sum ({})", of.rate(Metric::UpstreamUnproven, OVER)),
                "not known to be HTTP/1",
            )
            .act(Metric::UpstreamStray),
        ],
    }
}

fn policies(of: Of<'_>) -> Row {
    let grown = |metric| sum_by(POD, &of.increase(metric, OVER));
    Row {
        title: "Policies",
        panels: vec![
            Panel::series("Taken over", "short", Metric::PolicyLoads.help())
                .query(grown(Metric::PolicyLoads), POD_LEGEND),
            Panel::series("Refused", "short", Metric::PolicyErrors.help())
                .query(grown(Metric::PolicyErrors), POD_LEGEND)
                .act(Metric::PolicyErrors),
        ],
    }
}
