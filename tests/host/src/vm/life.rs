//! The callbacks of roots and connections in Envoy's order.

use super::Vm;
use crate::ClosedBy;
use crate::abi::Peer;
use crate::connection::ConnectionState;
use crate::root::RootState;
use crate::state::Context;
use crate::world::Shared;

impl Vm {
    /// Creates and configures a root. Returns whether the module accepted the configuration.
    pub(crate) fn configure(&mut self, root: &Shared<RootState>) -> bool {
        let (id, size) = (root.borrow().id, root.borrow().spec.config.len() as u32);
        self.state()
            .contexts
            .insert(id, Context::Root(root.clone()));
        root.borrow_mut().configuring = true;
        self.enter("proxy_on_context_create", id, &[0]);
        let accepted = !self.callbacks.contains_key("proxy_on_configure")
            || self.enter("proxy_on_configure", id, &[size]) != 0;
        root.borrow_mut().configuring = false;
        accepted
    }

    /// Deletes a released root if it has no contexts.
    pub(crate) fn release_root(&mut self, root: &Shared<RootState>) {
        if !root.borrow().released || root.borrow().live > 0 {
            return;
        }
        let id = root.borrow().id;
        self.enter("proxy_on_delete", id, &[]);
        self.state().contexts.remove(&id);
        self.state().timers.remove(&id);
    }

    pub(crate) fn tick(&mut self, root: u32) {
        self.enter("proxy_on_tick", root, &[]);
    }

    /// Opens a connection on a filter chain with the network filter of `root`.
    pub(crate) fn new_connection(
        &mut self,
        root: &Shared<RootState>,
        connection: &Shared<ConnectionState>,
    ) {
        let id = self.create(root, |root| Context::Network {
            root,
            connection: connection.clone(),
        });
        connection.borrow_mut().context = Some(id);
    }

    /// Passes bytes of the client. Bytes that the next filter did not take are passed again.
    pub(crate) fn downstream_data(&mut self, connection: &Shared<ConnectionState>, bytes: &[u8]) {
        connection.borrow_mut().read_buffer.extend_from_slice(bytes);
        let context = connection.borrow().context;
        if let Some(id) = context {
            connection.borrow_mut().is_reading = true;
            let size = connection.borrow().read_buffer.len() as u32;
            if self.enter("proxy_on_downstream_data", id, &[size, 0]) != 0 {
                self.fail("the module paused a read: it has no hostcall to resume it");
            }
        }
        let mut connection = connection.borrow_mut();
        connection.is_reading = false;
        if connection.closed.is_none() {
            let len = connection.read_buffer.len();
            let taken = connection.takes.unwrap_or(len).min(len);
            let passed: Vec<u8> = connection.read_buffer.drain(..taken).collect();
            connection.passed_on.extend(passed);
        }
    }

    /// Passes bytes to the client; returns the bytes that it receives.
    pub(crate) fn upstream_data(
        &mut self,
        connection: &Shared<ConnectionState>,
        bytes: &[u8],
    ) -> Vec<u8> {
        let Some(id) = connection.borrow().context else {
            return bytes.to_vec();
        };
        connection.borrow_mut().write = Some(bytes.to_vec());
        if self.enter("proxy_on_upstream_data", id, &[bytes.len() as u32, 0]) != 0 {
            self.fail("the module paused a write: Envoy cannot resume it");
        }
        let mut connection = connection.borrow_mut();
        let written = connection.write.take().unwrap_or_default();
        match connection.closed {
            Some(_) => Vec::new(),
            None => written,
        }
    }

    /// Closes a connection: the module's callback, delete, and then the end of its streams.
    pub(crate) fn close_connection(&mut self, connection: &Shared<ConnectionState>, by: ClosedBy) {
        if connection.borrow().closed.is_some() {
            return;
        }
        connection.borrow_mut().closed = Some(by);
        let peer = if by == ClosedBy::Client {
            Peer::Remote
        } else {
            Peer::Local
        };
        let context = connection.borrow().context;
        if let Some(id) = context {
            self.enter("proxy_on_downstream_connection_close", id, &[peer as u32]);
            self.delete(id);
        }
        let streams = std::mem::take(&mut connection.borrow_mut().streams);
        for stream in streams {
            self.end_stream(&stream);
        }
    }

    pub(super) fn create(
        &mut self,
        root: &Shared<RootState>,
        context: impl FnOnce(Shared<RootState>) -> Context,
    ) -> u32 {
        let id = self.state().next_context_id();
        root.borrow_mut().live += 1;
        self.state().contexts.insert(id, context(root.clone()));
        let root_id = root.borrow().id;
        self.enter("proxy_on_context_create", id, &[root_id]);
        id
    }

    pub(super) fn delete(&mut self, id: u32) {
        self.enter("proxy_on_delete", id, &[]);
        if let Some(context) = self.state().contexts.remove(&id) {
            let root = context.root().clone();
            root.borrow_mut().live -= 1;
            self.release_root(&root);
        }
    }

    pub(super) fn fail(&mut self, what: &str) -> ! {
        let world = self.state().world.clone();
        world.borrow().fail(what)
    }
}
