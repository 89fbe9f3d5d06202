//! What hostcalls asked for and Envoy does after the module has returned.

use super::Vm;
use crate::ClosedBy;
use crate::abi::Action;
use crate::connection::ConnectionState;
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
                         Envoy loses the chunk in hand",
                    );
                }
                self.close_connection(&connection, ClosedBy::Module);
            }
            Deferred::ContinueReading(connection) => pass_on(&mut connection.borrow_mut()),
            Deferred::ContinueStream(stream) => stream.borrow_mut().resume(),
            Deferred::ResetStream(stream) => {
                stream.borrow_mut().reset = true;
                self.end_stream(&stream);
            }
            Deferred::RespondLocally(stream, response) => self.respond_locally(&stream, response),
            Deferred::DeleteRoot(root) => {
                let id = root.borrow().id;
                self.enter("proxy_on_delete", id, &[]);
                self.forget_root(id);
            }
        }
    }

    /// A local response goes through the response callbacks of the filter that made it, too.
    fn respond_locally(&mut self, stream: &Shared<StreamState>, response: LocalResponse) {
        if stream.borrow().local_response.is_some() || stream.borrow().ended {
            return;
        }
        let mut headers = HeaderMap::default();
        headers.add(":status", response.status.to_string().as_bytes());
        if !response.body.is_empty() {
            headers.add("content-length", response.body.len().to_string().as_bytes());
            headers.add("content-type", b"text/plain");
        }
        for (name, value) in &response.headers {
            headers.add(name, value.as_bytes());
        }
        let body = response.body.clone();
        stream.borrow_mut().local_response = Some(response);
        self.response_headers(stream, headers, body.is_empty());
        if !body.is_empty() {
            self.response_body(stream, &body, true);
        }
    }
}

/// Gives what lies in the read buffer to the next filter, as much as that one takes. A connection that
/// is closed passes nothing on.
pub(super) fn pass_on(connection: &mut ConnectionState) {
    connection.read_buffer_shown = false;
    if connection.closed.is_some() {
        return;
    }
    let held = connection.read_buffer.len();
    let taken = connection.takes.unwrap_or(held).min(held);
    let passed: Vec<u8> = connection.read_buffer.drain(..taken).collect();
    connection.passed_on.extend(passed);
}

/// What became of a read: bytes go on unless they were held back.
pub(super) fn after_read(connection: &Shared<ConnectionState>, action: Action) {
    if action == Action::Continue {
        pass_on(&mut connection.borrow_mut());
    }
}
