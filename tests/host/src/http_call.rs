//! Calls that the module makes to Envoy's clusters (`proxy_http_call`).

use crate::headers::HeaderMap;
use crate::host::Worker;
use crate::root::{Answer, RootState};
use crate::world::Shared;
use std::time::Duration;

pub(crate) struct CallState {
    pub(crate) worker: usize,
    pub(crate) root: Shared<RootState>,
    pub(crate) token: u32,
    pub(crate) cluster: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
    pub(crate) over: bool,
}

/// A call that waits for its response. Only the test ends it: timeouts are not simulated.
#[derive(Clone)]
pub struct HttpCall {
    pub(crate) worker: Worker,
    pub(crate) state: Shared<CallState>,
}

impl HttpCall {
    /// The worker that calls, by its number in the order in which they were started.
    pub fn worker(&self) -> usize {
        self.state.borrow().worker
    }

    /// The cluster that is called.
    pub fn cluster(&self) -> String {
        self.state.borrow().cluster.clone()
    }

    /// The request's headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.state.borrow().headers.to_text()
    }

    /// The request's body.
    pub fn body(&self) -> Vec<u8> {
        self.state.borrow().body.clone()
    }

    /// The timeout; zero is none.
    pub fn timeout(&self) -> Duration {
        self.state.borrow().timeout
    }

    /// The cluster responds.
    pub fn respond<V: AsRef<[u8]>>(self, headers: &[(&str, V)], body: impl AsRef<[u8]>) {
        let headers = HeaderMap::from_pairs(headers);
        let arguments = [headers.len() as u32, body.as_ref().len() as u32];
        self.finish(
            Some(Answer {
                headers,
                body: body.as_ref().to_vec(),
            }),
            arguments,
        );
    }

    /// The call fails: the module gets a response without headers and body.
    pub fn fail(self) {
        self.finish(None, [0, 0]);
    }

    fn finish(self, answer: Option<Answer>, [headers, body]: [u32; 2]) {
        assert!(!self.state.borrow().over, "a call gets one response");
        self.state.borrow_mut().over = true;
        let (root, token) = (self.state.borrow().root.clone(), self.state.borrow().token);
        let id = root.borrow().id;
        root.borrow_mut().answer = answer;
        self.worker.with_vm(|vm| {
            // Envoy cancels the calls of a root that is gone.
            if vm.state().contexts.contains_key(&id) {
                vm.enter(
                    "proxy_on_http_call_response",
                    id,
                    &[token, headers, body, 0],
                );
            }
        });
        root.borrow_mut().answer = None;
    }
}
