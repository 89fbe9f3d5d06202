//! The report that a client's program prints at its end.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The report of a client: one line of JSON on its stdout.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The libraries and their versions, as the libraries report them.
    pub version: String,
    /// Requests sent.
    pub sent: u64,
    /// Requests with a complete response that has the right status and body.
    pub ok: u64,
    /// Requests without a response that were not cancelled.
    pub failed: u64,
    /// Requests that the client cancelled, as its pattern demands.
    pub cancelled: u64,
    /// Requests that took five seconds or more, whatever became of them.
    pub hung: u64,
    /// The number of failed requests by error.
    pub errors: BTreeMap<String, u64>,
    /// Connections opened, where the library reports them.
    pub connections: Option<u64>,
}

impl Report {
    /// Reads the line.
    ///
    /// # Errors
    /// When it is not what the contract asks for, or does not add up.
    pub fn parse(stdout: &str) -> Result<Self> {
        let mut report: Self = serde_json::from_str(stdout)
            .with_context(|| format!("the client printed no report: {stdout:?}"))?;
        let errors: u64 = report.errors.values().sum();
        if report.ok + report.failed + report.cancelled != report.sent || errors != report.failed {
            bail!("the client's report does not add up: {stdout}");
        }
        report.errors = merged(&report.errors);
        Ok(report)
    }
}

/// Errors that differ in a number only (a stream's id, a port) are one error.
fn merged(errors: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut merged = BTreeMap::new();
    for (error, count) in errors {
        let words: Vec<_> = error
            .split_whitespace()
            .map(|word| {
                if word.len() > 1 && word.bytes().all(|b| b.is_ascii_digit()) {
                    "#"
                } else {
                    word
                }
            })
            .collect();
        *merged.entry(words.join(" ")).or_default() += count;
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"version":"x 1","sent":4,"ok":2,"failed":1,"cancelled":1,"hung":0,"errors":{"reset":1},"connections":null}"#;

    #[test]
    fn report_is_one_line_of_json() {
        let report = Report::parse(LINE).unwrap();

        assert_eq!((report.sent, report.ok, report.errors["reset"]), (4, 2, 1));
    }

    #[test]
    fn errors_that_differ_in_a_number_are_counted_together() {
        let two = r#""failed":2,"cancelled":0,"hung":0,"errors":{"stream 721":1,"stream 13":1}"#;
        let line = LINE.replace(
            r#""failed":1,"cancelled":1,"hung":0,"errors":{"reset":1}"#,
            two,
        );

        let report = Report::parse(&line).unwrap();

        assert_eq!(report.errors, BTreeMap::from([("stream #".to_owned(), 2)]));
    }

    #[test]
    fn inconsistent_report_is_rejected() {
        assert!(Report::parse(&LINE.replace("\"sent\":4", "\"sent\":5")).is_err());
        assert!(Report::parse(&LINE.replace("\"reset\":1", "\"reset\":0")).is_err());
        assert!(Report::parse("").is_err());
    }
}
