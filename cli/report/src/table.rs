//! Tables in the terminal.

use std::ops::Range;

/// Renders rows as indented lines with aligned columns: the columns in `numbers` to the right, all others to the left. The
/// first row may hold the headings.
pub fn align<const N: usize>(indent: usize, rows: &[[String; N]], numbers: Range<usize>) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match numbers.contains(&column) {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{:indent$}{}\n", "", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_aligned_left_and_numbers_right() {
        let rows = [
            ["client", "failed", ""],
            ["go", "12", "retried"],
            ["–", "7", ""],
        ];

        let text = align(1, &rows.map(|row| row.map(str::to_owned)), 1..2);

        assert_eq!(
            text,
            " client  failed\n go          12  retried\n –            7\n"
        );
    }
}
