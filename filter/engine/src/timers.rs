//! When to look at which connection again: one entry a connection, earliest first.

use std::collections::BTreeSet;

use crate::{ConnectionId, Instant};

#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, ConnectionId)>);

impl Timers {
    /// Moves a connection's entry from `held` to `wanted`; `held` is what the connection remembers.
    pub(crate) fn set(
        &mut self,
        id: ConnectionId,
        held: &mut Option<Instant>,
        wanted: Option<Instant>,
    ) {
        if *held == wanted {
            return;
        }
        if let Some(at) = held.take() {
            self.0.remove(&(at, id));
        }
        if let Some(at) = wanted {
            self.0.insert((at, id));
        }
        *held = wanted;
    }

    /// The connection to look at first, if its time has come.
    pub(crate) fn due(&self, now: Instant) -> Option<ConnectionId> {
        self.0
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
    }

    /// How many connections have an entry.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
