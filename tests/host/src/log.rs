//! The log of the module.

use crate::Level;

/// One line of the module's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The index of the worker that wrote it.
    pub worker: usize,
    /// Its severity.
    pub level: Level,
    /// Its text, without any prefix.
    pub text: String,
}

/// The number of lines that a failure shows.
const MAX_LINES: usize = 20;

/// Returns the end of the log for the message of a failed test.
pub(crate) fn tail(lines: &[LogLine]) -> String {
    let from = lines.len().saturating_sub(MAX_LINES);
    let shown = lines.iter().skip(from);
    shown
        .map(|line| {
            format!(
                "\n  [worker {}] {:?}: {}",
                line.worker, line.level, line.text
            )
        })
        .collect()
}
