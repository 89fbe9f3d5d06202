//! What a client's program prints when it is done.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A client's own account: the one line of JSON on its stdout.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The library and its version, as it tells them itself.
    pub version: String,
    /// Requests begun.
    pub sent: u64,
    /// Requests answered whole, with status 200 and the body that belongs to them.
    pub ok: u64,
    /// All others.
    pub failed: u64,
    /// How often each error was met.
    pub errors: BTreeMap<String, u64>,
    /// Connections opened, where the client can tell.
    pub connections: Option<u64>,
}

impl Report {
    /// Reads the line.
    ///
    /// # Errors
    /// When it is not what the contract asks for, or does not add up.
    pub fn parse(stdout: &str) -> Result<Self> {
        let report: Self = serde_json::from_str(stdout)
            .with_context(|| format!("the client printed no report but: {stdout:?}"))?;
        let errors: u64 = report.errors.values().sum();
        if report.ok + report.failed != report.sent || errors != report.failed {
            bail!("the client's report does not add up: {stdout}");
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        r#"{"version":"x 1","sent":3,"ok":2,"failed":1,"errors":{"reset":1},"connections":null}"#;

    #[test]
    fn a_report_is_one_line_of_json() {
        let report = Report::parse(LINE).unwrap();

        assert_eq!((report.sent, report.ok, report.errors["reset"]), (3, 2, 1));
    }

    #[test]
    fn a_report_that_does_not_add_up_is_refused() {
        assert!(Report::parse(&LINE.replace("\"sent\":3", "\"sent\":4")).is_err());
        assert!(Report::parse(&LINE.replace("\"reset\":1", "\"reset\":0")).is_err());
        assert!(Report::parse("").is_err());
    }
}
