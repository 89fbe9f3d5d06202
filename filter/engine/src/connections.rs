//! The connections of one worker, by id.

use core::cell::Cell;
use std::collections::BTreeMap;

use crate::ConnectionId;
use crate::connection::Connection;
use crate::slab::{Key, Slab};

/// Connections in a slab, with an index by id. The index is a tree because a hash map moves all of its entries
/// when it grows, and with many connections that stops the worker.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slab: Slab<(ConnectionId, Connection)>,
    index: BTreeMap<ConnectionId, Key>,
    /// The connection that was last looked up: a callback of the host is about one connection, and asks for
    /// it several times.
    recent: Cell<Option<(ConnectionId, Key)>>,
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
        if let Some(key) = self.slab.insert((id, connection)) {
            self.index.insert(id, key);
        }
        old
    }

    pub(crate) fn remove(&mut self, id: &ConnectionId) -> Option<Connection> {
        let key = self.index.remove(id)?;
        self.recent.set(None);
        self.slab.remove(key).map(|(_, connection)| connection)
    }

    pub(crate) fn get(&self, id: &ConnectionId) -> Option<&Connection> {
        let key = self.find(*id)?;
        self.slab.get(key).map(|(_, connection)| connection)
    }

    pub(crate) fn get_mut(&mut self, id: &ConnectionId) -> Option<&mut Connection> {
        let key = self.find(*id)?;
        self.slab.get_mut(key).map(|(_, connection)| connection)
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

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &Connection)> {
        self.slab.iter().map(|(id, connection)| (*id, connection))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        let entries = self.slab.iter_mut();
        entries.map(|(id, connection)| (*id, connection))
    }
}
