//! What a client program prints when it is done: one line of JSON per operation.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// What happened to the operations of one kind. README.md of this crate defines each count.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Operations begun, failed ones included.
    pub operations: u64,
    /// The connection ended while a statement ran, or before a response was complete.
    pub in_flight: u64,
    /// The connection ended in an open transaction, between its statements.
    pub in_transaction: u64,
    /// The connection ended while the commit was under way.
    pub unknown_outcome: u64,
    /// State of the session was lost while in use, such as an advisory lock.
    pub session_lost: u64,
    /// The first statement failed on a connection that was already closed; nothing ran.
    pub found_closed: u64,
    /// Acknowledged changes or messages that are missing at the end.
    pub lost: u64,
    /// Messages without acknowledgement, such as notifications, that did not arrive.
    pub missed: u64,
    /// Changes or messages that took effect twice.
    pub delivered_twice: u64,
    /// Connections that the program opened for these operations.
    pub opened: u64,
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.operations += other.operations;
        self.in_flight += other.in_flight;
        self.in_transaction += other.in_transaction;
        self.unknown_outcome += other.unknown_outcome;
        self.session_lost += other.session_lost;
        self.found_closed += other.found_closed;
        self.lost += other.lost;
        self.missed += other.missed;
        self.delivered_twice += other.delivered_twice;
        self.opened += other.opened;
    }
}

impl Counts {
    /// What a drain at a safe point never does, by name.
    pub fn harm(&self) -> [(&'static str, u64); 6] {
        [
            ("in flight", self.in_flight),
            ("in transaction", self.in_transaction),
            ("unknown outcome", self.unknown_outcome),
            ("session lost", self.session_lost),
            ("lost", self.lost),
            ("delivered twice", self.delivered_twice),
        ]
    }

    /// Operations that ended with an error.
    pub fn errors(&self) -> u64 {
        self.in_flight
            + self.in_transaction
            + self.unknown_outcome
            + self.session_lost
            + self.found_closed
    }
}

/// One line of a client program.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Report {
    /// The libraries and their versions.
    pub version: String,
    /// The kind of operation.
    pub operation: String,
    /// What happened to the operations.
    pub counts: Counts,
    /// Each error message with its number.
    pub errors: BTreeMap<String, u64>,
}

impl Report {
    /// Reads the lines.
    ///
    /// # Errors
    /// When there is none, or one does not follow the contract.
    pub(crate) fn parse_all(stdout: &str) -> Result<Vec<Self>> {
        let reports: Vec<Self> = stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("not a report: {line:?}"))
            })
            .collect::<Result<_>>()?;
        for report in &reports {
            let errors: u64 = report.errors.values().sum();
            if report.counts.operations == 0 || errors != report.counts.errors() {
                bail!("the report does not add up: {report:?}");
            }
        }
        if reports.is_empty() {
            bail!("the client program printed no report");
        }
        Ok(reports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"version":"x 1","operation":"transaction","counts":{"operations":4,"in_flight":1,"opened":2},"errors":{"reset":1}}"#;

    #[test]
    fn omitted_counts_are_zero() {
        let reports = Report::parse_all(LINE).unwrap();

        let expected = Counts {
            operations: 4,
            in_flight: 1,
            opened: 2,
            ..Counts::default()
        };
        assert_eq!(reports[0].counts, expected);
    }

    #[test]
    fn report_that_does_not_add_up_is_rejected() {
        assert!(Report::parse_all(&LINE.replace("\"reset\":1", "\"reset\":2")).is_err());
        assert!(Report::parse_all(&LINE.replace("\"operations\":4", "\"operations\":0")).is_err());
        assert!(Report::parse_all("").is_err());
    }
}
