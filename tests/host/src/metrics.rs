//! Counters and gauges.
//!
//! In Envoy, the value of a metric belongs to the process and its id to the VM: each definition returns a new id, and two
//! definitions of one name share a value. The two low bits of an id are its kind.

use crate::abi::{Status, find};
use std::collections::BTreeMap;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter = 0,
    Gauge = 1,
}

impl Kind {
    pub(crate) fn of(number: u32) -> Result<Self, Status> {
        find(&[Self::Counter, Self::Gauge], number, |kind| kind as u32)
    }
}

/// The values of one host, shared by its workers.
#[derive(Default)]
pub(crate) struct Values(BTreeMap<String, u64>);

impl Values {
    /// Returns the counter or gauge of this name.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

/// The ids of one VM.
#[derive(Default)]
pub(crate) struct Ids(Vec<String>);

/// The gauge that a module decremented below zero; Envoy would wrap around.
pub(crate) struct BelowZero(pub(crate) String);

impl Ids {
    pub(crate) fn define(&mut self, values: &mut Values, kind: Kind, name: String) -> u32 {
        values.0.entry(name.clone()).or_default();
        self.0.push(name);
        (self.0.len() as u32) << 2 | kind as u32
    }

    /// Increments a metric. A counter rejects an offset of zero or less.
    pub(crate) fn increment(
        &self,
        values: &mut Values,
        id: u32,
        offset: i64,
    ) -> Result<Result<(), BelowZero>, Status> {
        let kind = Kind::of(id & 0b11)?;
        let index = (id >> 2).checked_sub(1).ok_or(Status::NotFound)?;
        let name = self.0.get(index as usize).ok_or(Status::NotFound)?;
        if kind == Kind::Counter && offset <= 0 {
            return Err(Status::BadArgument);
        }
        let value = values.0.entry(name.clone()).or_default();
        match value.checked_add_signed(offset) {
            Some(sum) => {
                *value = sum;
                Ok(Ok(()))
            }
            None => Ok(Err(BelowZero(name.clone()))),
        }
    }
}
