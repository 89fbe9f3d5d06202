//! Counters, gauges and histograms.
//!
//! In Envoy a metric's value belongs to the process and its id to the VM: each definition gives a fresh
//! id, and two definitions of one name move one value. The two low bits of an id are its kind.

use crate::abi::Status;
use std::collections::BTreeMap;

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

impl Kind {
    pub(crate) fn of(number: u32) -> Result<Self, Status> {
        [Self::Counter, Self::Gauge, Self::Histogram]
            .into_iter()
            .find(|kind| *kind as u32 == number)
            .ok_or(Status::BadArgument)
    }

    fn of_id(id: u32) -> Result<Self, Status> {
        Self::of(id & 0b11)
    }
}

/// The values of one host, shared by its workers.
#[derive(Default)]
pub(crate) struct Values {
    numbers: BTreeMap<(Kind, String), u64>,
    records: BTreeMap<String, Vec<u64>>,
}

impl Values {
    /// The counter or gauge of that name.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let of = |kind| self.numbers.get(&(kind, name.to_owned())).copied();
        of(Kind::Counter).or_else(|| of(Kind::Gauge))
    }

    /// All counters and gauges, by name.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&str, u64)> {
        self.numbers
            .iter()
            .map(|((_, name), value)| (name.as_str(), *value))
    }

    /// What was recorded in the histogram of that name, in order.
    pub(crate) fn records(&self, name: &str) -> Option<&[u64]> {
        self.records.get(name).map(Vec::as_slice)
    }
}

/// The ids of one VM.
#[derive(Default)]
pub(crate) struct Ids {
    names: BTreeMap<u32, String>,
    defined: [u32; 3],
}

/// A module took more from a gauge than was in it; Envoy would wrap around.
pub(crate) struct BelowZero(pub(crate) String);

impl Ids {
    pub(crate) fn define(&mut self, values: &mut Values, kind: Kind, name: String) -> u32 {
        match kind {
            Kind::Counter | Kind::Gauge => {
                values.numbers.entry((kind, name.clone())).or_default();
            }
            Kind::Histogram => {
                values.records.entry(name.clone()).or_default();
            }
        }
        self.defined[kind as usize] += 1;
        let id = self.defined[kind as usize] << 2 | kind as u32;
        self.names.insert(id, name);
        id
    }

    pub(crate) fn get(&self, values: &Values, id: u32) -> Result<u64, Status> {
        match Kind::of_id(id)? {
            Kind::Histogram => Err(Status::BadArgument),
            kind => values
                .numbers
                .get(&(kind, self.name(id)?))
                .copied()
                .ok_or(Status::NotFound),
        }
    }

    pub(crate) fn record(&self, values: &mut Values, id: u32, value: u64) -> Result<(), Status> {
        // Here a kind that does not exist is one more id that is not found.
        let kind = Kind::of_id(id).map_err(|_| Status::NotFound)?;
        let name = self.name(id)?;
        match kind {
            Kind::Counter => *values.numbers.entry((kind, name)).or_default() += value,
            Kind::Gauge => *values.numbers.entry((kind, name)).or_default() = value,
            Kind::Histogram => values.records.entry(name).or_default().push(value),
        }
        Ok(())
    }

    /// Counters refuse to be incremented by nothing or less.
    pub(crate) fn increment(
        &self,
        values: &mut Values,
        id: u32,
        offset: i64,
    ) -> Result<Result<(), BelowZero>, Status> {
        let kind = Kind::of_id(id)?;
        if kind == Kind::Histogram {
            return Err(Status::BadArgument);
        }
        let name = self.name(id)?;
        if kind == Kind::Counter && offset <= 0 {
            return Err(Status::BadArgument);
        }
        let value = values.numbers.entry((kind, name.clone())).or_default();
        match value.checked_add_signed(offset) {
            Some(moved) => {
                *value = moved;
                Ok(Ok(()))
            }
            None => Ok(Err(BelowZero(name))),
        }
    }

    fn name(&self, id: u32) -> Result<String, Status> {
        self.names.get(&id).cloned().ok_or(Status::NotFound)
    }
}
