//! What connections wait for without an event of their own: a point in time, or their turn in a queue.

use crate::sort::smallest_by_number;
use crate::{ConnectionId, Instant, OrderedIds, SortedMap};

/// The most queues of which it is known when they were served. Each root has two.
const MAX_SERVED: usize = 128;

/// Names the connections that may be closed now and wait for the same budget and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Queue {
    /// The policy whose budget it is.
    pub(crate) policy: u32,
    /// They also wait for the rate of rebalancing.
    pub(crate) is_rebalancing: bool,
}

/// What one connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wakeup {
    /// An event.
    #[default]
    Never,
    /// A point in time.
    At(Instant),
    /// Its turn in a queue, ordered by the time since which its drain is pending: a connection that was active when its
    /// turn came does not lose its place.
    InTurn(Queue, Instant),
}

/// The wakeups of all connections, so that a tick finds what it has to do without visiting any other connection.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    by_time: OrderedIds,
    /// The queues in which a connection waits.
    queues: SortedMap<Queue, OrderedIds>,
    /// The order in which queues were last served. It outlives a queue: one that a connection joins again and again must
    /// not always be the first.
    served: SortedMap<Queue, u64>,
    serial: u64,
}

impl Timers {
    /// Changes what a connection waits for from `held`, which the connection stores, to `wanted`.
    pub(crate) fn set(&mut self, id: ConnectionId, held: &mut Wakeup, wanted: Wakeup) {
        if *held == wanted {
            return;
        }
        match core::mem::replace(held, wanted) {
            Wakeup::Never => {}
            Wakeup::At(at) => {
                self.by_time.remove(at.ordinal(), id.0);
            }
            Wakeup::InTurn(queue, since) => {
                self.queues.change_or_remove(&queue, |waiting| {
                    waiting.remove(since.ordinal(), id.0);
                    waiting.is_empty()
                });
            }
        }
        match wanted {
            Wakeup::Never => {}
            Wakeup::At(at) => {
                self.by_time.insert(at.ordinal(), id.0);
            }
            Wakeup::InTurn(queue, since) => {
                let waiting = self.queues.get_or_default(queue);
                waiting.insert(since.ordinal(), id.0);
            }
        }
    }

    /// The connection whose wakeup is the earliest, if its time has come.
    pub(crate) fn first_expired(&self, now: Instant) -> Option<ConnectionId> {
        let (at, id) = self.by_time.first()?;
        (at <= now.ordinal()).then_some(ConnectionId(id))
    }

    /// The connection whose wakeup is the latest of those whose time has come.
    pub(crate) fn last_expired(&self, now: Instant) -> Option<ConnectionId> {
        let (_, id) = self.by_time.last_until(now.ordinal())?;
        Some(ConnectionId(id))
    }

    /// The queues in which a connection waits, at most two for each policy; the one that was served least recently comes
    /// first.
    pub(crate) fn queues(&self) -> Vec<Queue> {
        let queues: Vec<Queue> = self.queues.keys().copied().collect();
        let served = |queue: &Queue| self.served.get(queue).copied();
        smallest_by_number(&queues, queues.len(), |queue| {
            served(queue).unwrap_or_default()
        })
    }

    /// Records that a connection of this queue had its turn.
    pub(crate) fn record_served(&mut self, queue: Queue) {
        if self.served.len() >= MAX_SERVED && !self.served.contains_key(&queue) {
            self.served.clear();
        }
        self.serial = self.serial.saturating_add(1);
        self.served.insert(queue, self.serial);
    }

    /// The first connection in a queue.
    pub(crate) fn first_in(&self, queue: Queue) -> Option<ConnectionId> {
        let (_, id) = self.queues.get(&queue)?.first()?;
        Some(ConnectionId(id))
    }

    /// The number of connections that wait.
    pub(crate) fn len(&self) -> usize {
        let waiting: usize = self.queues.values().map(OrderedIds::len).sum();
        self.by_time.len().saturating_add(waiting)
    }
}
