//! Calls of the module to Envoy's clusters (`proxy_http_call`).

use crate::headers::HeaderMap;
use crate::host::Worker;
use crate::root::{CallResponse, RootState};
use crate::world::Shared;
use std::time::Duration;

pub(crate) struct CallState {
    pub(crate) worker: usize,
    pub(crate) root: Shared<RootState>,
    pub(crate) token: u32,
    pub(crate) cluster: String,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) ended: bool,
}

/// A call that waits for its response. Timeouts are not simulated.
#[derive(Clone)]
pub struct HttpCall {
    pub(crate) worker: Worker,
    pub(crate) state: Shared<CallState>,
}

impl HttpCall {
    /// Returns the index of the calling worker in the order of their start.
    pub fn worker(&self) -> usize {
        self.state.borrow().worker
    }

    /// Returns the called cluster.
    pub fn cluster(&self) -> String {
        self.state.borrow().cluster.clone()
    }

    /// Returns the headers of the request.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.state.borrow().headers.to_text()
    }

    /// Returns the timeout; zero is none.
    pub fn timeout(&self) -> Duration {
        self.state.borrow().timeout
    }

    /// Sends a response.
    pub fn respond<V: AsRef<[u8]>>(self, headers: &[(&str, V)], body: impl AsRef<[u8]>) {
        let headers = HeaderMap::from_pairs(headers);
        let arguments = [headers.len() as u32, body.as_ref().len() as u32];
        self.finish(
            Some(CallResponse {
                headers,
                body: body.as_ref().to_vec(),
            }),
            arguments,
        );
    }

    /// Fails the call: the module gets a response without headers and body.
    pub fn fail(self) {
        self.finish(None, [0, 0]);
    }

    fn finish(self, response: Option<CallResponse>, [headers, body]: [u32; 2]) {
        assert!(!self.state.borrow().ended, "a call gets one response");
        self.state.borrow_mut().ended = true;
        let (root, token) = (self.state.borrow().root.clone(), self.state.borrow().token);
        let id = root.borrow().id;
        root.borrow_mut().response = response;
        self.worker.with_vm(|vm| {
            // Envoy cancels the calls of a deleted root.
            if vm.state().contexts.contains_key(&id) {
                vm.enter(
                    "proxy_on_http_call_response",
                    id,
                    &[token, headers, body, 0],
                );
            }
        });
        root.borrow_mut().response = None;
    }
}
