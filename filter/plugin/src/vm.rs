//! One VM: the contexts that the host created, and the worker that they share.
//!
//! Callbacks arrive here by context id. A callback for an unknown id, or from within a hostcall of another callback,
//! does nothing: nothing here panics.

use std::cell::RefCell;
use std::rc::Rc;

use evenkeel_engine::IdTable;
use evenkeel_policy::Role;
use evenkeel_wire::h2;

use crate::host::Host;
use crate::network::Downstream;
use crate::worker::{Action, Request, TICK, Worker};

/// A context's id, unique in the VM.
pub(crate) type ContextId = u32;

/// Who closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    Client,
    /// Envoy, by itself or because the module asked it to.
    Proxy,
}

/// What a context stands for.
enum Context {
    /// A filter entry's configuration.
    Root,
    /// A downstream connection, in the network role.
    Connection(Box<Downstream>),
    /// A connection that another filter entry manages.
    Inert,
    /// An HTTP stream, in the HTTP role.
    Stream(Request),
}

/// The state of one VM.
pub(crate) struct Vm {
    host: Rc<dyn Host>,
    state: RefCell<State>,
}

struct State {
    worker: Worker,
    contexts: IdTable<Context>,
}

impl Vm {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        let worker = Worker::new(Rc::clone(&host));
        Self {
            host,
            state: RefCell::new(State {
                worker,
                contexts: IdTable::default(),
            }),
        }
    }

    /// Runs `f` on the state. Does nothing within a hostcall of another callback.
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.state.try_borrow_mut().ok()?;
        Some(f(&mut state))
    }

    fn with_connection(&self, id: ContextId, f: impl FnOnce(&mut Downstream, &mut Worker)) {
        self.with(|State { worker, contexts }| {
            if let Some(Context::Connection(connection)) = contexts.get_mut(id.into()) {
                f(connection, worker);
            }
        });
    }

    fn with_stream<T>(
        &self,
        id: ContextId,
        f: impl FnOnce(&mut Request, &mut Worker) -> T,
    ) -> Option<T> {
        self.with(
            |State { worker, contexts }| match contexts.get_mut(id.into()) {
                Some(Context::Stream(request)) => Some(f(request, worker)),
                _ => None,
            },
        )
        .flatten()
    }

    /// The host created a root (`root` is 0), or a connection or stream under one.
    pub(crate) fn context_created(&self, id: ContextId, root: ContextId) {
        self.with(|State { worker, contexts }| {
            let context = if root == 0 {
                Context::Root
            } else {
                match worker.role(root) {
                    Role::Network => Downstream::open(worker, root, id)
                        .map_or(Context::Inert, |it| Context::Connection(Box::new(it))),
                    Role::Http => Context::Stream(Request::new(root, id)),
                }
            };
            contexts.insert(id.into(), context);
        });
    }

    pub(crate) fn context_deleted(&self, id: ContextId) {
        self.with(
            |State { worker, contexts }| match contexts.remove(id.into()) {
                Some(Context::Root) => worker.remove_root(id),
                Some(Context::Connection(mut connection)) => {
                    connection.close(worker, ClosedBy::Proxy)
                }
                Some(Context::Stream(request)) => worker.request_ended(request),
                Some(Context::Inert) | None => {}
            },
        );
    }

    /// The host has a root's configuration, of `size` bytes.
    pub(crate) fn configured(&self, root: ContextId, size: usize) {
        self.with(|State { worker, .. }| worker.configure(root, size));
        let _ = self.host.set_tick_period(TICK);
    }

    pub(crate) fn ticked(&self, root: ContextId) {
        // The state must be free again: the host calls back for each close.
        let actions = self
            .with(|State { worker, .. }| worker.tick())
            .unwrap_or_default();
        if actions.is_empty() {
            return;
        }
        for action in actions {
            match action {
                Action::CloseConnection(context) => self.host.close(context),
                Action::EndStream(context) => {
                    self.host.end_unavailable(context, h2::UNAVAILABLE_MESSAGE)
                }
                Action::SendPeerRequest(request) => {
                    // The actions before it set other contexts.
                    let _ = self.host.set_effective_context(root);
                    if !request.send(&*self.host) {
                        self.with(|State { worker, .. }| worker.peer_request_failed());
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

    pub(crate) fn connection_closed(&self, id: ContextId, by: ClosedBy) {
        self.with_connection(id, |connection, worker| connection.close(worker, by));
    }

    /// True if the module responds to the request, which must not go on.
    pub(crate) fn request_headers(&self, id: ContextId, ends_stream: bool) -> bool {
        self.with_stream(id, |request, worker| {
            worker.request_started(request, ends_stream)
        })
        .unwrap_or_default()
    }

    pub(crate) fn response_headers(&self, id: ContextId) {
        self.with_stream(id, |request, worker| worker.response_started(request));
    }

    /// The host has the response to a call of this root, with this number of headers and a body of `size` bytes.
    pub(crate) fn http_call_responded(&self, _root: ContextId, headers: usize, size: usize) {
        self.with(|State { worker, .. }| worker.peer_responded(headers, size));
    }
}
