//! The matrix as a table in the terminal.

use evenkeel_report::align;

use crate::row::Row;

const COLUMNS: usize = 13;
const HEADINGS: [&str; COLUMNS] = [
    "client",
    "version",
    "pattern",
    "against",
    "limit",
    "sent",
    "responses",
    "failed",
    "cancelled",
    "duplicated",
    "hung",
    "drain signals",
    "connections",
];
/// So many columns are text; the others are numbers.
const TEXTS: usize = 5;

/// Renders the rows as aligned columns, followed by each error with its count.
pub fn render(rows: &[Row]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let lines: Vec<_> = [headings]
        .into_iter()
        .chain(rows.iter().map(cells))
        .collect();
    let errors: String = rows.iter().map(errors).collect();
    align(0, &lines, TEXTS..COLUMNS) + &errors
}

/// Renders one row as a line of progress.
pub fn line_of(row: &Row) -> String {
    let verdict = if row.is_complete() {
        "passed"
    } else {
        "FAILED"
    };
    format!(
        "{:<14} {:<14} {:<9} {:<8} {verdict}: {} sent, {} failed, {} duplicated, {} hung, {} drain signals",
        row.client,
        row.pattern,
        row.against.name(),
        row.recycle,
        row.sent,
        row.failed,
        row.duplicated,
        row.hung,
        row.drain_signals
    )
}

/// Renders each error of a row with its count.
pub fn errors(row: &Row) -> String {
    let mut text = String::new();
    for (error, count) in &row.errors {
        text.push_str(&format!(
            "{} ({}, {}): {count} × {error}\n",
            row.client,
            row.pattern,
            row.against.name()
        ));
    }
    text
}

fn cells(row: &Row) -> [String; COLUMNS] {
    [
        row.client.to_owned(),
        row.version.clone(),
        row.pattern.to_owned(),
        row.against.name().to_owned(),
        row.recycle.to_owned(),
        row.sent.to_string(),
        row.ok.to_string(),
        row.failed.to_string(),
        row.cancelled.to_string(),
        row.duplicated.to_string(),
        row.hung.to_string(),
        row.drain_signals.to_string(),
        row.connections.map_or("?".to_owned(), |n| n.to_string()),
    ]
}
