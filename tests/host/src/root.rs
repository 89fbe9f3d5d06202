//! Roots: one plugin configuration on one worker.

use crate::connection::Connection;
use crate::headers::HeaderMap;
use crate::host::Worker;
use crate::properties::{Properties, join};
use crate::stream::{Stream, StreamState};
use crate::world::{Shared, shared};

/// Which way a listener's traffic goes, as `xds.listener_direction` says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The listener does not say.
    #[default]
    Unspecified = 0,
    /// It receives from other hosts.
    Inbound = 1,
    /// It receives from the app beside it; a gateway's listeners say this too.
    Outbound = 2,
}

/// A plugin configuration: what a filter entry of an Envoy listener says.
#[derive(Clone, Debug)]
pub struct RootSpec {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) config: Vec<u8>,
    pub(crate) direction: Direction,
    pub(crate) node_id: String,
}

impl RootSpec {
    /// A plugin of that name and root id, with no configuration, on a sidecar.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            root_id: name.to_owned(),
            config: Vec::new(),
            direction: Direction::default(),
            node_id: "sidecar~10.0.0.2~app.default~default.svc.cluster.local".to_owned(),
        }
    }

    /// The root id, where it is not the name.
    pub fn root_id(mut self, root_id: &str) -> Self {
        root_id.clone_into(&mut self.root_id);
        self
    }

    /// The configuration's bytes; Istio gives JSON text.
    pub fn config(mut self, config: impl AsRef<[u8]>) -> Self {
        self.config = config.as_ref().to_vec();
        self
    }

    /// The direction of the listener.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// The id of the proxy's node: `sidecar~..` or `router~..` in Istio.
    pub fn node_id(mut self, node_id: &str) -> Self {
        node_id.clone_into(&mut self.node_id);
        self
    }
}

/// The answer to a call that a root made; it can be read while the root is notified of it.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct RootState {
    pub(crate) id: u32,
    pub(crate) spec: RootSpec,
    pub(crate) properties: Properties,
    pub(crate) configuring: bool,
    pub(crate) answer: Option<Answer>,
    /// Connections and streams under this root that the module still knows.
    pub(crate) live: usize,
    pub(crate) released: bool,
    pub(crate) pending_done: bool,
}

impl RootState {
    /// What is the same for all of the root's connections and streams.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(said) = self.properties.get(path) {
            return said;
        }
        match path {
            b"plugin_name" => Some(self.spec.name.clone().into_bytes()),
            b"plugin_root_id" => Some(self.spec.root_id.clone().into_bytes()),
            b"plugin_vm_id" => Some(Vec::new()),
            b"xds\0node\0id" => Some(self.spec.node_id.clone().into_bytes()),
            _ => None,
        }
    }
}

/// One plugin configuration on one worker. Configuring again makes another root beside it.
#[derive(Clone)]
pub struct Root {
    pub(crate) worker: Worker,
    pub(crate) state: Shared<RootState>,
}

impl Root {
    /// A client connects to a listener that has this root's network filter in front.
    ///
    /// # Panics
    /// On the main thread, which serves no traffic.
    pub fn connect(&self) -> Connection {
        let connection = self.worker.accept();
        self.worker
            .with_vm(|vm| vm.new_connection(&self.state, &connection.state));
        connection
    }

    /// A request begins on `connection`, in an HTTP connection manager that has this root's HTTP
    /// filter. The module hears of it with the request's headers.
    ///
    /// # Panics
    /// When the connection is on another worker, or closed.
    pub fn stream(&self, connection: &Connection) -> Stream {
        assert!(
            connection.worker.is(&self.worker),
            "a connection stays on its worker"
        );
        assert!(
            connection.is_open(),
            "no stream begins on a connection that is closed"
        );
        let stream = shared(StreamState::new(&connection.state));
        connection.state.borrow_mut().streams.push(stream.clone());
        Stream {
            root: self.clone(),
            state: stream,
        }
    }

    /// Sets a property that all of this root's contexts see, itself included.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        self.state
            .borrow_mut()
            .properties
            .set(join(path), Some(value));
    }

    /// The next tick comes one period after the last; `None` while the root has no timer.
    pub fn tick_period(&self) -> Option<std::time::Duration> {
        let id = self.state.borrow().id;
        self.worker
            .with_vm(|vm| vm.state().timers.get(&id).map(|timer| timer.period))
    }

    /// Envoy has a newer configuration and releases this one: it ends (done, delete) once its last
    /// connection or stream is gone, which may be now.
    pub fn drop_root(self) {
        self.state.borrow_mut().released = true;
        self.worker.with_vm(|vm| vm.release_root(&self.state));
    }

    /// True until the module was notified that the root is deleted.
    pub fn is_alive(&self) -> bool {
        let id = self.state.borrow().id;
        self.worker
            .with_vm(|vm| vm.state().contexts.contains_key(&id))
    }
}
