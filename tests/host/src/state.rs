//! What one VM's hostcalls look at: its contexts, who is speaking, and what waits for it to return.

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

/// A plugin configuration, a connection or an HTTP stream, as the module knows it by its context id.
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

/// What a hostcall asked for that Envoy does once the module has returned.
pub(crate) enum Deferred {
    CloseConnection(Shared<ConnectionState>),
    ContinueReading(Shared<ConnectionState>),
    ContinueStream(Shared<StreamState>),
    ResetStream(Shared<StreamState>),
    RespondLocally(Shared<StreamState>, LocalResponse),
    DeleteRoot(Shared<RootState>),
}

/// When a root's next tick is due on the steady clock.
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
    /// While the host itself has the VM run (start, allocation), the log is all there is.
    pub(crate) restricted: bool,
    /// After a local response the filters behind see nothing, whatever the callback returns.
    pub(crate) stop_iteration: bool,
    pub(crate) calls_made: u32,
    speaker: Speaker,
    next_context: u32,
}

/// Whom a hostcall is attributed to: the context whose callback runs, or the one it asked to be.
#[derive(Clone, Copy)]
pub(crate) struct Speaker {
    current: u32,
    effective: u32,
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
            restricted: false,
            stop_iteration: false,
            calls_made: 0,
            speaker: Speaker {
                current: 0,
                effective: 0,
            },
            next_context: 1,
        }
    }

    /// Roots, connections and streams of a VM draw from one row of ids.
    pub(crate) fn next_context_id(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        id
    }

    /// Attributes what follows to `context`; answers whom to go back to.
    pub(crate) fn speak_as(&mut self, context: u32) -> Speaker {
        std::mem::replace(
            &mut self.speaker,
            Speaker {
                current: context,
                effective: 0,
            },
        )
    }

    pub(crate) fn speak_again_as(&mut self, speaker: Speaker) {
        self.speaker = speaker;
    }

    pub(crate) fn set_effective(&mut self, context: u32) -> Result<(), Status> {
        if context != 0 && !self.contexts.contains_key(&context) {
            return Err(Status::BadArgument);
        }
        self.speaker.effective = context;
        Ok(())
    }

    /// The context that hostcalls are about. The effective one may have gone: then the current one.
    pub(crate) fn context(&self) -> Option<Context> {
        let Speaker { current, effective } = self.speaker;
        self.contexts
            .get(&effective)
            .or_else(|| self.contexts.get(&current))
            .cloned()
    }

    pub(crate) fn violate(&self, what: impl Into<String>) {
        self.world.borrow_mut().violate(what);
    }

    /// Looks at a buffer. Outside its callback a stream's buffer is there and empty, a plugin
    /// configuration is not there.
    pub(crate) fn buffer(&self, kind: BufferType) -> Result<Vec<u8>, Status> {
        let context = self.context().ok_or(Status::NotFound)?;
        match (kind, &context) {
            (BufferType::PluginConfiguration, Context::Root(root)) => {
                let root = root.borrow();
                if root.configuring {
                    Ok(root.spec.config.clone())
                } else {
                    Err(Status::NotFound)
                }
            }
            (BufferType::PluginConfiguration, _) => Err(Status::NotFound),
            (BufferType::CallResponseBody, context) => {
                let root = context.root().borrow();
                let answer = root.answer.as_ref().ok_or(Status::NotFound)?;
                Ok(answer.body.clone())
            }
            (kind, _) => {
                let mut bytes = Vec::new();
                self.with_stream_buffer(kind, |buffer| bytes.clone_from(buffer));
                Ok(bytes)
            }
        }
    }

    /// Changes a buffer by Envoy's rule: from 0 and of no length is before it, from 0 and at least its
    /// length is instead of it, from its end or beyond is after it, and there is nothing else.
    pub(crate) fn set_buffer(
        &self,
        kind: BufferType,
        start: u32,
        len: u32,
        bytes: &[u8],
    ) -> Result<(), Status> {
        let (start, len) = (start as usize, len as usize);
        let mut outcome = Err(Status::BadArgument);
        self.with_stream_buffer(kind, |buffer| {
            outcome = match (start, len) {
                (0, 0) => {
                    buffer.splice(0..0, bytes.iter().copied());
                    Ok(())
                }
                (0, len) if len >= buffer.len() => {
                    *buffer = bytes.to_vec();
                    Ok(())
                }
                (0, _) => Err(Status::BadArgument),
                (start, _) if start >= buffer.len() => {
                    buffer.extend_from_slice(bytes);
                    Ok(())
                }
                _ => Err(Status::BadArgument),
            };
        });
        outcome
    }

    fn with_stream_buffer(&self, kind: BufferType, look: impl FnOnce(&mut Vec<u8>)) {
        let context = self.context();
        match (kind, context) {
            (BufferType::Downstream, Some(Context::Network { connection, .. })) => {
                let mut connection = connection.borrow_mut();
                if connection.read_buffer_shown {
                    look(&mut connection.read_buffer);
                }
            }
            (BufferType::Upstream, Some(Context::Network { connection, .. })) => {
                if let Some(buffer) = &mut connection.borrow_mut().write {
                    look(buffer);
                }
            }
            (BufferType::RequestBody, Some(Context::Http { stream, .. })) => {
                if let Some(buffer) = stream.borrow_mut().request.shown_body() {
                    look(buffer);
                }
            }
            (BufferType::ResponseBody, Some(Context::Http { stream, .. })) => {
                if let Some(buffer) = stream.borrow_mut().response.shown_body() {
                    look(buffer);
                }
            }
            _ => {}
        }
    }

    /// Looks at headers or trailers that may be read now.
    pub(crate) fn map(&self, kind: MapType) -> Option<HeaderMap> {
        match self.context()? {
            Context::Http { stream, .. } if (kind as u32) < 4 => stream.borrow().readable(kind),
            context => {
                let root = context.root().borrow();
                let answer = root.answer.as_ref()?;
                match kind {
                    MapType::CallResponseHeaders => Some(answer.headers.clone()),
                    _ => None,
                }
            }
        }
    }

    /// Changes headers or trailers that are shown now.
    pub(crate) fn change_map(
        &self,
        kind: MapType,
        change: impl FnOnce(&mut HeaderMap),
    ) -> Result<(), Status> {
        if let Some(Context::Http { stream, .. }) = self.context()
            && let Some(map) = stream.borrow_mut().writable(kind)
        {
            change(map);
            return Ok(());
        }
        Err(Status::BadArgument)
    }

    /// True while the maps may be absent: then asking for a header answers that it is not found.
    pub(crate) fn in_log_phase(&self) -> bool {
        match self.context() {
            Some(Context::Http { stream, .. }) => stream.borrow().logging,
            _ => false,
        }
    }
}
