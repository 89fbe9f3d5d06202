//! The lives of roots and connections: which callbacks come, and in which order.

use super::deferred::after_read;
use super::{Entered, Vm};
use crate::ClosedBy;
use crate::abi::{Action, Peer};
use crate::connection::ConnectionState;
use crate::root::RootState;
use crate::state::Context;
use crate::world::Shared;

impl Vm {
    /// A root's first three callbacks. Answers whether the module took the configuration.
    pub(crate) fn configure(&mut self, root: &Shared<RootState>) -> bool {
        let (id, size) = (root.borrow().id, root.borrow().spec.config.len() as u32);
        self.state()
            .contexts
            .insert(id, Context::Root(root.clone()));
        root.borrow_mut().configuring = true;
        self.enter("proxy_on_context_create", id, &[0]);
        let started = self.enter("proxy_on_vm_start", id, &[0]);
        let configured = match started {
            Entered::Returned(0) => started,
            _ => self.enter("proxy_on_configure", id, &[size]),
        };
        root.borrow_mut().configuring = false;
        configured != Entered::Returned(0)
    }

    /// Envoy deletes a root when none of its contexts is left.
    pub(crate) fn release_root(&mut self, root: &Shared<RootState>) {
        if !root.borrow().released || root.borrow().live > 0 || root.borrow().pending_done {
            return;
        }
        let id = root.borrow().id;
        if self.enter("proxy_on_done", id, &[]) == Entered::Returned(0) {
            // The module asked for time: it says `proxy_done` when it is ready.
            root.borrow_mut().pending_done = true;
            return;
        }
        self.enter("proxy_on_delete", id, &[]);
        self.forget_root(id);
    }

    pub(super) fn forget_root(&mut self, id: u32) {
        self.state().contexts.remove(&id);
        self.state().timers.remove(&id);
    }

    /// A root's tick.
    pub(crate) fn tick(&mut self, root: u32) {
        self.enter("proxy_on_tick", root, &[]);
    }

    /// A connection comes in on a filter chain that has the network filter of `root`.
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
        let entered = self.enter("proxy_on_new_connection", id, &[]);
        self.network_action(connection, entered);
    }

    /// Bytes from the client. Those that the next filter left come again.
    pub(crate) fn downstream_data(
        &mut self,
        connection: &Shared<ConnectionState>,
        bytes: &[u8],
        fin: bool,
    ) {
        connection.borrow_mut().read_buffer.extend_from_slice(bytes);
        let Some(id) = connection.borrow().context else {
            return after_read(connection, Action::Continue);
        };
        connection.borrow_mut().read_buffer_shown = true;
        let size = connection.borrow().read_buffer.len() as u32;
        let entered = self.enter("proxy_on_downstream_data", id, &[size, u32::from(fin)]);
        let action = self.network_action(connection, entered);
        after_read(connection, action);
    }

    /// Bytes to the client; answers what leaves.
    pub(crate) fn upstream_data(
        &mut self,
        connection: &Shared<ConnectionState>,
        bytes: &[u8],
        fin: bool,
    ) -> Vec<u8> {
        let Some(id) = connection.borrow().context else {
            return bytes.to_vec();
        };
        connection.borrow_mut().write = Some(bytes.to_vec());
        let arguments = [bytes.len() as u32, u32::from(fin)];
        let entered = self.enter("proxy_on_upstream_data", id, &arguments);
        if let Entered::Returned(result) = entered
            && Action::of(result) == Action::Pause
        {
            let world = self.state().world.clone();
            world
                .borrow()
                .fail("the module paused a write: nothing in Envoy can resume it");
        }
        self.network_action(connection, entered);
        let written = connection.borrow_mut().write.take().unwrap_or_default();
        if fin && connection.borrow().closed.is_none() {
            self.enter(
                "proxy_on_upstream_connection_close",
                id,
                &[Peer::Unknown as u32],
            );
        }
        if connection.borrow().closed.is_some() {
            Vec::new()
        } else {
            written
        }
    }

    /// The connection is over: the module's callback, then done, log and delete at once, and then the
    /// streams that were still on it.
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
        if let Some(id) = connection.borrow().context {
            self.enter("proxy_on_downstream_connection_close", id, &[peer as u32]);
            self.enter("proxy_on_done", id, &[]);
            self.enter("proxy_on_log", id, &[]);
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

    /// With a dead VM Envoy closes the connection at its next I/O.
    fn network_action(&mut self, connection: &Shared<ConnectionState>, entered: Entered) -> Action {
        match entered {
            Entered::Skipped => Action::Continue,
            Entered::Returned(result) => Action::of(result),
            Entered::Dead => {
                self.close_connection(connection, ClosedBy::DeadVm);
                Action::Pause
            }
        }
    }
}
