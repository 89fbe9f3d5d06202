//! Downstream connections, and the network filter on them.

use crate::host::Worker;
use crate::properties::{Properties, join};
use crate::stream::StreamState;
use crate::world::Shared;

/// Who closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client closed.
    Client,
    /// Envoy, because of the server or a limit of its own.
    Server,
    /// The module, by `proxy_close_stream`.
    Module,
    /// Envoy, because the module's VM is dead.
    DeadVm,
}

pub(crate) struct ConnectionState {
    pub(crate) id: u64,
    pub(crate) properties: Properties,
    /// The network filter's context, on a listener that has one.
    pub(crate) context: Option<u32>,
    pub(crate) streams: Vec<Shared<StreamState>>,
    /// Bytes from the client that the next filter has not taken.
    pub(crate) read_buffer: Vec<u8>,
    /// The module may read the read buffer: in its callback, and while it holds bytes back.
    pub(crate) read_buffer_shown: bool,
    /// The current write, during its callback.
    pub(crate) write: Option<Vec<u8>>,
    /// The most bytes per read, if limited.
    pub(crate) takes: Option<usize>,
    pub(crate) passed_on: Vec<u8>,
    pub(crate) closed: Option<ClosedBy>,
}

impl ConnectionState {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            properties: Properties::default(),
            context: None,
            streams: Vec::new(),
            read_buffer: Vec::new(),
            read_buffer_shown: false,
            write: None,
            takes: None,
            passed_on: Vec::new(),
            closed: None,
        }
    }

    /// The properties of a plain-text connection over IPv4, with its own client port.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(said) = self.properties.get(path) {
            return said;
        }
        let client_port = 10_000 + self.id % 50_000;
        let number = |value: u64| Some(value.to_le_bytes().to_vec());
        match path {
            b"connection\0id" | b"connection_id" => number(self.id),
            b"connection\0mtls" => Some(vec![0]),
            b"connection\0requested_server_name" => Some(Vec::new()),
            b"source\0address" => Some(format!("10.0.0.1:{client_port}").into_bytes()),
            b"source\0port" => number(client_port),
            b"destination\0address" => Some(b"10.0.0.2:8080".to_vec()),
            b"destination\0port" => number(8080),
            _ => None,
        }
    }
}

/// A downstream connection. The test acts as its client, its server, and the next filter.
#[derive(Clone)]
pub struct Connection {
    pub(crate) worker: Worker,
    pub(crate) state: Shared<ConnectionState>,
}

impl Connection {
    /// The value of `connection.id`.
    pub fn id(&self) -> u64 {
        self.state.borrow().id
    }

    /// The client sends bytes. Returns what the next filter got since the last call.
    pub fn client_sends(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.read(bytes.as_ref(), false)
    }

    /// The client sends its last bytes, perhaps none, and half-closes; so a TCP proxy sees it. An HTTP
    /// connection manager sees [`Connection::client_closes`] instead.
    pub fn client_finishes(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.read(bytes.as_ref(), true)
    }

    /// The client closed.
    pub fn client_closes(&self) {
        self.close(ClosedBy::Client);
    }

    /// The next filter writes to the client. Returns what the client gets; nothing once closed.
    pub fn server_writes(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.write(bytes.as_ref(), false)
    }

    /// The server's last bytes, perhaps none, and its half-close, as a TCP proxy passes them on.
    pub fn server_finishes(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.write(bytes.as_ref(), true)
    }

    /// Envoy closes: the server did, or a limit of Envoy's own was reached.
    pub fn server_closes(&self) {
        self.close(ClosedBy::Server);
    }

    /// Limits the bytes that the next filter takes per read. As in Envoy's read buffer, the rest is in the next callback
    /// again, before later bytes.
    pub fn next_filter_takes(&self, bytes: Option<usize>) {
        self.state.borrow_mut().takes = bytes;
    }

    /// The next filter reads the read buffer again, without new bytes.
    pub fn next_filter_reads_again(&self) -> Vec<u8> {
        self.read(b"", false)
    }

    /// Sets the property at `path`, for example `["upstream", "address"]`.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        self.state
            .borrow_mut()
            .properties
            .set(join(path), Some(value));
    }

    /// Removes the property at `path`.
    pub fn hide_property(&self, path: &[&str]) {
        self.state.borrow_mut().properties.set(join(path), None);
    }

    /// The property at `path` that the test or the module set.
    pub fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.state.borrow().properties.get(&join(path)).flatten()
    }

    /// True until it is closed.
    pub fn is_open(&self) -> bool {
        self.closed_by().is_none()
    }

    /// Who closed it.
    pub fn closed_by(&self) -> Option<ClosedBy> {
        self.state.borrow().closed
    }

    fn read(&self, bytes: &[u8], fin: bool) -> Vec<u8> {
        if self.is_open() {
            self.worker
                .with_vm(|vm| vm.downstream_data(&self.state, bytes, fin));
        }
        std::mem::take(&mut self.state.borrow_mut().passed_on)
    }

    fn write(&self, bytes: &[u8], fin: bool) -> Vec<u8> {
        if !self.is_open() {
            return Vec::new();
        }
        self.worker
            .with_vm(|vm| vm.upstream_data(&self.state, bytes, fin))
    }

    fn close(&self, by: ClosedBy) {
        self.worker
            .with_vm(|vm| vm.close_connection(&self.state, by));
    }
}
