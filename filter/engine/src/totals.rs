//! The load of all connections of a worker, updated with each event.

use evenkeel_policy::Mode;

use crate::hosts::UpstreamHostId;
use crate::{ConnectionId, OrderedIds, PerMode, SortedMap};

/// What one connection adds to the totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// A service's pods are compared by this connection.
    pub(crate) is_of_service: bool,
    /// It counts as a connection: it does not drain.
    pub(crate) is_connection: bool,
    pub(crate) mode: Mode,
    /// Its drain is pending, or it drains.
    pub(crate) is_leaving: bool,
    /// A dry run would have drained it.
    pub(crate) drained_in_dry_run: bool,
    /// Rebalancing has selected it, and it does not drain yet.
    pub(crate) is_selected: bool,
    /// Active requests.
    pub(crate) active: u32,
    /// The upstream host that it stays with.
    pub(crate) host: Option<UpstreamHostId>,
}

/// Connections, and their active requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    pub(crate) active: u64,
}

/// The connections that stay with one upstream host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfHost {
    pub(crate) all: Counts,
    /// The part of them that leaves or, in dry run, would have left.
    pub(crate) leaving: PerMode<Counts>,
    /// The number of connections, with those that drain.
    members: u64,
}

/// The sums over all connections. Each event changes them by what it changes in one connection.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) service: PerMode<Counts>,
    pub(crate) leaving: PerMode<Counts>,
    pub(crate) dry_run_drained: Counts,
    pub(crate) hosts: SortedMap<UpstreamHostId, OfHost>,
    /// The connections that rebalancing has selected, with the number 0.
    pub(crate) selected: OrderedIds,
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

impl Change {
    fn apply(self, sum: &mut u64, part: u64) {
        *sum = match self {
            Self::Add => sum.saturating_add(part),
            Self::Remove => sum.saturating_sub(part),
        };
    }
}

impl Counts {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            connections: self.connections.saturating_add(other.connections),
            active: self.active.saturating_add(other.active),
        }
    }

    fn change(&mut self, part: &Part, change: Change) {
        change.apply(&mut self.connections, u64::from(part.is_connection));
        change.apply(&mut self.active, u64::from(part.active));
    }
}

impl Totals {
    /// Replaces what a connection adds.
    #[inline]
    pub(crate) fn replace(&mut self, id: ConnectionId, before: &Part, now: &Part) {
        if before != now {
            self.change(id, before, Change::Remove);
            self.change(id, now, Change::Add);
        }
    }

    fn change(&mut self, id: ConnectionId, part: &Part, change: Change) {
        if part.is_of_service {
            self.service.get_mut(part.mode).change(part, change);
            if part.is_leaving {
                self.leaving.get_mut(part.mode).change(part, change);
            }
            if part.drained_in_dry_run {
                self.dry_run_drained.change(part, change);
            }
        }
        if let Some(host) = part.host {
            let sums = self.hosts.get_or_default(host);
            change.apply(&mut sums.members, 1);
            sums.all.change(part, change);
            if part.is_leaving || part.drained_in_dry_run {
                sums.leaving.get_mut(part.mode).change(part, change);
            }
            if sums.members == 0 {
                self.hosts.remove(&host);
            }
        }
        if part.is_selected {
            match change {
                Change::Add => self.selected.insert(0, id.0),
                Change::Remove => self.selected.remove(0, id.0),
            };
        }
    }
}
