//! The state of Evenkeel in one proxy.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_metrics::{Label, Metric};
use serde::Serialize;

use super::evenness::Evenness;
use super::finding::{Finding, Severity, findings};
use super::numbers::Numbers;

/// One reading of a proxy; counters are since its start.
#[derive(Debug, Serialize)]
pub struct Pod {
    /// The source of the metrics.
    pub source: String,
    /// Findings, problems first.
    pub findings: Vec<Finding>,
    pub mode: Mode,
    /// Open downstream connections.
    pub connections: f64,
    /// The mean age of the open connections; None without any.
    pub mean_age_seconds: Option<f64>,
    /// The load by which pods are compared: inbound connections under a rule.
    pub load: f64,
    /// Opened connections by protocol.
    pub opened: BTreeMap<String, f64>,
    /// Expired connections by reason.
    pub expired: BTreeMap<String, f64>,
    /// Drain signals by reason.
    pub drain_signals: BTreeMap<String, f64>,
    /// Drained connections by the side that closed them.
    pub drained: BTreeMap<String, f64>,
    /// Drains that a dry run counted, by reason.
    pub dry_run_drains: BTreeMap<String, f64>,
    pub budget_exhausted: f64,
    pub deferred: f64,
    /// The peers; None if none is known.
    pub peers: Option<Peers>,
    pub is_rebalancing: bool,
    /// How even the load of the upstream hosts is; None with fewer than two.
    pub upstream: Option<Evenness>,
    /// The rates since the previous read.
    pub since: Option<Rates>,
}

/// Whether it drains connections, as far as its counters show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It has drained connections.
    Enforce,
    /// It has only counted drains.
    DryRun,
    /// It has neither drained connections nor counted drains.
    Unknown,
}

/// A proxy and its peers.
#[derive(Debug, Serialize)]
pub struct Peers {
    /// The number of other known proxies.
    pub known: f64,
    /// The mean load of all.
    pub mean: f64,
    /// The proxy's own load over the mean; None if the mean is 0.
    pub over_mean: Option<f64>,
}

/// Rates per second between two reads.
#[derive(Debug, Serialize)]
pub struct Rates {
    pub seconds: f64,
    pub requests: f64,
    pub opened: f64,
    pub expired: f64,
    pub drain_signals: f64,
    pub budget_exhausted: f64,
}

impl Pod {
    /// Creates the state from metrics; with metrics of a previous read it has rates.
    pub fn new(source: String, numbers: &Numbers, before: Option<(Duration, &Numbers)>) -> Self {
        let connections = numbers.sum(Metric::ConnectionsActive);
        let load = numbers.sum(Metric::LoadConnections);
        let dry_run_drains = numbers.by(Metric::DryRunDrains, Label::DrainReason);
        let expired = numbers.by(Metric::Expired, Label::DrainReason);
        let drain_signals = numbers.by(Metric::DrainSignals, Label::DrainReason);
        let drained = numbers.by(Metric::Drained, Label::ClosedBy);
        let mode = if !drain_signals.is_empty() || !drained.is_empty() {
            Mode::Enforce
        } else if !dry_run_drains.is_empty() {
            Mode::DryRun
        } else {
            Mode::Unknown
        };
        Self {
            source,
            findings: findings(numbers),
            mode,
            connections,
            mean_age_seconds: (connections > 0.0)
                .then(|| numbers.sum(Metric::ConnectionsAge) / connections),
            load,
            opened: numbers.by(Metric::Connections, Label::ConnectionProtocol),
            expired,
            drain_signals,
            drained,
            dry_run_drains,
            budget_exhausted: numbers.sum(Metric::BudgetExhausted),
            deferred: numbers.sum(Metric::Deferred),
            peers: peers(numbers, load),
            is_rebalancing: numbers.sum(Metric::Rebalancing) > 0.0,
            upstream: upstream_evenness(numbers),
            since: before.map(|(span, before)| Rates::new(numbers, before, span)),
        }
    }

    /// Whether no finding is a problem.
    pub fn has_no_problem(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity != Severity::Problem)
    }
}

fn peers(numbers: &Numbers, load: f64) -> Option<Peers> {
    let known = numbers.sum(Metric::Peers);
    let mean = numbers.sum(Metric::PeersMean);
    (known > 0.0).then(|| Peers {
        known,
        mean,
        over_mean: (mean > 0.0).then(|| load / mean),
    })
}

/// Compares the hosts by connections or request rates if there are any, else by requests since the start.
fn upstream_evenness(numbers: &Numbers) -> Option<Evenness> {
    let measures = [
        (Metric::UpstreamConnections, "connections"),
        (Metric::UpstreamRequestRate, "requests per second"),
        (Metric::UpstreamRequests, "requests"),
    ];
    let of = |(metric, measure)| Evenness::of(measure, numbers.by(metric, Label::UpstreamHost));
    measures
        .map(of)
        .into_iter()
        .find(|hosts| hosts.loads.len() > 1)
}

impl Rates {
    fn new(now: &Numbers, before: &Numbers, span: Duration) -> Self {
        let seconds = span.as_secs_f64();
        let per_second = |metric| {
            let (now, before) = (now.sum(metric), before.sum(metric));
            // A counter that is less than before was reset.
            let increase = if now < before { now } else { now - before };
            increase / seconds.max(f64::MIN_POSITIVE)
        };
        Self {
            seconds,
            requests: per_second(Metric::Requests),
            opened: per_second(Metric::Connections),
            expired: per_second(Metric::Expired),
            drain_signals: per_second(Metric::DrainSignals),
            budget_exhausted: per_second(Metric::BudgetExhausted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "evenkeel_downstream_connections_active 10\nevenkeel_downstream_connections_age_sum_seconds 300\n\
        evenkeel_rebalanced_load_connections 9\nevenkeel_peers_known 3\nevenkeel_peers_mean_connections 6\n\
        evenkeel_workers_rebalancing 1\nevenkeel_requests_total{connection_protocol=\"http1\"} 100\n\
        evenkeel_drain_signals_total{drain_reason=\"rebalance\"} 2\n\
        evenkeel_upstream_requests_total{upstream_host=\"10.0.0.1:80\"} 30\n\
        evenkeel_upstream_requests_total{upstream_host=\"10.0.0.2:80\"} 10\n";

    #[test]
    fn pod_knows_its_load_beside_the_others() {
        let pod = Pod::new("a".to_owned(), &Numbers::parse(PAGE).unwrap(), None);

        let peers = pod.peers.unwrap();
        assert_eq!((peers.known, peers.over_mean), (3.0, Some(1.5)));
        assert_eq!(pod.mean_age_seconds, Some(30.0));
        assert_eq!(pod.mode, Mode::Enforce);
        assert!(pod.is_rebalancing);
        let upstream = pod.upstream.unwrap();
        assert_eq!(
            (upstream.measure, upstream.max_over_mean),
            ("requests", Some(1.5))
        );
    }

    #[test]
    fn counter_resets_between_reads_are_handled() {
        let before = Numbers::parse(PAGE).unwrap();
        let grown = Numbers::parse(&PAGE.replace(" 100\n", " 150\n")).unwrap();
        let reset = Numbers::parse(&PAGE.replace(" 100\n", " 20\n")).unwrap();
        let requests = |now: &Numbers| {
            let since = Some((Duration::from_secs(5), &before));
            Pod::new("a".to_owned(), now, since).since.unwrap().requests
        };

        assert_eq!((requests(&grown), requests(&reset)), (10.0, 4.0));
    }
}
