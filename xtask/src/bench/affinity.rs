//! Which CPUs processes run on. Where an Envoy shares a CPU with its clients, its cost depends on how the scheduler mixes them.

use std::fs;
use std::io;
use std::process;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps the process `measured` on one CPU, and the processes `others` and this one on the rest. Does nothing where there is
/// only one.
pub fn separate(measured: u32, others: &[u32]) -> Result<()> {
    let all = sched_getaffinity(None).context("cannot read the CPUs of this process")?;
    let Some(first) = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)) else {
        return Ok(());
    };
    if all.count() < 2 {
        return Ok(());
    }
    let mut rest = all;
    rest.unset(first);
    let mut one = CpuSet::new();
    one.set(first);
    restrict(measured, &one)?;
    for process in others.iter().chain([&process::id()]) {
        restrict(*process, &rest)?;
    }
    Ok(())
}

/// Restricts each thread of a process. Those that it starts later are restricted as the one that starts them.
fn restrict(process: u32, to: &CpuSet) -> Result<()> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = task?.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        let Some(thread) = thread.and_then(Pid::from_raw) else {
            continue;
        };
        match sched_setaffinity(Some(thread), to) {
            // The thread has ended.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(io::Error::from(error)).context("cannot restrict the CPUs"),
        }
    }
    Ok(())
}
