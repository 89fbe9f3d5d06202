//! What the module logged.

use crate::Level;

/// One line of the module's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The worker whose VM wrote it.
    pub worker: usize,
    /// Its severity.
    pub level: Level,
    /// Its text, without any prefix.
    pub text: String,
}

/// How many lines a failure shows: the last ones tell what led to it.
const SHOWN: usize = 20;

/// The end of a log, a line each, for the message of a failed test.
pub(crate) fn tail(lines: &[LogLine]) -> String {
    let from = lines.len().saturating_sub(SHOWN);
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
