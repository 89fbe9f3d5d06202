//! What connections wait for without an event of their own: a point in time, or their turn.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ConnectionId, Instant};

/// Connections that may be ended now and wait for the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane {
    /// The policy whose budget it is.
    pub(crate) policy: u32,
    /// They wait for the pace of rebalancing, too.
    pub(crate) rebalances: bool,
}

/// What one connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wake {
    /// An event.
    #[default]
    Never,
    /// A point in time.
    At(Instant),
    /// Its turn in a lane, where it stands according to the time since which it has to go: one that was busy
    /// when its turn came does not lose its place.
    InTurn(Lane, Instant),
}

/// All that is waited for, so that a tick finds what it has to do without looking at any other connection.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeSet<(Instant, ConnectionId)>,
    /// Lanes in which a connection waits.
    lanes: BTreeMap<Lane, BTreeSet<(Instant, ConnectionId)>>,
    /// When a lane was last served, as a number that grows. It outlives the lane: one that a connection joins
    /// again and again must not always be the first.
    served: BTreeMap<Lane, u64>,
    serial: u64,
}

/// The most lanes of which it is known when they were served. Each root has two.
const MAX_SERVED: usize = 128;

impl Timers {
    /// Changes what a connection waits for from `held` to `wanted`; `held` is what the connection remembers.
    pub(crate) fn set(&mut self, id: ConnectionId, held: &mut Wake, wanted: Wake) {
        if *held == wanted {
            return;
        }
        match core::mem::replace(held, wanted) {
            Wake::Never => {}
            Wake::At(at) => {
                self.at.remove(&(at, id));
            }
            Wake::InTurn(lane, since) => {
                if let Some(waiting) = self.lanes.get_mut(&lane) {
                    waiting.remove(&(since, id));
                    if waiting.is_empty() {
                        self.lanes.remove(&lane);
                    }
                }
            }
        }
        match wanted {
            Wake::Never => {}
            Wake::At(at) => {
                self.at.insert((at, id));
            }
            Wake::InTurn(lane, since) => {
                self.lanes.entry(lane).or_default().insert((since, id));
            }
        }
    }

    /// The connection to look at first, if its time has come.
    pub(crate) fn due(&self, now: Instant) -> Option<ConnectionId> {
        self.at
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
    }

    /// The lanes in which a connection waits, no more than two for each policy: the one that was served least
    /// recently is first.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = self.lanes.keys().copied().collect();
        lanes.sort_by_key(|lane| self.served.get(lane));
        lanes
    }

    /// A connection of this lane has had its turn.
    pub(crate) fn served(&mut self, lane: Lane) {
        if self.served.len() >= MAX_SERVED && !self.served.contains_key(&lane) {
            self.served.clear();
        }
        self.serial = self.serial.saturating_add(1);
        self.served.insert(lane, self.serial);
    }

    /// The connection whose turn it is.
    pub(crate) fn first_in(&self, lane: Lane) -> Option<ConnectionId> {
        let (_, id) = self.lanes.get(&lane)?.first()?;
        Some(*id)
    }

    /// How many connections wait for a point in time or their turn.
    pub(crate) fn len(&self) -> usize {
        let waiting: usize = self.lanes.values().map(BTreeSet::len).sum();
        self.at.len().saturating_add(waiting)
    }
}
