//! The outcome of one run: the client's report and what the site saw.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::Report;
use crate::run::Run;
use crate::site::{Against, Counts};

/// One row of the matrix, and of its JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// [`Client::name`](crate::Client::name).
    pub client: &'static str,
    /// The libraries and their versions.
    pub version: String,
    /// `h1`, `h2`, `grpc` or `ws`.
    pub protocol: &'static str,
    /// [`Pattern::name`](crate::Pattern::name).
    pub pattern: &'static str,
    /// What drained the connections.
    pub against: Against,
    /// By which limit: [`Recycle::name`](crate::Recycle::name).
    pub recycle: &'static str,
    /// Requests that the client was instructed to send.
    pub requested: u64,
    /// Requests sent, as the client reports, like the following five.
    pub sent: u64,
    /// Requests with a complete response.
    pub ok: u64,
    /// Requests that failed with an error.
    pub failed: u64,
    /// Requests that the client cancelled, as its pattern demands.
    pub cancelled: u64,
    /// Requests that took five seconds or more.
    pub hung: u64,
    /// How often each error was met.
    pub errors: BTreeMap<String, u64>,
    /// Connections that the proxy accepted, or, where it does not count them, that the client reports.
    pub connections: Option<u64>,
    /// Requests that the server executed, each counted once.
    pub executed: u64,
    /// Executions beyond the first of the same request.
    pub duplicated: u64,
    /// Drain signals that the module sent.
    pub drain_signals: u64,
    /// Requests that the module aborted.
    pub aborted: u64,
    /// The HTTP/2 clients that the module recognized, with the connections of each.
    pub clients: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(crate) fingerprint: Option<&'static str>,
}

impl Row {
    pub(crate) fn new(run: &Run, report: Report, seen: Counts) -> Self {
        Self {
            client: run.client.name,
            version: report.version,
            protocol: run.client.protocol.name(),
            pattern: run.pattern.name,
            against: run.against,
            recycle: run.recycle.name(),
            requested: run.requests,
            sent: report.sent,
            ok: report.ok,
            failed: report.failed,
            cancelled: report.cancelled,
            hung: report.hung,
            errors: report.errors,
            connections: seen.connections.or(report.connections),
            executed: seen.executed,
            duplicated: seen.duplicated,
            drain_signals: seen.drain_signals,
            aborted: seen.aborted,
            clients: seen.clients,
            fingerprint: run.client.fingerprint,
        }
    }

    /// The row of a run without requests.
    #[cfg(test)]
    pub(crate) fn blank(client: &'static str, pattern: &'static str, against: Against) -> Self {
        Self {
            client,
            pattern,
            against,
            version: String::new(),
            protocol: "h2",
            recycle: "requests",
            requested: 0,
            sent: 0,
            ok: 0,
            failed: 0,
            cancelled: 0,
            hung: 0,
            errors: BTreeMap::new(),
            connections: None,
            executed: 0,
            duplicated: 0,
            drain_signals: 0,
            aborted: 0,
            clients: BTreeMap::new(),
            fingerprint: None,
        }
    }

    /// Whether the module recognized the client on every connection.
    pub fn is_recognized(&self) -> bool {
        match self.fingerprint {
            Some(fingerprint) => self.clients.keys().eq([fingerprint]),
            None => self.clients.is_empty(),
        }
    }

    /// Whether every request was sent, and has a response unless its client cancelled it; none was executed twice,
    /// hung or was aborted.
    pub fn is_complete(&self) -> bool {
        let losses = [self.failed, self.hung, self.duplicated, self.aborted];
        // h2load cannot number its requests.
        let is_counted = !self.client.starts_with("h2load");
        self.sent == self.requested
            && self.ok + self.cancelled == self.sent
            && losses == [0; 4]
            && (!is_counted || (self.ok..=self.requested).contains(&self.executed))
    }

    /// Where requests come one at a time, every second one ends a connection; a fifth may come late.
    pub fn is_drained_in_time(&self) -> bool {
        let one_at_a_time = ["get", "post", "unary"].contains(&self.pattern);
        self.recycle != "requests"
            || !one_at_a_time
            || self.drain_signals * 10 >= self.requested * 4
    }

    /// How many requests a connection carried on average; None where connections were not counted.
    pub fn requests_per_connection(&self) -> Option<f64> {
        let connections = self.connections.filter(|count| *count > 0)?;
        // What h2load could not send any more counts as sent and failed.
        Some((self.ok + self.cancelled) as f64 / connections as f64)
    }

    /// Requests without a response or executed twice, of ten thousand.
    pub fn losses_per_10_000(&self) -> f64 {
        let losses = self.requested - self.sent.min(self.requested) + self.failed + self.duplicated;
        losses as f64 * 10_000.0 / self.requested.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::pattern::Pattern;
    use crate::recycle::Recycle;

    fn row(report: Report, seen: Counts) -> Row {
        let client = Client::ALL[0];
        let run = Run {
            client,
            pattern: Pattern::of(client.protocol)[0],
            requests: 3,
            against: Against::Evenkeel,
            recycle: Recycle::Requests,
        };
        Row::new(&run, report, seen)
    }

    fn report(ok: u64, failed: u64, cancelled: u64) -> Report {
        Report {
            sent: ok + failed + cancelled,
            ok,
            failed,
            cancelled,
            ..Report::default()
        }
    }

    fn executed(executed: u64) -> Counts {
        Counts {
            executed,
            ..Counts::default()
        }
    }

    #[test]
    fn row_is_complete_if_every_request_was_executed_once_and_got_its_response() {
        assert!(row(report(3, 0, 0), executed(3)).is_complete());
    }

    #[test]
    fn cancelled_request_may_have_been_executed() {
        assert!(row(report(2, 0, 1), executed(3)).is_complete());
        assert!(row(report(2, 0, 1), executed(2)).is_complete());
    }

    #[test]
    fn row_with_a_failed_hung_unsent_or_unexecuted_request_is_incomplete() {
        let hung = Report {
            hung: 1,
            ..report(3, 0, 0)
        };
        assert!(!row(report(2, 1, 0), executed(3)).is_complete());
        assert!(!row(report(2, 0, 0), executed(2)).is_complete());
        assert!(!row(report(3, 0, 0), executed(2)).is_complete());
        assert!(!row(hung, executed(3)).is_complete());
    }

    #[test]
    fn row_with_a_duplicated_or_aborted_request_is_incomplete() {
        let twice = Counts {
            duplicated: 1,
            ..executed(3)
        };
        let aborted = Counts {
            aborted: 1,
            ..executed(3)
        };

        assert!(!row(report(3, 0, 0), twice).is_complete());
        assert!(!row(report(3, 0, 0), aborted).is_complete());
    }

    #[test]
    fn client_recognized_as_another_is_not_recognized() {
        let recognized_as = |fingerprint: &str| Counts {
            clients: BTreeMap::from([(fingerprint.to_owned(), 1)]),
            ..executed(3)
        };
        let h2 = |seen| Row {
            fingerprint: Some("envoy"),
            ..row(report(3, 0, 0), seen)
        };

        assert!(h2(recognized_as("envoy")).is_recognized());
        assert!(!h2(recognized_as("unknown")).is_recognized());
        assert!(!h2(executed(3)).is_recognized());
    }

    #[test]
    fn losses_are_per_ten_thousand() {
        assert!((row(report(2, 1, 0), executed(3)).losses_per_10_000() - 3333.3).abs() < 0.1);
    }
}
