//! The result of a matrix, and whether it passes.

use std::collections::BTreeMap;
use std::env;

use anyhow::{Result, bail};

use crate::drained::{Drained, is_prompt, reference};
use crate::exemption::Exemption;
use crate::row::Row;
use crate::site::Against;

/// How many runs without a row are printed: one cause breaks many.
const MAX_SHOWN: usize = 5;

/// The result of a matrix.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The rows, in the order of their runs.
    pub rows: Vec<Row>,
    /// The runs without a row, with the reason.
    pub broken: Vec<String>,
    /// The clients and proxies that could not run, by what they need.
    pub missing: BTreeMap<String, Vec<String>>,
}

impl Outcome {
    /// Prints what the table does not have, and checks the rows of the module: no request may be lost, and each
    /// client must be recognized and drained.
    ///
    /// # Errors
    /// When a check fails, or nothing ran; with `CI` set, also when something could not run here.
    pub fn check(&self) -> Result<()> {
        self.check_in(env::var_os("CI").is_some_and(|value| !value.is_empty()))
    }

    fn check_in(&self, is_ci: bool) -> Result<()> {
        for (what, whose) in &self.missing {
            println!("not run: {}: {what}", whose.join(", "));
        }
        println!("{}", self.summary());
        if !self.broken.is_empty() {
            let shown = self.broken.len().min(MAX_SHOWN);
            bail!(
                "{} runs did not complete:\n{}",
                self.broken.len(),
                self.broken[..shown].join("\n")
            );
        }
        if self.rows.is_empty() {
            bail!("no client ran, which proves nothing");
        }
        ensure_none(
            "requests were lost, aborted or executed twice",
            self.lossy_runs(),
        )?;
        ensure_none(
            "connections were not drained, which proves nothing",
            self.undrained_clients(),
        )?;
        ensure_none(
            "filter/wire/src/h2 does not recognize these clients by their first frames",
            self.unrecognized_clients(),
        )?;
        if is_ci && !self.missing.is_empty() {
            bail!("with CI set, every client and proxy must be available");
        }
        Ok(())
    }

    fn module_rows(&self) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(|row| row.against == Against::Evenkeel)
    }

    /// The runs that lost more than their client loses without drains.
    fn lossy_runs(&self) -> Vec<String> {
        let mut lossy = Vec::new();
        for row in self.module_rows().filter(|row| !row.is_complete()) {
            let what = match Exemption::of(row.client, row.pattern) {
                Some(exemption) => exemption.excess(row, reference(&self.rows, row)),
                None => Some(format!(
                    "{} failed, {} executed twice, {} hung, {} aborted of {}",
                    row.failed, row.duplicated, row.hung, row.aborted, row.requested
                )),
            };
            if let Some(what) = what {
                lossy.push(format!("{} ({}): {what}", row.client, row.pattern));
            }
        }
        lossy
    }

    /// The clients that were drained in no pattern, and the runs in which they should have been drained more often.
    fn undrained_clients(&self) -> Vec<String> {
        let mut undrained: Vec<_> = self
            .module_rows()
            .filter(|row| !row.is_drained_in_time() && is_prompt(row))
            .map(|row| format!("{} ({})", row.client, row.pattern))
            .collect();
        let mut clients: Vec<_> = self.module_rows().map(|row| row.client).collect();
        clients.dedup();
        for client in clients {
            if Drained::of(&self.rows, client, Against::Evenkeel) == Drained::No {
                undrained.push(format!("{client} (in any pattern)"));
            }
        }
        undrained
    }

    /// The clients that the module recognized as others, or not at all.
    fn unrecognized_clients(&self) -> Vec<String> {
        self.module_rows()
            .filter(|row| !row.is_recognized())
            .map(|row| {
                format!(
                    "{} ({}): recognized as {:?}",
                    row.client,
                    row.version,
                    row.clients.keys()
                )
            })
            .collect()
    }

    fn summary(&self) -> String {
        let sum = |count: fn(&Row) -> u64| self.rows.iter().map(count).sum::<u64>();
        let known = self
            .rows
            .iter()
            .filter(|row| Exemption::of(row.client, row.pattern).is_some())
            .map(|row| row.failed)
            .sum::<u64>();
        format!(
            "matrix: {} runs, {} requests, {} drain signals: {} failed, and {known} of clients known to fail; {} executed twice, {} hung",
            self.rows.len(),
            sum(|row| row.sent),
            sum(|row| row.drain_signals),
            sum(|row| row.failed) - known,
            sum(|row| row.duplicated),
            sum(|row| row.hung)
        )
    }
}

/// Fails with what is in the list, when anything is.
fn ensure_none(what: &str, found: Vec<String>) -> Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    bail!("{what}:\n{}", found.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(client: &'static str, pattern: &'static str, against: Against) -> Row {
        Row {
            requested: 10,
            sent: 10,
            ok: 10,
            executed: 10,
            drain_signals: 5,
            connections: Some(if against == Against::None { 1 } else { 5 }),
            ..Row::blank(client, pattern, against)
        }
    }

    fn outcome(rows: Vec<Row>) -> Outcome {
        Outcome {
            rows,
            ..Outcome::default()
        }
    }

    fn result_of(outcome: &Outcome) -> String {
        let result = outcome.check_in(true);
        result.map_or_else(|error| error.to_string(), |()| "passed".to_owned())
    }

    #[test]
    fn matrix_without_rows_fails() {
        assert!(result_of(&Outcome::default()).starts_with("no client ran"));
    }

    #[test]
    fn missing_client_fails_with_ci_set() {
        let missing = Outcome {
            missing: BTreeMap::from([("no nginx".to_owned(), vec!["nginx-h1".to_owned()])]),
            ..outcome(vec![row("go-h1", "get", Against::Evenkeel)])
        };

        assert!(result_of(&missing).starts_with("with CI set"));
        assert!(missing.check_in(false).is_ok());
    }

    #[test]
    fn client_that_is_drained_in_no_pattern_fails() {
        let undrained = Row {
            connections: Some(1),
            ..row("go-h1", "rests", Against::Evenkeel)
        };
        let none = || row("go-h1", "rests", Against::None);
        let drained = row("go-h1", "rests", Against::Evenkeel);

        let result = result_of(&outcome(vec![undrained, none()]));
        assert!(result.contains("go-h1 (in any pattern)"), "{result}");
        assert_eq!(result_of(&outcome(vec![drained, none()])), "passed");
    }

    #[test]
    fn duplicated_request_fails_an_exempt_client() {
        let httpx = |against| row("httpx-h2", "post-16", against);
        let twice = Row {
            duplicated: 1,
            ..httpx(Against::Evenkeel)
        };

        let result = result_of(&outcome(vec![twice, httpx(Against::None)]));
        assert!(
            result.contains("httpx-h2 (post-16): 1 requests executed twice"),
            "{result}"
        );
    }
}
