//! The connections of one worker, by id, and what they carry together.

use core::cell::Cell;
use std::collections::BTreeMap;

use crate::connection::Connection;
use crate::slab::{Key, Slab};
use crate::totals::{Part, Totals};
use crate::{ConnectionId, Instant};

/// Connections in a slab, with an index by id. The index is a tree because a hash map moves all of its entries
/// when it grows, and with many connections that stops the worker.
///
/// The totals follow every change: to get a connection for a change makes it the one that is *open*, and
/// before the next one is opened or the totals are read, what it adds to them is computed anew. So no event can
/// forget to count, and none looks at a second connection.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slab: Slab<Entry>,
    index: BTreeMap<ConnectionId, Key>,
    /// The connection that was last looked up: a callback of the host is about one connection, and asks for
    /// it several times.
    recent: Cell<Option<(ConnectionId, Key)>>,
    /// The connection that may have changed since the totals were last brought up to date.
    open: Option<Key>,
    totals: Totals,
    /// When the connections opened, added up, in nanoseconds.
    opened: u128,
    /// How many connections each policy has.
    policies: BTreeMap<u32, usize>,
}

/// A connection as it is stored.
#[derive(Debug)]
pub(crate) struct Entry {
    id: ConnectionId,
    /// What the totals include of it.
    part: Part,
    connection: Connection,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Stores a connection. Gives the one that had this id before.
    pub(crate) fn insert(
        &mut self,
        id: ConnectionId,
        connection: Connection,
    ) -> Option<Connection> {
        let old = self.remove(&id);
        let (opened, policy) = (connection.opened, connection.origin.policy);
        let entry = Entry {
            id,
            part: Part::default(),
            connection,
        };
        if let Some(key) = self.slab.insert(entry) {
            self.settle();
            self.open = Some(key);
            self.index.insert(id, key);
            self.opened = self.opened.saturating_add(opened.as_nanos().into());
            let count = self.policies.entry(policy).or_default();
            *count = count.saturating_add(1);
        }
        old
    }

    pub(crate) fn remove(&mut self, id: &ConnectionId) -> Option<Connection> {
        let key = self.index.remove(id)?;
        self.settle();
        self.recent.set(None);
        let Entry {
            part, connection, ..
        } = self.slab.remove(key)?;
        self.totals.replace(*id, &part, &Part::default());
        let opened = connection.opened.as_nanos();
        self.opened = self.opened.saturating_sub(opened.into());
        if let Some(count) = self.policies.get_mut(&connection.origin.policy) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.policies.remove(&connection.origin.policy);
            }
        }
        Some(connection)
    }

    pub(crate) fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        let key = self.find(*id)?;
        self.slab.get(key).map(|entry| &entry.connection)
    }

    pub(crate) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        let key = self.find(*id)?;
        if self.open != Some(key) {
            self.settle();
            self.open = Some(key);
        }
        self.slab.get_mut(key).map(|entry| &mut entry.connection)
    }

    fn find(&self, id: ConnectionId) -> Option<Key> {
        if let Some((recent, key)) = self.recent.get()
            && recent == id
        {
            return Some(key);
        }
        let key = *self.index.get(&id)?;
        self.recent.set(Some((id, key)));
        Some(key)
    }

    /// Brings the totals up to date with the connection that may have changed.
    fn settle(&mut self) {
        let open = self.open.take();
        if let Some(entry) = open.and_then(|key| self.slab.get_mut(key)) {
            entry.settle(&mut self.totals);
        }
    }

    /// What all connections carry together now.
    pub(crate) fn totals(&mut self) -> &Totals {
        self.settle();
        &self.totals
    }

    /// The ages of all connections, added up.
    pub(crate) fn age(&self, now: Instant) -> core::time::Duration {
        let until = u128::from(now.as_nanos()).saturating_mul(self.len() as u128);
        let nanos = until.saturating_sub(self.opened);
        core::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The policies that have a connection.
    pub(crate) fn policies(&self) -> impl Iterator<Item = u32> {
        self.policies.keys().copied()
    }

    /// Visits connections in at most `most` slots from `cursor` on. Gives the cursor of the next slice, or None at
    /// the end.
    pub(crate) fn slice_mut(
        &mut self,
        cursor: usize,
        most: usize,
        mut visit: impl FnMut(ConnectionId, &mut Connection),
    ) -> Option<usize> {
        self.settle();
        let totals = &mut self.totals;
        self.slab.slice_mut(cursor, most, |entry| {
            visit(entry.id, &mut entry.connection);
            entry.settle(totals);
        })
    }

    /// Visits all connections, however long that takes: only for what happens as rarely as a change of policy.
    pub(crate) fn visit_all(&mut self, visit: impl FnMut(ConnectionId, &mut Connection)) {
        self.slice_mut(0, usize::MAX, visit);
    }
}

impl Entry {
    fn settle(&mut self, totals: &mut Totals) {
        let part = self.connection.part();
        totals.replace(self.id, &self.part, &part);
        self.part = part;
    }
}
