//! The matrix as a person reads it.

use crate::row::Row;

const HEADINGS: [&str; 10] = [
    "client",
    "version",
    "pattern",
    "against",
    "sent",
    "ok",
    "failed",
    "twice",
    "announced",
    "connections",
];

/// The rows as aligned columns, and below them each error with how often it was met.
pub fn render(rows: &[Row]) -> String {
    let lines: Vec<[String; 10]> = rows.iter().map(cells).collect();
    let widths: Vec<usize> = (0..HEADINGS.len())
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
        for (error, count) in &row.errors {
            text.push_str(&format!(
                "{} ({}): {count} times {error}\n",
                row.client, row.pattern
            ));
        }
    }
    text
}

fn cells(row: &Row) -> [String; 10] {
    [
        row.client.to_owned(),
        row.version.clone(),
        row.pattern.clone(),
        row.against.name().to_owned(),
        row.sent.to_string(),
        row.ok.to_string(),
        row.failed.to_string(),
        row.duplicated.to_string(),
        row.announced.to_string(),
        row.connections.unwrap_or(row.accepted).to_string(),
    ]
}

/// Text to the left, numbers to the right.
fn line(cells: &[String; 10], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let padded = if column < 4 {
            format!("{cell:<width$}  ")
        } else {
            format!("{cell:>width$}  ")
        };
        line.push_str(&padded);
    }
    format!("{}\n", line.trim_end())
}
