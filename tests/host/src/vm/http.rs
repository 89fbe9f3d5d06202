//! The lives of HTTP streams.

use super::{Entered, Vm};
use crate::abi::{Action, MapType};
use crate::headers::HeaderMap;
use crate::root::RootState;
use crate::state::Context;
use crate::stream::{LocalResponse, Message, StreamState};
use crate::world::Shared;

/// What Envoy says for a stream whose VM is dead.
const UNAVAILABLE: u32 = 503;

impl Vm {
    /// The module hears of a stream when its request's headers are there.
    pub(crate) fn request_headers(
        &mut self,
        root: &Shared<RootState>,
        stream: &Shared<StreamState>,
        headers: HeaderMap,
        end: bool,
    ) -> Action {
        let context = |root| Context::Http {
            root,
            stream: stream.clone(),
        };
        let id = self.create(root, context);
        stream.borrow_mut().context = Some(id);
        self.http_map(stream, MapType::RequestHeaders, headers, end)
    }

    pub(crate) fn response_headers(
        &mut self,
        stream: &Shared<StreamState>,
        headers: HeaderMap,
        end: bool,
    ) -> Action {
        self.http_map(stream, MapType::ResponseHeaders, headers, end)
    }

    pub(crate) fn trailers(
        &mut self,
        stream: &Shared<StreamState>,
        kind: MapType,
        trailers: HeaderMap,
    ) -> Action {
        self.http_map(stream, kind, trailers, true)
    }

    pub(crate) fn request_body(
        &mut self,
        stream: &Shared<StreamState>,
        bytes: &[u8],
        end: bool,
    ) -> Action {
        self.http_body(
            stream,
            "proxy_on_request_body",
            |stream| &mut stream.request,
            bytes,
            end,
        )
    }

    pub(crate) fn response_body(
        &mut self,
        stream: &Shared<StreamState>,
        bytes: &[u8],
        end: bool,
    ) -> Action {
        self.http_body(
            stream,
            "proxy_on_response_body",
            |stream| &mut stream.response,
            bytes,
            end,
        )
    }

    /// The stream is over: log, done, delete.
    pub(crate) fn end_stream(&mut self, stream: &Shared<StreamState>) {
        if std::mem::replace(&mut stream.borrow_mut().ended, true) {
            return;
        }
        if let Some(connection) = stream.borrow().connection.upgrade() {
            connection
                .borrow_mut()
                .streams
                .retain(|other| !std::rc::Rc::ptr_eq(other, stream));
        }
        let Some(id) = stream.borrow().context else {
            return;
        };
        stream.borrow_mut().logging = true;
        self.enter("proxy_on_log", id, &[]);
        stream.borrow_mut().logging = false;
        self.enter("proxy_on_done", id, &[]);
        self.delete(id);
    }

    fn http_map(
        &mut self,
        stream: &Shared<StreamState>,
        kind: MapType,
        map: HeaderMap,
        end: bool,
    ) -> Action {
        let count = map.len() as u32;
        stream.borrow_mut().show(kind, map);
        let context = stream.borrow().context;
        let entered = match (kind, context) {
            (_, None) => Entered::Skipped,
            (MapType::RequestHeaders, Some(id)) => {
                self.enter("proxy_on_request_headers", id, &[count, u32::from(end)])
            }
            (MapType::ResponseHeaders, Some(id)) => {
                self.enter("proxy_on_response_headers", id, &[count, u32::from(end)])
            }
            (MapType::RequestTrailers, Some(id)) => {
                self.enter("proxy_on_request_trailers", id, &[count])
            }
            (_, Some(id)) => self.enter("proxy_on_response_trailers", id, &[count]),
        };
        let action = self.http_action(stream, entered);
        if action == Action::Continue {
            stream.borrow_mut().hide(kind);
        }
        action
    }

    fn http_body(
        &mut self,
        stream: &Shared<StreamState>,
        export: &'static str,
        message: fn(&mut StreamState) -> &mut Message,
        bytes: &[u8],
        end: bool,
    ) -> Action {
        let size = message(&mut stream.borrow_mut()).show_body(bytes);
        let context = stream.borrow().context;
        let entered = match context {
            Some(id) => self.enter(export, id, &[size, u32::from(end)]),
            None => Entered::Skipped,
        };
        let action = self.http_action(stream, entered);
        if action == Action::Continue {
            message(&mut stream.borrow_mut()).pass_body();
        }
        action
    }

    /// With a dead VM Envoy answers in the server's place.
    fn http_action(&mut self, stream: &Shared<StreamState>, entered: Entered) -> Action {
        match entered {
            Entered::Skipped => Action::Continue,
            Entered::Returned(result) => Action::of(result),
            Entered::Dead => {
                stream
                    .borrow_mut()
                    .local_response
                    .get_or_insert(LocalResponse {
                        status: UNAVAILABLE,
                        headers: Vec::new(),
                        body: Vec::new(),
                        grpc_status: None,
                        details: "wasm_fail_stream".to_owned(),
                    });
                Action::Pause
            }
        }
    }
}
