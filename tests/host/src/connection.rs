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
    /// The module, by `proxy_close_stream`.
    Module,
}

pub(crate) struct ConnectionState {
    pub(crate) id: u64,
    pub(crate) properties: Properties,
    /// The network filter's context, on a listener that has one.
    pub(crate) context: Option<u32>,
    pub(crate) streams: Vec<Shared<StreamState>>,
    /// Bytes from the client that the next filter has not taken.
    pub(crate) read_buffer: Vec<u8>,
    /// The read buffer is accessible during its callback.
    pub(crate) is_reading: bool,
    /// The current write, during its callback.
    pub(crate) write: Option<Vec<u8>>,
    /// The maximum bytes that the next filter takes per read.
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
            is_reading: false,
            write: None,
            takes: None,
            passed_on: Vec::new(),
            closed: None,
        }
    }

    /// Returns a property of a plain-text connection over IPv4 with its own client port.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.properties.get(path) {
            return value;
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
    /// Returns the value of `connection.id`.
    pub fn id(&self) -> u64 {
        self.state.borrow().id
    }

    /// Sends bytes of the client. Returns the bytes that the next filter received since the last call.
    pub fn client_sends(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        if self.is_open() {
            self.worker
                .with_vm(|vm| vm.downstream_data(&self.state, bytes.as_ref()));
        }
        std::mem::take(&mut self.state.borrow_mut().passed_on)
    }

    /// Closes the connection by the client.
    pub fn client_closes(&self) {
        self.close(ClosedBy::Client);
    }

    /// Writes bytes of the next filter. Returns the bytes that the client receives; nothing if closed.
    pub fn server_writes(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        if !self.is_open() {
            return Vec::new();
        }
        self.worker
            .with_vm(|vm| vm.upstream_data(&self.state, bytes.as_ref()))
    }

    /// Limits the bytes that the next filter takes per read. As in Envoy's read buffer, the rest is in the next callback
    /// again, before later bytes.
    pub fn next_filter_takes(&self, bytes: Option<usize>) {
        self.state.borrow_mut().takes = bytes;
    }

    /// Makes the next filter read the read buffer again, without new bytes.
    pub fn next_filter_reads_again(&self) -> Vec<u8> {
        self.client_sends(b"")
    }

    /// Sets the property at `path`, for example `["upstream", "address"]`.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        self.state.borrow_mut().properties.set(path, value);
    }

    /// Removes the property at `path`.
    pub fn hide_property(&self, path: &[&str]) {
        let mut state = self.state.borrow_mut();
        state.properties.set_raw(join(path), None);
    }

    /// Whether the connection is open.
    pub fn is_open(&self) -> bool {
        self.closed_by().is_none()
    }

    /// Returns who closed the connection.
    pub fn closed_by(&self) -> Option<ClosedBy> {
        self.state.borrow().closed
    }

    fn close(&self, by: ClosedBy) {
        self.worker
            .with_vm(|vm| vm.close_connection(&self.state, by));
    }
}
