//! The CPU time and the memory of a process, from `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// A running process.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// The CPU time of the threads that run, in nanoseconds: for differences while no thread ends.
    pub fn cpu(self) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(self.path("task"))? {
            let schedule = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = schedule.split_whitespace().next();
            nanos += first.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The CPU time since the start, with that of threads that have ended, in units of 10 ms (proc(5), `/proc/PID/stat`).
    pub fn total_cpu(self) -> Result<Duration> {
        let stat = fs::read_to_string(self.path("stat"))?;
        // The second field is the name of the program in parentheses, utime and stime are the 14th and 15th.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let mut times = fields.split_whitespace().skip(11);
        let mut next = || times.next().context("no CPU time in /proc");
        let units: u64 = next()?.parse::<u64>()? + next()?.parse::<u64>()?;
        Ok(Duration::from_millis(10 * units))
    }

    /// The resident memory that is not of files, in KiB.
    pub fn memory(self) -> Result<u64> {
        let status = fs::read_to_string(self.path("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.context("no RssAnon in /proc")
    }

    fn path(self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.0))
    }
}
