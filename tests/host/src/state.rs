//! The state of a VM that its hostcalls access.

use crate::abi::{BufferType, MapType, Status};
use crate::connection::ConnectionState;
use crate::headers::HeaderMap;
use crate::metrics::Ids;
use crate::root::RootState;
use crate::stream::{LocalResponse, StreamState};
use crate::world::{Shared, World};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use wasmtime::{Memory, TypedFunc};

/// A plugin configuration, a connection or an HTTP stream, which the module knows by its context id.
#[derive(Clone)]
pub(crate) enum Context {
    Root(Shared<RootState>),
    Network {
        root: Shared<RootState>,
        connection: Shared<ConnectionState>,
    },
    Http {
        root: Shared<RootState>,
        stream: Shared<StreamState>,
    },
}

impl Context {
    pub(crate) fn root(&self) -> &Shared<RootState> {
        match self {
            Self::Root(root) | Self::Network { root, .. } | Self::Http { root, .. } => root,
        }
    }
}

/// An action that a hostcall requested, and that Envoy performs when the module has returned.
pub(crate) enum Deferred {
    CloseConnection(Shared<ConnectionState>),
    RespondLocally(Shared<StreamState>, LocalResponse),
}

/// The period of a root's ticks, and when the next one is due on the steady clock.
pub(crate) struct Timer {
    pub(crate) period: Duration,
    pub(crate) due: Duration,
}

pub(crate) struct VmState {
    pub(crate) worker: usize,
    pub(crate) world: Shared<World>,
    pub(crate) memory: Option<Memory>,
    pub(crate) malloc: Option<TypedFunc<u32, u32>>,
    pub(crate) contexts: BTreeMap<u32, Context>,
    pub(crate) timers: BTreeMap<u32, Timer>,
    pub(crate) metric_ids: Ids,
    pub(crate) deferred: VecDeque<Deferred>,
    pub(crate) calls_made: u32,
    /// The context of the current callback, and the one that the module selected instead.
    current: u32,
    effective: u32,
    next_context: u32,
}

impl VmState {
    pub(crate) fn new(worker: usize, world: Shared<World>) -> Self {
        Self {
            worker,
            world,
            memory: None,
            malloc: None,
            contexts: BTreeMap::new(),
            timers: BTreeMap::new(),
            metric_ids: Ids::default(),
            deferred: VecDeque::new(),
            calls_made: 0,
            current: 0,
            effective: 0,
            next_context: 1,
        }
    }

    /// Returns a new id. Roots, connections and streams of a VM share one sequence.
    pub(crate) fn next_context_id(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        id
    }

    /// Sets the current and the effective context; returns the previous ones.
    pub(crate) fn set_contexts(&mut self, current: u32, effective: u32) -> (u32, u32) {
        let before = (self.current, self.effective);
        (self.current, self.effective) = (current, effective);
        before
    }

    pub(crate) fn set_effective(&mut self, context: u32) -> Result<(), Status> {
        if context != 0 && !self.contexts.contains_key(&context) {
            return Err(Status::BadArgument);
        }
        self.effective = context;
        Ok(())
    }

    /// Returns the context of a hostcall: the effective one or, if it is deleted, the current one.
    pub(crate) fn context(&self) -> Option<Context> {
        self.contexts
            .get(&self.effective)
            .or_else(|| self.contexts.get(&self.current))
            .cloned()
    }

    pub(crate) fn violate(&self, what: impl Into<String>) {
        self.world.borrow_mut().violate(what);
    }

    /// Returns a buffer. Outside its callback, the buffer of a connection is empty; others do not exist.
    pub(crate) fn buffer(&self, kind: BufferType) -> Result<Vec<u8>, Status> {
        let context = self.context().ok_or(Status::NotFound)?;
        match (kind, &context) {
            (BufferType::PluginConfiguration, Context::Root(root)) => {
                let root = root.borrow();
                let config = root.configuring.then(|| root.spec.config.clone());
                config.ok_or(Status::NotFound)
            }
            (BufferType::PluginConfiguration, _) => Err(Status::NotFound),
            (BufferType::CallResponseBody, context) => {
                let root = context.root().borrow();
                let response = root.response.as_ref().ok_or(Status::NotFound)?;
                Ok(response.body.clone())
            }
            (kind, _) => {
                let mut bytes = Vec::new();
                self.with_connection_buffer(kind, |buffer| bytes.clone_from(buffer));
                Ok(bytes)
            }
        }
    }

    /// Changes a buffer by Envoy's rule: it inserts before the start, replaces everything, or appends to the end.
    pub(crate) fn set_buffer(
        &self,
        kind: BufferType,
        start: u32,
        len: u32,
        bytes: &[u8],
    ) -> Result<(), Status> {
        let (start, len) = (start as usize, len as usize);
        let mut outcome = Err(Status::BadArgument);
        self.with_connection_buffer(kind, |buffer| {
            let range = match (start, len) {
                (0, 0) => 0..0,
                (0, len) if len >= buffer.len() => 0..buffer.len(),
                (1.., _) if start >= buffer.len() => buffer.len()..buffer.len(),
                _ => return,
            };
            buffer.splice(range, bytes.iter().copied());
            outcome = Ok(());
        });
        outcome
    }

    fn with_connection_buffer(&self, kind: BufferType, access: impl FnOnce(&mut Vec<u8>)) {
        let Some(Context::Network { connection, .. }) = self.context() else {
            return;
        };
        let mut connection = connection.borrow_mut();
        match kind {
            BufferType::Downstream if connection.is_reading => access(&mut connection.read_buffer),
            BufferType::Upstream => {
                if let Some(buffer) = &mut connection.write {
                    access(buffer);
                }
            }
            _ => {}
        }
    }

    /// Calls `access` with headers if they are accessible now.
    pub(crate) fn with_headers<T>(
        &self,
        kind: MapType,
        access: impl FnOnce(&mut HeaderMap) -> T,
    ) -> Option<T> {
        match self.context()? {
            Context::Http { stream, .. } => stream.borrow_mut().headers(kind).map(access),
            context if kind == MapType::CallResponse => {
                let mut root = context.root().borrow_mut();
                Some(access(&mut root.response.as_mut()?.headers))
            }
            _ => None,
        }
    }
}
