//! The matrix as a table in the terminal.

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
    let lines: Vec<_> = rows.iter().map(cells).collect();
    let widths: Vec<usize> = (0..COLUMNS)
        .map(|column| {
            let cells = lines.iter().map(|line| line[column].len());
            cells.fold(HEADINGS[column].len(), usize::max)
        })
        .collect();
    let mut text = line(&HEADINGS.map(str::to_owned), &widths);
    for cells in &lines {
        text.push_str(&line(cells, &widths));
    }
    for row in rows {
        text.push_str(&errors(row));
    }
    text
}

/// Renders one row as a line of progress.
pub fn line_of(row: &Row) -> String {
    let judged = if row.is_whole() { "passed" } else { "FAILED" };
    format!(
        "{:<14} {:<14} {:<9} {:<8} {judged}: {} sent, {} failed, {} duplicated, {} hung, {} drain signals",
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

/// Text to the left, numbers to the right.
fn line(cells: &[String; COLUMNS], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padded = if column < TEXTS {
            format!("{cell:<width$}  ")
        } else {
            format!("{cell:>width$}  ")
        };
        line.push_str(&padded);
    }
    format!("{}\n", line.trim_end())
}
