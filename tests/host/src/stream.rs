//! HTTP streams, and the HTTP filter on them.

use crate::abi::MapType;
use crate::connection::ConnectionState;
use crate::headers::HeaderMap;
use crate::properties::Properties;
use crate::root::Root;
use crate::world::Shared;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

/// A local reply of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResponse {
    /// The status code.
    pub status: u32,
    /// The headers that the module added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, if the module set one.
    pub grpc_status: Option<u32>,
}

pub(crate) struct StreamState {
    pub(crate) connection: Weak<RefCell<ConnectionState>>,
    pub(crate) context: Option<u32>,
    pub(crate) properties: Properties,
    pub(crate) request: HeaderMap,
    pub(crate) response: HeaderMap,
    /// The headers whose callback runs: only these are accessible.
    pub(crate) accessible: Option<MapType>,
    pub(crate) local_response: Option<LocalResponse>,
    pub(crate) ended: bool,
}

impl StreamState {
    pub(crate) fn new(connection: &Shared<ConnectionState>) -> Self {
        Self {
            connection: Rc::downgrade(connection),
            context: None,
            properties: Properties::default(),
            request: HeaderMap::default(),
            response: HeaderMap::default(),
            accessible: None,
            local_response: None,
            ended: false,
        }
    }

    /// Returns the headers during their callback.
    pub(crate) fn headers(&mut self, kind: MapType) -> Option<&mut HeaderMap> {
        match kind {
            _ if self.accessible != Some(kind) => None,
            MapType::Request => Some(&mut self.request),
            MapType::Response => Some(&mut self.response),
            MapType::CallResponse => None,
        }
    }

    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.properties.get(path) {
            return value;
        }
        let is_request = self.accessible == Some(MapType::Request);
        let field = |name| {
            let value = self.request.get(name).filter(|_| is_request);
            value.map(<[u8]>::to_vec)
        };
        match path {
            b"request\0protocol" => Some(b"HTTP/1.1".to_vec()),
            b"request\0method" => field(":method"),
            b"request\0path" => field(":path"),
            b"request\0host" => field(":authority"),
            b"request\0scheme" => field(":scheme"),
            _ => None,
        }
    }
}

/// A request and its response. The test acts as the HTTP connection manager and the router.
#[derive(Clone)]
pub struct Stream {
    pub(crate) root: Root,
    pub(crate) state: Shared<StreamState>,
}

impl Stream {
    /// Passes the headers of the request; `end` if it has no body.
    pub fn request_headers<V: AsRef<[u8]>>(&self, headers: &[(&str, V)], end: bool) {
        let headers = HeaderMap::from_pairs(headers);
        self.root
            .worker
            .with_vm(|vm| vm.request_headers(&self.root.state, &self.state, headers, end));
    }

    /// Passes the headers of the response; `end` if it has no body.
    pub fn response_headers<V: AsRef<[u8]>>(&self, headers: &[(&str, V)], end: bool) {
        let headers = HeaderMap::from_pairs(headers);
        self.root
            .worker
            .with_vm(|vm| vm.response_headers(&self.state, headers, end));
    }

    /// Ends the stream, after a response or a reset. Closing its connection ends it, too.
    pub fn ends(&self) {
        self.root.worker.with_vm(|vm| vm.end_stream(&self.state));
    }

    /// Sets the property at `path`, for example `["xds", "route_name"]`.
    pub fn set_property(&self, path: &[&str], value: impl AsRef<[u8]>) {
        self.state.borrow_mut().properties.set(path, value);
    }

    /// Returns the headers of the request as the router receives them.
    pub fn request(&self) -> Vec<(String, String)> {
        self.state.borrow().request.to_text()
    }

    /// Returns the local reply of the module.
    pub fn local_response(&self) -> Option<LocalResponse> {
        self.state.borrow().local_response.clone()
    }

    /// Whether the module was notified of the stream's end.
    pub fn has_ended(&self) -> bool {
        self.state.borrow().ended
    }
}
