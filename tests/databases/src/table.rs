//! The rows as a table in the terminal.

use evenkeel_report::align;

use crate::row::{ModuleCounts, Results, Row};

/// The columns before the numbers.
const TEXTS: [&str; 4] = ["system", "client", "operation", "contender"];

/// The headings of the numbers, as [`numbers`] lists them.
pub(crate) const NUMBERS: [&str; 11] = [
    "operations",
    "in flight",
    "in transaction",
    "unknown outcome",
    "session lost",
    "found closed",
    "lost",
    "missed",
    "delivered twice",
    "opened",
    "drained",
];

/// Renders the rows as aligned columns, followed by each error with its number.
pub fn render(results: &Results) -> String {
    let rows = &results.rows;
    let mut lines = vec![cells(TEXTS, NUMBERS.map(str::to_owned))];
    for row in rows {
        let texts = [
            row.system.name(),
            row.client,
            &row.operation,
            row.contender.name(),
        ];
        lines.push(cells(texts, numbers(row, rows)));
    }
    let mut text = align(0, &lines, TEXTS.len()..COLUMNS);
    for row in rows {
        for (error, count) in &row.errors {
            text.push_str(&format!(
                "{} {} ({}): {count} x {error}\n",
                row.client,
                row.operation,
                row.contender.name()
            ));
        }
    }
    for counts in &results.module {
        let cells = ModuleCounts::HEADINGS.into_iter().zip(counts.cells());
        let cells = cells.map(|(heading, cell)| format!("{heading} {cell}"));
        text.push_str(&format!(
            "{} ({}): {}\n",
            counts.system.name(),
            counts.contender.name(),
            cells.collect::<Vec<_>>().join("; ")
        ));
    }
    text
}

/// The numbers of a row; `rows` has the reference for the connections drained.
pub(crate) fn numbers(row: &Row, rows: &[Row]) -> [String; 11] {
    let counts = &row.counts;
    let drained = row
        .drained(rows)
        .map_or("?".to_owned(), |drained| drained.to_string());
    [
        counts.operations.to_string(),
        counts.in_flight.to_string(),
        counts.in_transaction.to_string(),
        counts.unknown_outcome.to_string(),
        counts.session_lost.to_string(),
        counts.found_closed.to_string(),
        counts.lost.to_string(),
        counts.missed.to_string(),
        counts.delivered_twice.to_string(),
        counts.opened.to_string(),
        drained,
    ]
}

const COLUMNS: usize = TEXTS.len() + NUMBERS.len();

fn cells(texts: [&str; TEXTS.len()], numbers: [String; NUMBERS.len()]) -> [String; COLUMNS] {
    let mut all = texts.map(str::to_owned).into_iter().chain(numbers);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}
