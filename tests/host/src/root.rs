//! Roots: one plugin configuration on one worker.

use crate::connection::Connection;
use crate::headers::HeaderMap;
use crate::host::Worker;
use crate::properties::Properties;
use crate::stream::{Stream, StreamState};
use crate::world::{Shared, shared};

/// The traffic direction of a listener, `xds.listener_direction`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The listener has no direction.
    #[default]
    Unspecified = 0,
    /// It receives connections from other hosts.
    Inbound = 1,
    /// It receives connections from the application; also the direction of a gateway.
    Outbound = 2,
}

/// A plugin configuration: the filter entry of a listener.
#[derive(Clone, Debug)]
pub struct RootSpec {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) config: Vec<u8>,
    pub(crate) direction: Direction,
    pub(crate) node_id: String,
}

impl RootSpec {
    /// Creates a plugin with this name and root id, without configuration, on a sidecar.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            root_id: name.to_owned(),
            config: Vec::new(),
            direction: Direction::default(),
            node_id: "sidecar~10.0.0.2~app.default~default.svc.cluster.local".to_owned(),
        }
    }

    /// Sets a root id that differs from the name.
    pub fn root_id(mut self, root_id: &str) -> Self {
        root_id.clone_into(&mut self.root_id);
        self
    }

    /// Sets the bytes of the configuration.
    pub fn config(mut self, config: impl AsRef<[u8]>) -> Self {
        self.config = config.as_ref().to_vec();
        self
    }

    /// Sets the direction of the listener.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Sets the id of the proxy's node: `sidecar~..` or `router~..` in Istio.
    pub fn node_id(mut self, node_id: &str) -> Self {
        node_id.clone_into(&mut self.node_id);
        self
    }
}

/// The response to a call of a root, which is accessible during its callback.
pub(crate) struct CallResponse {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct RootState {
    pub(crate) id: u32,
    pub(crate) spec: RootSpec,
    pub(crate) properties: Properties,
    pub(crate) configuring: bool,
    pub(crate) response: Option<CallResponse>,
    /// The connections and streams of this root that are not deleted.
    pub(crate) live: usize,
    pub(crate) released: bool,
}

impl RootState {
    /// Returns a property that all connections and streams of the root have.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.properties.get(path) {
            return value;
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

/// A plugin configuration on a worker. Configuring again creates another root.
#[derive(Clone)]
pub struct Root {
    pub(crate) worker: Worker,
    pub(crate) state: Shared<RootState>,
}

impl Root {
    /// Opens a connection to a listener with this root's network filter.
    ///
    /// # Panics
    /// On the main thread, which serves no traffic.
    pub fn connect(&self) -> Connection {
        let connection = self.worker.accept();
        self.worker
            .with_vm(|vm| vm.new_connection(&self.state, &connection.state));
        connection
    }

    /// Starts a request on `connection`, in an HTTP connection manager with this root's HTTP filter. The module is notified
    /// with the headers of the request.
    ///
    /// # Panics
    /// When the connection is on another worker, or closed.
    pub fn stream(&self, connection: &Connection) -> Stream {
        assert!(
            connection.worker.is(&self.worker),
            "a connection stays on its worker"
        );
        assert!(connection.is_open(), "the connection is closed");
        let stream = shared(StreamState::new(&connection.state));
        connection.state.borrow_mut().streams.push(stream.clone());
        Stream {
            root: self.clone(),
            state: stream,
        }
    }

    /// Sets a property of this root and all of its connections and streams.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        self.state.borrow_mut().properties.set(path, value);
    }

    /// Releases the root, as Envoy does when there is a newer configuration: it is deleted when its last connection or
    /// stream has ended.
    pub fn drop_root(self) {
        self.state.borrow_mut().released = true;
        self.worker.with_vm(|vm| vm.release_root(&self.state));
    }
}
