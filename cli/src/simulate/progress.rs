//! The progress of all runs together.

use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_report::terminal::Status;

/// Into so many units each run is divided.
const UNITS_PER_RUN: u64 = 1_000_000;

/// The progress of parallel runs in a line of the terminal.
pub struct Progress {
    runs: u64,
    done: AtomicU64,
    status: Status,
}

impl Progress {
    pub fn new(runs: usize) -> Self {
        Self {
            runs: runs as u64,
            done: AtomicU64::new(0),
            status: Status::new(),
        }
    }

    /// Records one simulated second of a run of `of` seconds.
    pub fn advance(&self, of: u64) {
        let part = UNITS_PER_RUN / of.max(1);
        let done = self.done.fetch_add(part, Ordering::Relaxed) + part;
        self.status.show(&format!(
            "{} % of {} runs",
            done * 100 / (self.runs * UNITS_PER_RUN),
            self.runs
        ));
    }

    /// Clears the line before other output.
    pub fn clear(&self) {
        self.status.show("");
    }
}
