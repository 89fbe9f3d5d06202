//! The connections of one worker, by id, and their total load.

use core::time::Duration;

use crate::connection::Connection;
use crate::id_table::IdTable;
use crate::slab::Key;
use crate::totals::{Part, Totals};
use crate::{ConnectionId, Instant, SortedMap};

/// The connections, and their totals.
///
/// The totals follow every change: a connection that is accessed mutably is *touched*, and before another one is, or the
/// totals are read, its part of them is computed again. So no event can forget to count, and none visits a second
/// connection.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    table: IdTable<Entry>,
    /// The connection that may have changed since the totals were last updated.
    touched: Option<Key>,
    totals: Totals,
    /// The sum of the times at which connections opened, in nanoseconds.
    opened: u128,
    /// How many connections each policy has.
    policies: SortedMap<u32, usize>,
}

/// A connection, and what the totals include of it.
#[derive(Debug)]
struct Entry {
    connection: Connection,
    part: Part,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores a connection whose id is not stored yet.
    pub(crate) fn insert(&mut self, connection: Connection) {
        let (id, opened, policy) = (
            connection.id(),
            connection.opened(),
            connection.origin().policy,
        );
        let entry = Entry {
            connection,
            part: Part::default(),
        };
        self.update_totals();
        if self.table.insert(id.0, entry).is_some() {
            self.touched = self.table.find(id.0);
            self.opened = self.opened.saturating_add(opened.as_nanos().into());
            let count = self.policies.get_or_default(policy);
            *count = count.saturating_add(1);
        }
    }

    pub(crate) fn remove(&mut self, id: &ConnectionId) -> Option<Connection> {
        self.update_totals();
        let Entry { connection, part } = self.table.remove(id.0)?;
        self.totals.replace(*id, &part, &Part::default());
        let opened = connection.opened().as_nanos();
        self.opened = self.opened.saturating_sub(opened.into());
        let policy = connection.origin().policy;
        self.policies.change_or_remove(&policy, |count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        Some(connection)
    }

    pub(crate) fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        self.table.get(id.0).map(|entry| &entry.connection)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        let key = self.table.find(id.0)?;
        if self.touched != Some(key) {
            self.update_totals();
            self.touched = Some(key);
        }
        self.table.at_mut(key).map(|entry| &mut entry.connection)
    }

    fn update_totals(&mut self) {
        let touched = self.touched.take();
        if let Some(entry) = touched.and_then(|key| self.table.at_mut(key)) {
            entry.update(&mut self.totals);
        }
    }

    /// The load of all connections.
    pub(crate) fn totals(&mut self) -> &Totals {
        self.update_totals();
        &self.totals
    }

    /// The connections that rebalancing has selected.
    pub(crate) fn selected(&mut self) -> impl Iterator<Item = &Connection> {
        self.update_totals();
        let selected = self.totals.selected.after(None);
        selected.filter_map(|(_, id)| self.get(&ConnectionId(id)))
    }

    /// The sum of the ages of all connections.
    pub(crate) fn total_age(&self, now: Instant) -> Duration {
        let until = u128::from(now.as_nanos()).saturating_mul(self.len() as u128);
        let nanos = until.saturating_sub(self.opened);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The policies that have a connection.
    pub(crate) fn policies(&self) -> impl Iterator<Item = u32> {
        self.policies.keys().copied()
    }

    /// As [`Connections::slice_mut`], without changes.
    pub(crate) fn slice(
        &mut self,
        cursor: usize,
        most: usize,
        mut visit: impl FnMut(&Connection),
    ) -> Option<usize> {
        self.table
            .slice_mut(cursor, most, |entry| visit(&entry.connection))
    }

    /// Visits connections in at most `most` slots from `cursor` on. Gives the cursor of the next slice, or None at the end.
    pub(crate) fn slice_mut(
        &mut self,
        cursor: usize,
        most: usize,
        mut visit: impl FnMut(&mut Connection),
    ) -> Option<usize> {
        self.update_totals();
        let totals = &mut self.totals;
        self.table.slice_mut(cursor, most, |entry| {
            visit(&mut entry.connection);
            entry.update(totals);
        })
    }

    /// Visits all connections, however long that takes: only for rare events such as a change of policy.
    pub(crate) fn visit_all(&mut self, visit: impl FnMut(&mut Connection)) {
        self.slice_mut(0, usize::MAX, visit);
    }
}

impl Entry {
    #[inline]
    fn update(&mut self, totals: &mut Totals) {
        let part = self.connection.part();
        totals.replace(self.connection.id(), &self.part, &part);
        self.part = part;
    }
}
