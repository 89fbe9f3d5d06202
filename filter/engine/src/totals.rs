//! What all connections of a worker carry together, kept with each event.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_policy::Mode;

use crate::hosts::UpstreamHostId;
use crate::{ConnectionId, PerMode};

/// What one connection adds to the totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// A service's pods are compared by it.
    pub(crate) is_of_service: bool,
    /// It counts as a connection: it is not being drained.
    pub(crate) is_connection: bool,
    /// Its root enforces its policy, or is in dry run.
    pub(crate) mode: Mode,
    /// It has been chosen to go, or is being drained.
    pub(crate) goes: bool,
    /// Dry run: it would be elsewhere by now.
    pub(crate) left: bool,
    /// Rebalancing has chosen it, and it has not been told yet.
    pub(crate) is_selected: bool,
    /// Requests in flight.
    pub(crate) active: u32,
    /// The upstream host that it stays with.
    pub(crate) host: Option<UpstreamHostId>,
}

/// Connections, and requests in flight on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    pub(crate) active: u64,
}

/// What stays with one upstream host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfHost {
    pub(crate) all: Counts,
    /// The part of it that goes or, in dry run, would be elsewhere.
    pub(crate) going: PerMode<Counts>,
    /// Connections, those that are being drained included.
    members: u64,
}

/// The sums over all connections. Each event changes them by what it changes in one connection.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) service: PerMode<Counts>,
    pub(crate) going: PerMode<Counts>,
    pub(crate) left: Counts,
    pub(crate) hosts: BTreeMap<UpstreamHostId, OfHost>,
    pub(crate) selected: BTreeSet<ConnectionId>,
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
    fn change(&mut self, part: &Part, change: Change) {
        change.apply(&mut self.connections, u64::from(part.is_connection));
        change.apply(&mut self.active, u64::from(part.active));
    }
}

impl Totals {
    /// A connection adds `now` where it added `before`.
    pub(crate) fn replace(&mut self, id: ConnectionId, before: &Part, now: &Part) {
        if before != now {
            self.change(id, before, Change::Remove);
            self.change(id, now, Change::Add);
        }
    }

    fn change(&mut self, id: ConnectionId, part: &Part, change: Change) {
        if part.is_of_service {
            self.service.get_mut(part.mode).change(part, change);
            if part.goes {
                self.going.get_mut(part.mode).change(part, change);
            }
            if part.left {
                self.left.change(part, change);
            }
        }
        if let Some(host) = part.host {
            let sums = self.hosts.entry(host).or_default();
            change.apply(&mut sums.members, 1);
            sums.all.change(part, change);
            if part.goes || part.left {
                sums.going.get_mut(part.mode).change(part, change);
            }
            if sums.members == 0 {
                self.hosts.remove(&host);
            }
        }
        if part.is_selected {
            match change {
                Change::Add => self.selected.insert(id),
                Change::Remove => self.selected.remove(&id),
            };
        }
    }
}
