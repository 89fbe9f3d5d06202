//! The outcome of one run: what the client said beside what the site saw.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::client::Client;
use crate::report::Report;
use crate::run::Load;
use crate::site::{Against, Counts};

/// One row of the matrix, and of its JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// [`Client::name`].
    pub client: &'static str,
    /// The library and its version.
    pub version: String,
    /// `h1` or `h2`.
    pub protocol: &'static str,
    /// The method and how many at a time: `GET x 8`.
    pub pattern: String,
    /// What moved the connections.
    pub against: Against,
    /// Requests that were asked for.
    pub asked: u64,
    /// Requests begun, by the client's account, as the following four.
    pub sent: u64,
    /// Requests answered whole.
    pub ok: u64,
    /// Requests that raised.
    pub failed: u64,
    /// How often each error was met.
    pub errors: BTreeMap<String, u64>,
    /// Connections opened, where the client can tell.
    pub connections: Option<u64>,
    /// Connections that Envoy accepted.
    pub accepted: u64,
    /// Requests that the server executed, each counted once.
    pub executed: u64,
    /// Executions beyond the first of the same request.
    pub duplicated: u64,
    /// Connections whose end was announced.
    pub announced: u64,
    /// Requests that were cut.
    pub cut: u64,
}

impl Row {
    pub(crate) fn new(
        client: Client,
        load: Load,
        against: Against,
        report: Report,
        seen: Counts,
    ) -> Self {
        Self {
            client: client.name,
            version: report.version,
            protocol: client.protocol_name(),
            pattern: format!("{} x {}", load.method.name(), load.concurrency),
            against,
            asked: load.requests,
            sent: report.sent,
            ok: report.ok,
            failed: report.failed,
            errors: report.errors,
            connections: report.connections,
            accepted: seen.connections,
            executed: seen.executed,
            duplicated: seen.duplicated,
            announced: seen.announced,
            cut: seen.cut,
        }
    }

    /// Every request was sent, executed once and answered.
    pub fn is_whole(&self) -> bool {
        let all = [self.sent, self.ok, self.executed];
        all == [self.asked; 3] && self.failed + self.duplicated + self.cut == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ok: u64, failed: u64, seen: Counts) -> Row {
        let report = Report {
            version: "x 1".to_owned(),
            sent: ok + failed,
            ok,
            failed,
            errors: BTreeMap::new(),
            connections: None,
        };
        Row::new(
            Client::ALL[0],
            Load::gets(3),
            Against::Evenkeel,
            report,
            seen,
        )
    }

    fn executed(executed: u64) -> Counts {
        Counts {
            executed,
            ..Counts::default()
        }
    }

    #[test]
    fn a_row_is_whole_when_every_request_was_executed_once_and_answered() {
        assert!(row(3, 0, executed(3)).is_whole());
    }

    #[test]
    fn a_request_that_failed_or_was_not_sent_or_not_executed_shows() {
        assert!(!row(2, 1, executed(3)).is_whole());
        assert!(!row(2, 0, executed(2)).is_whole());
        assert!(!row(3, 0, executed(2)).is_whole());
    }

    #[test]
    fn a_request_that_was_executed_twice_or_cut_shows() {
        let twice = Counts {
            duplicated: 1,
            ..executed(3)
        };
        let cut = Counts {
            cut: 1,
            ..executed(3)
        };

        assert!(!row(3, 0, twice).is_whole());
        assert!(!row(3, 0, cut).is_whole());
    }
}
