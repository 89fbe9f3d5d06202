//! Judges whether the contenders that parse the protocol drained connections without a loss.

use anyhow::{Result, bail};

use crate::contender::Contender;
use crate::row::{ModuleCounts, Results, Row, sums};

/// Checks the rows of the contenders that parse the protocol, per system: nothing was broken, lost or delivered twice,
/// and connections were drained: with [`Contender::Protocol`] at least half as many as with [`Contender::Raw`], if it
/// ran. Systems that do not share sessions are left out: no proxy can drain them without a loss. Returns a summary.
///
/// # Errors
/// Names each system and what it fails, with the clients' errors.
pub fn judge(results: &Results) -> Result<String> {
    let sums = sums(&results.rows);
    let judged = |row: &&Row| row.contender.parses_protocol() && row.system.shares_sessions();
    let mut faults = Vec::new();
    for sum in sums.iter().filter(judged) {
        let what = format!("{} with `{}`", sum.system.name(), sum.contender.name());
        faults.extend(
            harm(sum)
                .into_iter()
                .map(|fault| format!("{what}: {fault}")),
        );
        faults.extend(too_few_drained(sum, &sums, results).map(|fault| format!("{what}: {fault}")));
    }
    if !faults.is_empty() {
        for row in results.rows.iter().filter(judged) {
            let what = format!(
                "{} {} ({})",
                row.client,
                row.operation,
                row.contender.name()
            );
            let own = harm(row);
            if !own.is_empty() {
                faults.push(format!("{what}: {}", own.join(", ")));
                let errors = row
                    .errors
                    .keys()
                    .filter(|error| !error.starts_with("found_closed"));
                faults.extend(errors.map(|error| format!("{what}: {error}")));
            }
        }
        bail!("drained with a loss, or too few\n{}", faults.join("\n"));
    }
    let total = |count: fn(&Row) -> u64| sums.iter().filter(judged).map(count).sum::<u64>();
    let module = results
        .module
        .iter()
        .filter(|counts| counts.contender.parses_protocol() && counts.system.shares_sessions());
    Ok(format!(
        "{} operations, {} connections drained, none while in use, nothing lost or delivered twice; {} connections found closed",
        total(|row| row.counts.operations),
        module.map(|counts| counts.drained).sum::<u64>(),
        total(|row| row.counts.found_closed),
    ))
}

fn harm(row: &Row) -> Vec<String> {
    let counts = row.counts.harm().into_iter();
    counts
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect()
}

fn too_few_drained(sum: &Row, sums: &[Row], results: &Results) -> Option<String> {
    let own =
        |counts: &&ModuleCounts| counts.system == sum.system && counts.contender == sum.contender;
    let drained = results.module.iter().find(own).map(|counts| counts.drained);
    if drained.unwrap_or_default() == 0 {
        return Some("no connection drained".to_owned());
    }
    if sum.contender != Contender::Protocol {
        return None;
    }
    let raw = |row: &&Row| row.system == sum.system && row.contender == Contender::Raw;
    let raw = sums.iter().find(raw)?.drained(sums)?;
    let own = sum.drained(sums)?;
    (own * 2 < raw).then(|| format!("{own} connections drained, and {raw} with `raw`"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::Counts;
    use crate::system::System;

    fn row(contender: Contender, counts: Counts) -> Row {
        Row {
            system: System::Redis,
            client: "a",
            version: "a 1".to_owned(),
            operation: "multi".to_owned(),
            contender,
            counts,
            errors: BTreeMap::new(),
        }
    }

    fn opened(opened: u64) -> Counts {
        Counts {
            operations: 1,
            opened,
            ..Counts::default()
        }
    }

    fn results(protocol: Counts) -> Results {
        let rows = vec![
            row(Contender::None, opened(1)),
            row(Contender::Raw, opened(11)),
            row(Contender::Protocol, protocol),
        ];
        let module = vec![counts(Contender::Protocol, 5)];
        Results { rows, module }
    }

    fn counts(contender: Contender, drained: u64) -> ModuleCounts {
        ModuleCounts {
            system: System::Redis,
            contender,
            drained,
            aborted: 0,
            deferred: BTreeMap::new(),
            pinned: BTreeMap::new(),
            bypassed: BTreeMap::new(),
        }
    }

    #[test]
    fn harmless_draining_passes() {
        let found_closed = Counts {
            found_closed: 3,
            missed: 1,
            ..opened(6)
        };

        assert!(judge(&results(found_closed)).is_ok());
    }

    #[test]
    fn broken_transaction_fails_with_the_error_of_its_client() {
        let broken = Counts {
            in_transaction: 1,
            ..opened(11)
        };
        let mut results = results(broken);
        results.rows[2].errors = BTreeMap::from([("in_transaction: reset".to_owned(), 1)]);

        let error = judge(&results).unwrap_err().to_string();

        let expected = [
            "redis with `protocol`: 1 in transaction",
            "a multi (protocol): 1 in transaction",
            "a multi (protocol): in_transaction: reset",
        ];
        for line in expected {
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn run_without_a_drain_fails() {
        for contender in [Contender::Protocol, Contender::Rebalance] {
            let results = Results {
                rows: vec![row(contender, opened(1))],
                module: vec![counts(contender, 0)],
            };

            let error = judge(&results).unwrap_err().to_string();

            assert!(error.contains("no connection drained"), "{error}");
        }
    }

    #[test]
    fn too_few_drained_connections_fail() {
        let error = judge(&results(opened(5))).unwrap_err().to_string();

        assert!(error.contains("4 connections drained, and 10"), "{error}");
    }
}
