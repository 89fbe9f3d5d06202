//! The cost of a module: VM entries and hostcalls.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Sub;

/// The counts over all workers of a host. Subtract those before from those after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// VM entries by export name. An export that the module does not have is never entered.
    pub entries: BTreeMap<&'static str, u64>,
    /// Hostcalls by import name.
    pub hostcalls: BTreeMap<&'static str, u64>,
    /// Entries from inside a hostcall to allocate memory for its result. They are not among `entries`, but they make a
    /// hostcall that returns bytes expensive.
    pub allocations: u64,
    /// Bytes that hostcalls copied into the module.
    pub bytes_in: u64,
    /// Bytes that hostcalls copied out of the module.
    pub bytes_out: u64,
    /// WebAssembly instructions that the module executed, as wasmtime's fuel counts them: each is 1, except those that
    /// generate no machine code.
    pub instructions: u64,
}

impl Counts {
    /// Returns the number of entries by the export `name`.
    pub fn entry(&self, name: &str) -> u64 {
        self.entries.get(name).copied().unwrap_or(0)
    }

    /// Returns the number of calls of the import `name`.
    pub fn hostcall(&self, name: &str) -> u64 {
        self.hostcalls.get(name).copied().unwrap_or(0)
    }

    /// Returns the number of VM entries without allocations.
    pub fn total_entries(&self) -> u64 {
        self.entries.values().sum()
    }

    /// Returns the number of hostcalls.
    pub fn total_hostcalls(&self) -> u64 {
        self.hostcalls.values().sum()
    }

    pub(crate) fn entered(&mut self, export: &'static str) {
        *self.entries.entry(export).or_default() += 1;
    }

    pub(crate) fn called(&mut self, import: &'static str) {
        *self.hostcalls.entry(import).or_default() += 1;
    }
}

/// Returns the difference to `before`, without unchanged names.
impl Sub for Counts {
    type Output = Counts;

    fn sub(self, before: Counts) -> Counts {
        let difference = |after: BTreeMap<&'static str, u64>,
                          before: &BTreeMap<&'static str, u64>| {
            after
                .into_iter()
                .map(|(name, count)| (name, count - before.get(name).copied().unwrap_or(0)))
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        Counts {
            entries: difference(self.entries, &before.entries),
            hostcalls: difference(self.hostcalls, &before.hostcalls),
            allocations: self.allocations - before.allocations,
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
            instructions: self.instructions - before.instructions,
        }
    }
}

/// One line per name: entries, hostcalls, then copied bytes.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, count: u64| writeln!(f, "{name:<44}{count:>10}");
        line("VM entries", self.total_entries())?;
        for (name, count) in &self.entries {
            line(&format!("  {name}"), *count)?;
        }
        line("hostcalls", self.total_hostcalls())?;
        for (name, count) in &self.hostcalls {
            line(&format!("  {name}"), *count)?;
        }
        line("allocations inside hostcalls", self.allocations)?;
        line("bytes copied in", self.bytes_in)?;
        line("bytes copied out", self.bytes_out)?;
        line("instructions", self.instructions)
    }
}
