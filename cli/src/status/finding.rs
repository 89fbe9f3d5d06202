//! What an operator should know first.

use evenkeel_metrics::{Label, Metric};
use serde::Serialize;

use super::numbers::Numbers;

/// Something found.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub weight: Weight,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub action: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// An operator has to act.
    Problem,
    /// Good to know.
    Note,
}

/// What happened since the start must be a problem, or may be one.
const HAPPENED: &[(Metric, Weight, &str)] = &[
    (
        Metric::RequestsAborted,
        Weight::Problem,
        "requests were aborted",
    ),
    (Metric::Deferred, Weight::Problem, "drains were deferred"),
    (
        Metric::ClosedWithoutNotice,
        Weight::Problem,
        "WebSockets were closed without notice",
    ),
    (
        Metric::StreamsUnmatched,
        Weight::Problem,
        "HTTP streams had no matching network filter",
    ),
    (
        Metric::DuplicateFilters,
        Weight::Problem,
        "connections passed through the module twice",
    ),
    (
        Metric::BudgetExhausted,
        Weight::Note,
        "drains had to wait for the budget",
    ),
    (
        Metric::ReportsDropped,
        Weight::Note,
        "implausible reports were received from peers",
    ),
    (
        Metric::UpstreamNotRecycled,
        Weight::Note,
        "upstream connections are not recycled: nothing shows that they are HTTP/1",
    ),
];

/// Everything found in these numbers, problems first.
pub fn findings(numbers: &Numbers) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |weight, what: String, action: &str| {
        let action = action.to_owned();
        findings.push(Finding {
            weight,
            what,
            action,
        });
    };
    let action = |metric: Metric| metric.action().unwrap_or_default();
    if numbers.sum(Metric::PolicyRejected) > 0.0 {
        let what = "the newest policy is rejected".to_owned();
        found(Weight::Problem, what, action(Metric::PolicyRejected));
    } else if numbers
        .by(Metric::PolicyUpdates, Label::UpdateResult)
        .contains_key("rejected")
    {
        let what = "a policy was rejected, and a later one accepted".to_owned();
        found(Weight::Note, what, "");
    }
    for &(metric, weight, words) in HAPPENED {
        let times = numbers.sum(metric);
        if times > 0.0 {
            found(weight, format!("{times} {words}"), action(metric));
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
        let what = format!("no peer is known ({})", outcomes.join(", "));
        found(Weight::Problem, what, action(Metric::PeerExchanges));
    }
    let mut bypassed = numbers.by(Metric::Bypassed, Label::BypassReason);
    bypassed.remove("tunnel");
    if !bypassed.is_empty() {
        let causes: Vec<_> = bypassed
            .iter()
            .map(|(cause, times)| format!("{times} {cause}"))
            .collect();
        let what = format!("connections are bypassed ({})", causes.join(", "));
        found(Weight::Note, what, action(Metric::Bypassed));
    }
    if numbers.is_mangled {
        let what = "labels are part of the metric names: Prometheus cannot use them";
        let action = "Add Evenkeel's labels to Envoy's `stats_tags` (Istio: `extraStatTags`); docs/operating.md lists them.";
        found(Weight::Problem, what.to_owned(), action);
    }
    findings.sort_by_key(|finding| finding.weight);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(page: &str) -> Vec<(Weight, String)> {
        let findings = findings(&Numbers::parse(page).unwrap());
        findings
            .into_iter()
            .map(|finding| (finding.weight, finding.what))
            .collect()
    }

    #[test]
    fn a_healthy_proxy_has_no_findings() {
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
                (Weight::Problem, "2 requests were aborted".to_owned()),
                (
                    Weight::Note,
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
            [(Weight::Note, words.to_owned())]
        );
    }

    #[test]
    fn a_rejected_policy_is_a_problem_until_a_later_one_is_accepted() {
        let weights = |page: &str| {
            of(page)
                .into_iter()
                .map(|(weight, _)| weight)
                .collect::<Vec<_>>()
        };

        assert_eq!(
            weights(
                "evenkeel_policy_rejected 1\nevenkeel_policy_updates_total{update_result=\"rejected\"} 1\n"
            ),
            [Weight::Problem]
        );
        assert_eq!(
            weights(
                "evenkeel_policy_rejected 0\nevenkeel_policy_updates_total{update_result=\"rejected\"} 1\n"
            ),
            [Weight::Note]
        );
    }

    #[test]
    fn unknown_peers_are_reported_with_the_results_of_exchanges() {
        let page = "evenkeel_peers_known 0\nevenkeel_peer_exchanges_total{exchange_result=\"failed\"} 3\n\
            evenkeel_peer_exchanges_total{exchange_result=\"requested\"} 1\n";

        assert_eq!(
            of(page),
            [(
                Weight::Problem,
                "no peer is known (3 failed, 1 requested)".to_owned()
            )]
        );
    }
}
