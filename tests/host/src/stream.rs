//! HTTP streams, and the HTTP filter on them.

use crate::Action;
use crate::abi::MapType;
use crate::connection::ConnectionState;
use crate::headers::HeaderMap;
use crate::properties::{Properties, join};
use crate::root::Root;
use crate::world::Shared;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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
    /// The gRPC status, if the module gave one.
    pub grpc_status: Option<u32>,
    /// What Envoy writes as response code details.
    pub details: String,
}

/// One direction's body on its way through the filter.
#[derive(Default)]
pub(crate) struct Message {
    /// In the callback, and on while the module holds it back.
    shown: Option<Vec<u8>>,
    passed: Vec<u8>,
}

impl Message {
    /// Shows what is held back and then `bytes`; answers how many that is.
    pub(crate) fn show_body(&mut self, bytes: &[u8]) -> u32 {
        let shown = self.shown.get_or_insert_default();
        shown.extend_from_slice(bytes);
        shown.len() as u32
    }

    pub(crate) fn shown_body(&mut self) -> Option<&mut Vec<u8>> {
        self.shown.as_mut()
    }

    pub(crate) fn pass_body(&mut self) {
        self.passed.extend(self.shown.take().unwrap_or_default());
    }
}

pub(crate) struct StreamState {
    pub(crate) connection: Weak<RefCell<ConnectionState>>,
    pub(crate) context: Option<u32>,
    pub(crate) properties: Properties,
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) local_response: Option<LocalResponse>,
    pub(crate) logging: bool,
    pub(crate) reset: bool,
    pub(crate) ended: bool,
    maps: BTreeMap<MapType, HeaderMap>,
    shown: BTreeSet<MapType>,
}

impl StreamState {
    pub(crate) fn new(connection: &Shared<ConnectionState>) -> Self {
        Self {
            connection: Rc::downgrade(connection),
            context: None,
            properties: Properties::default(),
            request: Message::default(),
            response: Message::default(),
            local_response: None,
            logging: false,
            reset: false,
            ended: false,
            maps: BTreeMap::new(),
            shown: BTreeSet::new(),
        }
    }

    /// Headers are there in their own callback, and on while the module holds them back.
    pub(crate) fn show(&mut self, kind: MapType, map: HeaderMap) {
        self.maps.insert(kind, map);
        self.shown.insert(kind);
    }

    pub(crate) fn hide(&mut self, kind: MapType) {
        self.shown.remove(&kind);
    }

    /// The log phase may read everything but a request's trailers.
    pub(crate) fn readable(&self, kind: MapType) -> Option<HeaderMap> {
        let shown = self.shown.contains(&kind);
        let logged = self.logging && kind != MapType::RequestTrailers;
        if shown || logged {
            self.maps.get(&kind).cloned()
        } else {
            None
        }
    }

    pub(crate) fn writable(&mut self, kind: MapType) -> Option<&mut HeaderMap> {
        if self.shown.contains(&kind) {
            self.maps.get_mut(&kind)
        } else {
            None
        }
    }

    /// `proxy_continue_stream`: what was held back goes on, in either direction.
    pub(crate) fn resume(&mut self) {
        self.shown.clear();
        self.request.pass_body();
        self.response.pass_body();
    }

    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(said) = self.properties.get(path) {
            return said;
        }
        let field = |name| {
            self.readable(MapType::RequestHeaders)?
                .get(name)
                .map(<[u8]>::to_vec)
        };
        match path {
            b"request\0protocol" => Some(b"HTTP/1.1".to_vec()),
            b"request\0method" => field(":method"),
            b"request\0path" => field(":path"),
            b"request\0host" => field(":authority"),
            b"request\0scheme" => field(":scheme"),
            b"request\0url_path" => {
                let path = field(":path")?;
                let end = path
                    .iter()
                    .position(|byte| *byte == b'?')
                    .unwrap_or(path.len());
                Some(path[..end].to_vec())
            }
            _ => None,
        }
    }
}

/// One request and its response. The test is the HTTP connection manager and the router.
#[derive(Clone)]
pub struct Stream {
    pub(crate) root: Root,
    pub(crate) state: Shared<StreamState>,
}

impl Stream {
    /// The request's headers arrive; `end` when it has neither body nor trailers.
    pub fn request_headers<V: AsRef<[u8]>>(&self, headers: &[(&str, V)], end: bool) -> Action {
        let headers = HeaderMap::from_pairs(headers);
        self.root
            .worker
            .with_vm(|vm| vm.request_headers(&self.root.state, &self.state, headers, end))
    }

    /// A piece of the request's body arrives.
    pub fn request_body(&self, bytes: impl AsRef<[u8]>, end: bool) -> Action {
        self.root
            .worker
            .with_vm(|vm| vm.request_body(&self.state, bytes.as_ref(), end))
    }

    /// The request's trailers arrive.
    pub fn request_trailers<V: AsRef<[u8]>>(&self, trailers: &[(&str, V)]) -> Action {
        self.trailers(MapType::RequestTrailers, trailers)
    }

    /// The response's headers arrive; `end` when it has neither body nor trailers.
    pub fn response_headers<V: AsRef<[u8]>>(&self, headers: &[(&str, V)], end: bool) -> Action {
        let headers = HeaderMap::from_pairs(headers);
        self.root
            .worker
            .with_vm(|vm| vm.response_headers(&self.state, headers, end))
    }

    /// A piece of the response's body arrives.
    pub fn response_body(&self, bytes: impl AsRef<[u8]>, end: bool) -> Action {
        self.root
            .worker
            .with_vm(|vm| vm.response_body(&self.state, bytes.as_ref(), end))
    }

    /// The response's trailers arrive.
    pub fn response_trailers<V: AsRef<[u8]>>(&self, trailers: &[(&str, V)]) -> Action {
        self.trailers(MapType::ResponseTrailers, trailers)
    }

    /// The stream ended, with a response or a reset. Closing its connection ends it too.
    pub fn ends(&self) {
        self.root.worker.with_vm(|vm| vm.end_stream(&self.state));
    }

    /// Sets the property at `path`, for example `["xds", "route_name"]`.
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

    /// The request's headers as the router sees them.
    pub fn request(&self) -> Vec<(String, String)> {
        self.map(MapType::RequestHeaders).to_text()
    }

    /// The response's headers as the client sees them: the HTTP connection manager has taken out
    /// `connection`, `keep-alive` and the like, regardless of which side set them.
    pub fn response(&self) -> Vec<(String, String)> {
        self.map(MapType::ResponseHeaders)
            .without_hop_by_hop()
            .to_text()
    }

    /// The part of the request's body that went on to the router.
    pub fn request_body_passed(&self) -> Vec<u8> {
        self.state.borrow().request.passed.clone()
    }

    /// The part of the response's body that went on to the client.
    pub fn response_body_passed(&self) -> Vec<u8> {
        self.state.borrow().response.passed.clone()
    }

    /// The local reply of the module, or of Envoy for a VM that crashed.
    pub fn local_response(&self) -> Option<LocalResponse> {
        self.state.borrow().local_response.clone()
    }

    /// True when the module reset it.
    pub fn was_reset(&self) -> bool {
        self.state.borrow().reset
    }

    /// True once the module was notified that it is over.
    pub fn has_ended(&self) -> bool {
        self.state.borrow().ended
    }

    fn trailers<V: AsRef<[u8]>>(&self, kind: MapType, trailers: &[(&str, V)]) -> Action {
        let trailers = HeaderMap::from_pairs(trailers);
        self.root
            .worker
            .with_vm(|vm| vm.trailers(&self.state, kind, trailers))
    }

    fn map(&self, kind: MapType) -> HeaderMap {
        self.state
            .borrow()
            .maps
            .get(&kind)
            .cloned()
            .unwrap_or_default()
    }
}
