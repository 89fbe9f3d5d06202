//! The actions that hostcalls requested, performed when the module has returned.

use super::Vm;
use crate::ClosedBy;
use crate::headers::HeaderMap;
use crate::state::Deferred;
use crate::stream::{LocalResponse, StreamState};
use crate::world::Shared;

impl Vm {
    pub(super) fn perform(&mut self, action: Deferred) {
        match action {
            Deferred::CloseConnection(connection) => {
                if connection.borrow().write.is_some() && connection.borrow().closed.is_none() {
                    self.state().violate(
                        "the module closed a connection from inside proxy_on_upstream_data: \
                         Envoy loses the bytes of the write",
                    );
                }
                self.close_connection(&connection, ClosedBy::Module);
            }
            Deferred::RespondLocally(stream, response) => self.respond_locally(&stream, response),
        }
    }

    /// Sends a local response, which also passes the response callback of the filter that sent it.
    fn respond_locally(&mut self, stream: &Shared<StreamState>, response: LocalResponse) {
        if stream.borrow().local_response.is_some() || stream.borrow().ended {
            return;
        }
        let mut headers = HeaderMap::default();
        headers.add(":status", response.status.to_string().as_bytes());
        for (name, value) in &response.headers {
            headers.add(name, value.as_bytes());
        }
        let end = response.body.is_empty();
        stream.borrow_mut().local_response = Some(response);
        self.response_headers(stream, headers, end);
    }
}
