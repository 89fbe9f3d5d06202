//! Which alerts there are, and when each fires.
//!
//! No rule adds up over pods: so each names the pod by whatever labels the scrape gives it.

use evenkeel_metrics::Metric;

use crate::promql::{Of, sum_without};

/// An alert.
#[derive(Debug)]
pub struct Alert {
    /// Its name; docs/operating.md has a section of that name.
    pub name: &'static str,
    /// When it holds.
    pub expr: String,
    /// How long it must hold.
    pub lasts: &'static str,
    /// `critical`: clients lose requests. `warning`: Evenkeel does not do what the policy says. `info`: look when
    /// there is time.
    pub severity: &'static str,
    /// In one sentence.
    pub summary: &'static str,
    /// What it means and what to do.
    pub description: String,
}

/// A load above so many times the mean is uneven: between what `shed` begins at by default and twice the mean.
const UNEVEN: &str = "1.5";

/// Outcomes of exchanges from which nothing was learned.
const IN_VAIN: &str = r#"outcome=~"failed|malformed|too_long|version""#;

/// Every alert.
pub fn alerts() -> Vec<Alert> {
    let all = Of("");
    let described = |meaning: &str, metric: Metric| {
        let action = metric.action().unwrap_or_default();
        format!("{meaning} {action}")
    };
    vec![
        Alert {
            name: "EvenkeelRequestsCut",
            expr: format!(
                "{} > 0",
                sum_without("reason", &all.increase(Metric::Cut, "10m"))
            ),
            lasts: "0m",
            severity: "critical",
            summary: "Evenkeel cut requests whose grace was over.",
            description: described(
                "{{ $value | humanize }} requests in ten minutes did not end within their `grace`.",
                Metric::Cut,
            ),
        },
        Alert {
            name: "EvenkeelPolicyRefused",
            expr: format!("{} > 0", Metric::PoliciesRefused),
            lasts: "1m",
            severity: "warning",
            summary: "A policy is refused; the one before it stays in force, or none.",
            description: described(
                "The newest policy of this proxy has a mistake.",
                Metric::PoliciesRefused,
            ),
        },
        Alert {
            name: "EvenkeelNotJoined",
            expr: format!("{} > 0", all.rate(Metric::Unjoined, "5m")),
            lasts: "15m",
            severity: "warning",
            summary: "The HTTP filter does not find the network filter: routes' rules do not act.",
            description: described(
                "Requests come on connections that the network role does not know.",
                Metric::Unjoined,
            ),
        },
        Alert {
            name: "EvenkeelPutOff",
            expr: format!("{} > 0", all.rate(Metric::PutOff, "10m")),
            lasts: "30m",
            severity: "warning",
            summary: "Connections cannot be moved, because no moment is safe for their clients.",
            description: described(
                "For some connections that are due no moment comes at which their client bears to be told.",
                Metric::PutOff,
            ),
        },
        Alert {
            name: "EvenkeelBudgetSpent",
            expr: format!("{} > 0", all.rate(Metric::BudgetRefused, "10m")),
            lasts: "1h",
            severity: "warning",
            summary: "For an hour the budget has refused moves.",
            description: described(
                "More connections fall due than the budget lets go.",
                Metric::BudgetRefused,
            ),
        },
        Alert {
            name: "EvenkeelUneven",
            expr: format!(
                "{} > {UNEVEN} * {} and {} > 0 and max_over_time({}[10m]) > 0",
                Metric::LoadConnections,
                Metric::PeersMean,
                Metric::Peers,
                Metric::Shedding,
            ),
            lasts: "30m",
            severity: "warning",
            summary: "A pod carries far more than the mean, although it sheds.",
            description: described(
                "For half an hour this pod has carried more than 1.5 times the mean of its service.",
                Metric::Shedding,
            ),
        },
        Alert {
            name: "EvenkeelPeersLost",
            expr: format!(
                "{} == 0 and {} > 0",
                Metric::Peers,
                sum_without("outcome", &all.rate_with(Metric::Exchanges, IN_VAIN, "5m"))
            ),
            lasts: "10m",
            severity: "warning",
            summary: "A pod asks its peers and knows none.",
            description: described(
                "So it cannot tell whether it carries too much, and sheds nothing.",
                Metric::Exchanges,
            ),
        },
        Alert {
            name: "EvenkeelUntold",
            expr: format!(
                "{} > 0",
                sum_without("reason", &all.increase(Metric::Untold, "30m"))
            ),
            lasts: "0m",
            severity: "info",
            summary: "WebSockets were closed without a Close frame.",
            description: described(
                "{{ $value | humanize }} silent WebSockets in half an hour could not be told.",
                Metric::Untold,
            ),
        },
    ]
}
