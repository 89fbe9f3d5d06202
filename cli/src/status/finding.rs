//! What an operator should know first.

use evenkeel_metrics::{Label, Metric};
use serde::Serialize;

use super::numbers::Numbers;

/// Something found.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub weight: Weight,
    /// What is so.
    pub what: String,
    /// What to do about it.
    pub action: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Somebody has to do something.
    Problem,
    /// Good to know.
    Note,
}

/// What happened since the start must be a problem, or may be one.
const HAPPENED: &[(Metric, Weight, &str)] = &[
    (Metric::Cut, Weight::Problem, "requests were cut"),
    (Metric::PutOff, Weight::Problem, "connections were put off"),
    (
        Metric::Untold,
        Weight::Problem,
        "WebSockets were closed untold",
    ),
    (
        Metric::Unjoined,
        Weight::Problem,
        "HTTP streams did not find the network filter",
    ),
    (
        Metric::DuplicateFilters,
        Weight::Problem,
        "connections passed the module twice",
    ),
    (
        Metric::BudgetRefused,
        Weight::Note,
        "moves had to wait for the budget",
    ),
    (
        Metric::ReportsDropped,
        Weight::Note,
        "absurd reports came from peers",
    ),
    (
        Metric::UpstreamUnproven,
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
    if numbers.sum(Metric::PoliciesRefused) > 0.0 {
        let what = "the newest policy is refused".to_owned();
        found(Weight::Problem, what, action(Metric::PoliciesRefused));
    } else if numbers.sum(Metric::PolicyErrors) > 0.0 {
        let what = "a policy was refused, and a later one taken over".to_owned();
        found(Weight::Note, what, "");
    }
    for &(metric, weight, words) in HAPPENED {
        let times = numbers.sum(metric);
        if times > 0.0 {
            found(weight, format!("{times} {words}"), action(metric));
        }
    }
    let outcomes = numbers.by(Metric::Exchanges, Label::Outcome);
    let in_vain: f64 = outcomes
        .iter()
        .filter(|(outcome, _)| !matches!(outcome.as_str(), "answered" | "asked"))
        .map(|(_, times)| times)
        .sum();
    if numbers.sum(Metric::Peers) == 0.0 && in_vain > 0.0 {
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|(outcome, times)| format!("{times} {outcome}"))
            .collect();
        let what = format!("no peer is known ({})", outcomes.join(", "));
        found(Weight::Problem, what, action(Metric::Exchanges));
    }
    let mut opaque = numbers.by(Metric::Opaque, Label::Cause);
    opaque.remove("tunnel");
    if !opaque.is_empty() {
        let causes: Vec<_> = opaque
            .iter()
            .map(|(cause, times)| format!("{times} {cause}"))
            .collect();
        let what = format!("connections are not understood ({})", causes.join(", "));
        found(Weight::Note, what, action(Metric::Opaque));
    }
    if numbers.is_mangled {
        let what = "labels stand inside the names of the metrics: Prometheus cannot use them";
        let action = "Add Evenkeel's labels to Envoy's `stats_tags` (Istio: `extraStatTags`); docs/operating.md has them.";
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
    fn what_is_well_finds_nothing() {
        assert_eq!(of("evenkeel_opaque_total{cause=\"tunnel\"} 3\n"), []);
        let peers = "evenkeel_peers 2\nevenkeel_exchanges_total{outcome=\"failed\"} 3\n";
        assert_eq!(of(peers), []);
    }

    #[test]
    fn problems_come_before_notes() {
        let page = "evenkeel_budget_refused_total 5\nevenkeel_cut_total{reason=\"max_age\"} 2\n";

        assert_eq!(
            of(page),
            [
                (Weight::Problem, "2 requests were cut".to_owned()),
                (
                    Weight::Note,
                    "5 moves had to wait for the budget".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn upstream_connections_that_are_not_recycled_are_a_note() {
        let words = "2 upstream connections are not recycled: nothing shows that they are HTTP/1";

        assert_eq!(
            of("evenkeel_upstream_unproven_total 2\n"),
            [(Weight::Note, words.to_owned())]
        );
    }

    #[test]
    fn a_refused_policy_is_a_problem_until_a_later_one_is_taken_over() {
        let weights = |page: &str| {
            of(page)
                .into_iter()
                .map(|(weight, _)| weight)
                .collect::<Vec<_>>()
        };

        assert_eq!(
            weights("evenkeel_policies_refused 1\nevenkeel_policy_errors_total 1\n"),
            [Weight::Problem]
        );
        assert_eq!(
            weights("evenkeel_policies_refused 0\nevenkeel_policy_errors_total 1\n"),
            [Weight::Note]
        );
    }

    #[test]
    fn peers_that_nobody_answers_for_are_told_with_what_came_instead() {
        let page = "evenkeel_peers 0\nevenkeel_exchanges_total{outcome=\"failed\"} 3\n\
            evenkeel_exchanges_total{outcome=\"asked\"} 1\n";

        assert_eq!(
            of(page),
            [(
                Weight::Problem,
                "no peer is known (1 asked, 3 failed)".to_owned()
            )]
        );
    }
}
