//! Problems and notes for the operator.

use evenkeel_metrics::{Label, Metric};
use serde::Serialize;

use super::numbers::Numbers;

/// A problem or a note.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// A description.
    pub message: String,
    /// What to do about it.
    pub action: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// An operator has to act.
    Problem,
    /// Good to know.
    Note,
}

/// Counters whose increase since the start is a problem or a note.
const COUNTER_FINDINGS: &[(Metric, Severity, &str)] = &[
    (
        Metric::RequestsAborted,
        Severity::Problem,
        "requests were aborted",
    ),
    (
        Metric::ConnectionsAborted,
        Severity::Problem,
        "active connections were aborted",
    ),
    (Metric::Deferred, Severity::Problem, "drains were deferred"),
    (
        Metric::Pinned,
        Severity::Note,
        "connections were pinned by the server's state",
    ),
    (
        Metric::ClosedWithoutNotice,
        Severity::Problem,
        "WebSockets were closed without notice",
    ),
    (
        Metric::StreamsUnmatched,
        Severity::Problem,
        "HTTP streams had no matching network filter",
    ),
    (
        Metric::DuplicateFilters,
        Severity::Problem,
        "connections passed through the module twice",
    ),
    (
        Metric::BudgetExhausted,
        Severity::Note,
        "drains had to wait for the budget",
    ),
    (
        Metric::ReportsDropped,
        Severity::Note,
        "implausible reports were received from peers",
    ),
    (
        Metric::UpstreamNotRecycled,
        Severity::Note,
        "upstream connections are not recycled: nothing shows that they are HTTP/1",
    ),
];

/// Returns the findings, problems first.
pub fn findings(numbers: &Numbers) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |severity, message: String, action: &str| {
        let action = action.to_owned();
        findings.push(Finding {
            severity,
            message,
            action,
        });
    };
    let action = |metric: Metric| metric.action().unwrap_or_default();
    if numbers.sum(Metric::PolicyRejected) > 0.0 {
        let message = "the newest policy is rejected".to_owned();
        found(Severity::Problem, message, action(Metric::PolicyRejected));
    } else if numbers
        .by(Metric::PolicyUpdates, Label::UpdateResult)
        .contains_key("rejected")
    {
        let message = "a policy was rejected, and a later one accepted".to_owned();
        found(Severity::Note, message, "");
    }
    for &(metric, severity, words) in COUNTER_FINDINGS {
        let times = numbers.sum(metric);
        if times > 0.0 {
            found(severity, format!("{times} {words}"), action(metric));
        }
    }
    let outcomes = numbers.by(Metric::PeerExchanges, Label::ExchangeResult);
    let unsuccessful: f64 = outcomes
        .iter()
        .filter(|(outcome, _)| !matches!(outcome.as_str(), "responded" | "requested"))
        .map(|(_, times)| times)
        .sum();
    if numbers.sum(Metric::Peers) == 0.0 && unsuccessful > 0.0 {
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|(outcome, times)| format!("{times} {outcome}"))
            .collect();
        let message = format!("no peer is known ({})", outcomes.join(", "));
        found(Severity::Problem, message, action(Metric::PeerExchanges));
    }
    let mut bypassed = numbers.by(Metric::Bypassed, Label::BypassReason);
    bypassed.remove("tunnel");
    if !bypassed.is_empty() {
        let causes: Vec<_> = bypassed
            .iter()
            .map(|(cause, times)| format!("{times} {cause}"))
            .collect();
        let message = format!("connections are bypassed ({})", causes.join(", "));
        found(Severity::Note, message, action(Metric::Bypassed));
    }
    if numbers.has_labels_in_names {
        let message = "labels are part of the metric names: Prometheus cannot use them";
        let action = "Add Evenkeel's labels to Envoy's `stats_tags` (Istio: `extraStatTags`); docs/operating.md lists them.";
        found(Severity::Problem, message.to_owned(), action);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(page: &str) -> Vec<(Severity, String)> {
        let findings = findings(&Numbers::parse(page).unwrap());
        findings
            .into_iter()
            .map(|finding| (finding.severity, finding.message))
            .collect()
    }

    #[test]
    fn healthy_proxy_has_no_findings() {
        assert_eq!(
            of("evenkeel_connections_bypassed_total{bypass_reason=\"tunnel\"} 3\n"),
            []
        );
        let peers =
            "evenkeel_peers_known 2\nevenkeel_peer_exchanges_total{exchange_result=\"failed\"} 3\n";
        assert_eq!(of(peers), []);
    }

    #[test]
    fn problems_come_before_notes() {
        let page = "evenkeel_drain_budget_exhausted_total 5\nevenkeel_requests_aborted_total{drain_reason=\"max_connection_age\"} 2\n";

        assert_eq!(
            of(page),
            [
                (Severity::Problem, "2 requests were aborted".to_owned()),
                (
                    Severity::Note,
                    "5 drains had to wait for the budget".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn upstream_connections_that_are_not_recycled_are_a_note() {
        let words = "2 upstream connections are not recycled: nothing shows that they are HTTP/1";

        assert_eq!(
            of("evenkeel_upstream_connections_not_recycled_total 2\n"),
            [(Severity::Note, words.to_owned())]
        );
    }

    #[test]
    fn rejected_policy_is_a_problem_until_one_is_accepted() {
        let severities = |page: &str| {
            of(page)
                .into_iter()
                .map(|(severity, _)| severity)
                .collect::<Vec<_>>()
        };

        assert_eq!(
            severities(
                "evenkeel_policy_rejected 1\nevenkeel_policy_updates_total{update_result=\"rejected\"} 1\n"
            ),
            [Severity::Problem]
        );
        assert_eq!(
            severities(
                "evenkeel_policy_rejected 0\nevenkeel_policy_updates_total{update_result=\"rejected\"} 1\n"
            ),
            [Severity::Note]
        );
    }

    #[test]
    fn unknown_peers_are_reported_with_the_results_of_exchanges() {
        let page = "evenkeel_peers_known 0\nevenkeel_peer_exchanges_total{exchange_result=\"failed\"} 3\n\
            evenkeel_peer_exchanges_total{exchange_result=\"requested\"} 1\n";

        assert_eq!(
            of(page),
            [(
                Severity::Problem,
                "no peer is known (3 failed, 1 requested)".to_owned()
            )]
        );
    }
}
