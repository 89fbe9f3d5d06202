//! The result of one kind of operation under one contender.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::contender::Contender;
use crate::report::Counts;
use crate::system::System;

/// One kind of operation of one client under one contender.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The server.
    pub system: System,
    /// The client library.
    pub client: &'static str,
    /// The libraries and their versions.
    pub version: String,
    /// The kind of operation.
    pub operation: String,
    /// What closed the connections.
    pub contender: Contender,
    /// What happened.
    pub counts: Counts,
    /// Each error message with its number.
    pub errors: BTreeMap<String, u64>,
}

impl Row {
    /// Connections that were drained: those opened beyond the rows of `none` for the same operation. None without
    /// such a row. A longer run of `none` does not occur: all runs have the same duration.
    pub fn drained(&self, rows: &[Row]) -> Option<u64> {
        let reference = rows.iter().find(|row| {
            row.contender == Contender::None
                && row.client == self.client
                && row.system == self.system
                && row.operation == self.operation
        })?;
        Some(self.counts.opened.saturating_sub(reference.counts.opened))
    }
}

/// What the module counted in one run, over all clients.
#[derive(Clone, Debug, Serialize)]
pub struct ModuleCounts {
    /// The server.
    pub system: System,
    /// The policy.
    pub contender: Contender,
    /// Connections that were closed because they were drained (`evenkeel_connections_drained_total`).
    pub drained: u64,
    /// Those that were closed while active, because `drain_timeout` ended (`evenkeel_connections_aborted_total`).
    pub aborted: u64,
    /// Connections that stayed open because something was in flight, by what (`evenkeel_drain_deferred_total`).
    pub deferred: BTreeMap<String, u64>,
    /// Connections that stayed open because of state on the server, by what (`evenkeel_drains_pinned_total`).
    pub pinned: BTreeMap<String, u64>,
    /// Connections that were bypassed, by the reason (`evenkeel_connections_bypassed_total`).
    pub bypassed: BTreeMap<String, u64>,
}

impl ModuleCounts {
    /// The headings of [`ModuleCounts::cells`].
    pub(crate) const HEADINGS: [&str; 5] = ["drained", "aborted", "deferred", "pinned", "bypassed"];

    /// The counts as text: a number, or each reason with its number.
    pub(crate) fn cells(&self) -> [String; 5] {
        let by_reason = |counts: &BTreeMap<String, u64>| {
            let texts = counts
                .iter()
                .map(|(reason, count)| format!("{count} {reason}"));
            texts.collect::<Vec<_>>().join(", ")
        };
        [
            self.drained.to_string(),
            self.aborted.to_string(),
            by_reason(&self.deferred),
            by_reason(&self.pinned),
            by_reason(&self.bypassed),
        ]
    }
}

/// The results of some runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// What the clients observed.
    pub rows: Vec<Row>,
    /// What the module counted, for each run with the module.
    pub module: Vec<ModuleCounts>,
}

impl Results {
    /// Adds those of other runs.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.module.extend(other.module);
    }

    /// Puts the contenders of an operation next to each other.
    pub fn sort(&mut self) {
        self.rows.sort_by(|a, b| {
            let key = |row: &Row| (row.system, row.client, row.operation.clone(), row.contender);
            key(a).cmp(&key(b))
        });
        self.module
            .sort_by_key(|counts| (counts.system, counts.contender));
    }
}

/// One row per system and contender, with the counts of all clients.
pub(crate) fn sums(rows: &[Row]) -> Vec<Row> {
    let mut sums: Vec<Row> = Vec::new();
    for system in System::ALL {
        for contender in Contender::ALL {
            let own = |row: &&Row| row.system == system && row.contender == contender;
            let mut counts = Counts::default();
            for row in rows.iter().filter(own) {
                counts += &row.counts;
            }
            if let Some(row) = rows.iter().find(own) {
                sums.push(Row {
                    client: "all",
                    operation: "all".to_owned(),
                    counts,
                    ..row.clone()
                });
            }
        }
    }
    sums
}
