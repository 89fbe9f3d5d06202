//! The callbacks of HTTP streams in Envoy's order.

use super::Vm;
use crate::abi::MapType;
use crate::headers::HeaderMap;
use crate::root::RootState;
use crate::state::Context;
use crate::stream::StreamState;
use crate::world::Shared;

impl Vm {
    /// Creates the context of a stream, and passes the headers of its request.
    pub(crate) fn request_headers(
        &mut self,
        root: &Shared<RootState>,
        stream: &Shared<StreamState>,
        headers: HeaderMap,
        end: bool,
    ) {
        let id = self.create(root, |root| Context::Http {
            root,
            stream: stream.clone(),
        });
        stream.borrow_mut().context = Some(id);
        let arguments = [headers.len() as u32, u32::from(end)];
        stream.borrow_mut().request = headers;
        stream.borrow_mut().accessible = Some(MapType::Request);
        let result = self.enter("proxy_on_request_headers", id, &arguments);
        stream.borrow_mut().accessible = None;
        if result != 0 && stream.borrow().local_response.is_none() {
            self.fail("the module paused a request without a response to it");
        }
    }

    pub(crate) fn response_headers(
        &mut self,
        stream: &Shared<StreamState>,
        headers: HeaderMap,
        end: bool,
    ) {
        let arguments = [headers.len() as u32, u32::from(end)];
        stream.borrow_mut().response = headers;
        let Some(id) = stream.borrow().context else {
            return;
        };
        let before = stream.borrow_mut().accessible.replace(MapType::Response);
        if self.enter("proxy_on_response_headers", id, &arguments) != 0 {
            self.fail("the module paused a response");
        }
        stream.borrow_mut().accessible = before;
    }

    /// Ends a stream, and deletes its context.
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
        let context = stream.borrow().context;
        if let Some(id) = context {
            self.delete(id);
        }
    }
}
