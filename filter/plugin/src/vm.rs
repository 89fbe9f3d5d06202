//! One VM: the contexts that the host has made, and the worker that they share.
//!
//! Callbacks arrive here by context id. An id that is not known, and a callback that the host makes from
//! within another one's hostcall, do nothing: nothing here panics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use evenkeel_policy::Role;
use evenkeel_wire::h2;

use crate::host::Host;
use crate::http::Stream;
use crate::network::Network;
use crate::peers;
use crate::worker::{Act, TICK, Worker};

/// A context's id, unique in the VM.
pub(crate) type ContextId = u32;

/// Who closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Client,
    /// Envoy, by itself or because the module asked it to.
    Proxy,
}

/// What a context is of.
enum Context {
    /// A filter entry's configuration.
    Root,
    /// A downstream connection, in the network role.
    Connection(Box<Network>),
    /// The same, by a second filter entry: it does nothing.
    Inert,
    /// An HTTP stream, in the HTTP role.
    Stream(Stream),
}

/// All that lives in one VM.
pub(crate) struct Vm {
    host: Rc<dyn Host>,
    state: RefCell<State>,
}

struct State {
    worker: Worker,
    /// A map that never pauses to grow.
    contexts: BTreeMap<ContextId, Context>,
}

impl Vm {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        let worker = Worker::new(Rc::clone(&host));
        Self {
            host,
            state: RefCell::new(State {
                worker,
                contexts: BTreeMap::new(),
            }),
        }
    }

    /// Runs `f` on the state. None, and nothing done, within another callback's hostcall.
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.state.try_borrow_mut().ok()?;
        Some(f(&mut state))
    }

    fn with_connection(&self, id: ContextId, f: impl FnOnce(&mut Network, &mut Worker)) {
        self.with(|State { worker, contexts }| {
            if let Some(Context::Connection(connection)) = contexts.get_mut(&id) {
                f(connection, worker);
            }
        });
    }

    fn with_stream<T>(
        &self,
        id: ContextId,
        f: impl FnOnce(&mut Stream, &mut Worker) -> T,
    ) -> Option<T> {
        self.with(|State { worker, contexts }| match contexts.get_mut(&id) {
            Some(Context::Stream(stream)) => Some(f(stream, worker)),
            _ => None,
        })
        .flatten()
    }

    /// A root (`root` is 0), or a connection or stream under one.
    pub(crate) fn context_created(&self, id: ContextId, root: ContextId) {
        self.with(|State { worker, contexts }| {
            let context = if root == 0 {
                Context::Root
            } else {
                match worker.role(root) {
                    Role::Network => Network::open(worker, root, id)
                        .map_or(Context::Inert, |it| Context::Connection(Box::new(it))),
                    Role::Http => Context::Stream(Stream::new(root, id)),
                }
            };
            contexts.insert(id, context);
        });
    }

    pub(crate) fn context_deleted(&self, id: ContextId) {
        self.with(|State { worker, contexts }| match contexts.remove(&id) {
            Some(Context::Root) => worker.forget(id),
            Some(Context::Connection(mut connection)) => connection.close(worker, Peer::Proxy),
            Some(Context::Stream(stream)) => stream.end(worker),
            Some(Context::Inert) | None => {}
        });
    }

    /// A root's configuration, of `size` bytes, is in hand.
    pub(crate) fn configured(&self, root: ContextId, size: usize) {
        self.with(|State { worker, .. }| worker.configure(root, size));
        let _ = self.host.set_tick_period(TICK);
    }

    pub(crate) fn ticked(&self, root: ContextId) {
        // The worker must be free again: the host calls back for each close.
        let acts = self
            .with(|State { worker, .. }| worker.tick())
            .unwrap_or_default();
        if acts.is_empty() {
            return;
        }
        for act in acts {
            match act {
                Act::Close(context) => self.host.close(context),
                Act::EndStream(context) => {
                    self.host.end_unavailable(context, h2::UNAVAILABLE_MESSAGE)
                }
                Act::Ask(question) => {
                    // The closes before it were in the name of others.
                    let _ = self.host.set_effective_context(root);
                    if !peers::ask(&*self.host, &question) {
                        self.with(|State { worker, .. }| peers::failed(worker));
                    }
                }
            }
        }
        let _ = self.host.set_effective_context(root);
    }

    pub(crate) fn client_data(&self, id: ContextId, size: usize) {
        self.with_connection(id, |connection, worker| {
            connection.client_data(worker, size)
        });
    }

    pub(crate) fn server_data(&self, id: ContextId, size: usize) {
        self.with_connection(id, |connection, worker| {
            connection.server_data(worker, size)
        });
    }

    pub(crate) fn connection_closed(&self, id: ContextId, by: Peer) {
        self.with_connection(id, |connection, worker| connection.close(worker, by));
    }

    /// True when the request is answered here and must not go on.
    pub(crate) fn request_headers(&self, id: ContextId, ends_stream: bool) -> bool {
        self.with_stream(id, |stream, worker| {
            stream.request_headers(worker, ends_stream)
        })
        .unwrap_or_default()
    }

    pub(crate) fn response_headers(&self, id: ContextId) {
        self.with_stream(id, Stream::response_headers);
    }

    /// The response to a call of this root is in hand, with so many headers and a body of `size` bytes.
    pub(crate) fn http_call_answered(&self, _root: ContextId, headers: usize, size: usize) {
        self.with(|State { worker, .. }| peers::answered(worker, headers, size));
    }
}
