//! How far all runs are together.

use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_report::terminal::Status;

/// A run, in the parts that are counted.
const RUN: u64 = 1_000_000;

/// What is done of some runs that go on side by side, in a line of the terminal.
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

    /// One second of a run that lasts `of` seconds has passed.
    pub fn second(&self, of: u64) {
        let part = RUN / of.max(1);
        let done = self.done.fetch_add(part, Ordering::Relaxed) + part;
        self.status.show(&format!(
            "{} % of {} runs",
            done * 100 / (self.runs * RUN),
            self.runs
        ));
    }

    /// Leaves the line to something else.
    pub fn make_way(&self) {
        self.status.show("");
    }
}
