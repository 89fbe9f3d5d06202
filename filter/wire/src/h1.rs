//! The scanner for HTTP/1.0 and HTTP/1.1 (RFC 9112).
//!
//! It follows one exchange at a time: a request and its responses. Envoy's codec takes no byte of the next
//! request before the current one has its response, and hands over what it has not taken again with the next
//! callback. Envoy may also respond to a buffered request without a further callback, so complete requests in
//! its buffer are scanned in advance.
mod body;
mod buffered;
mod fields;
mod framing;
mod head;
mod pipelined;
mod requests;
mod responses;
mod start_line;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod unread;
mod word;

use std::collections::VecDeque;

use crate::source::Window;
use crate::{BypassReason, ByteSource};
use buffered::BufferedBytes;
use head::MessageHead;
use pipelined::PipelinedRequest;
pub use responses::{PersistenceFields, ResponseHead, Span};
use start_line::{RequestLine, StatusLine};
use state::{Exchange, Phase, RequestState, ResponseState};
pub use unread::UnreadPart;

/// The longest head that is followed, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;

/// The size of one read from the host. Most heads fit; a larger read costs more than it saves where a body
/// follows.
const READ_SIZE: usize = 2048;

/// Follows both directions of an HTTP/1 connection, in step with Envoy's codec.
///
/// It takes at most 352 bytes, and 64 more for each of at most 32 pipelined requests. Callbacks must come in
/// Envoy's order: the bytes of a client's callback before what is written because of them. Bytes that Envoy has
/// not taken are expected again at the front of the next callback from the client.
///
/// After an error both directions return the same error without reading. After a response that closes the
/// connection, and in a tunnel, all bytes pass.
#[derive(Debug, Default)]
pub struct Http1Scanner {
    phase: Phase,
    request: RequestState,
    response: ResponseState,
    /// Not in the states: those change several times per message, and would be moved with the head each time.
    request_head: MessageHead<RequestLine>,
    response_head: MessageHead<StatusLine>,
    exchange: Option<Exchange>,
    /// What Envoy has not taken of the last callback from the client.
    buffered: BufferedBytes,
    /// The complete requests in `buffered`.
    pipelined: VecDeque<PipelinedRequest>,
    requests: u64,
    /// The current request may be bytes that Envoy hands over again. See `unread.rs`.
    in_doubt: bool,
}

impl Http1Scanner {
    /// Scans bytes from the client.
    ///
    /// # Errors
    /// Why the connection is bypassed.
    pub fn scan_downstream(&mut self, source: &mut dyn ByteSource) -> Result<(), BypassReason> {
        match self.phase {
            Phase::Open if !source.is_empty() => {
                self.update_doubt();
                let window = &mut Window::new(source, READ_SIZE);
                let before = self.requests;
                self.scan_requests(window)
                    .or_else(|reason| self.rescan_requests(window, before, reason))
                    .inspect_err(|&reason| self.phase = Phase::Bypassed(reason))
            }
            Phase::Bypassed(reason) => Err(reason),
            _ => Ok(()),
        }
    }

    /// Scans a write to the client. Returns the head of the last final response whose head ended in it.
    ///
    /// # Errors
    /// Why the connection is bypassed.
    #[inline(never)]
    pub fn scan_upstream(
        &mut self,
        source: &mut dyn ByteSource,
    ) -> Result<Option<ResponseHead>, BypassReason> {
        match self.phase {
            Phase::Open | Phase::Closing if source.is_empty() => Ok(None),
            Phase::Open | Phase::Closing => {
                let found = self.scan_responses(&mut Window::new(source, READ_SIZE));
                self.check_write(found)
                    .inspect_err(|&reason| self.phase = Phase::Bypassed(reason))
            }
            Phase::Bypassed(reason) => Err(reason),
            Phase::Closed | Phase::Tunnel | Phase::WebSocket { .. } => Ok(None),
        }
    }

    /// Requests whose head has arrived, since the connection opened.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Active requests: from the first byte until the response and the request itself are complete, or until a response
    /// that is not read has begun. A tunnel is active until the connection closes. Of pipelined requests, one counts: so
    /// the result is 0, 1 or 2.
    pub fn active(&self) -> u32 {
        if matches!(self.response, ResponseState::Unread) {
            return 0;
        }
        match self.phase {
            Phase::Closed => return 0,
            Phase::Tunnel | Phase::WebSocket { .. } => return 1,
            Phase::Open | Phase::Closing | Phase::Bypassed(_) => {}
        }
        let has_next = match (&self.exchange, &self.request) {
            (Some(exchange), _) if exchange.offers_tunnel => false,
            (_, RequestState::Head) => true,
            _ => self.buffered.contains_request(),
        };
        u32::from(self.exchange.is_some()).saturating_add(u32::from(has_next))
    }

    /// Whether the connection is a tunnel: after a 101, or a CONNECT with a 2xx response.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.phase, Phase::Tunnel | Phase::WebSocket { .. })
    }

    /// The offset of the first byte of a WebSocket (RFC 6455) in the write with its 101. None where the client's
    /// first frame may already have passed: a WebSocket can only be followed from its first byte.
    pub fn websocket(&self) -> Option<usize> {
        match self.phase {
            Phase::WebSocket { from } => Some(from),
            _ => None,
        }
    }

    /// Ends the exchange when request and response are complete, in either order.
    fn end_exchange(&mut self) {
        if matches!(self.request, RequestState::Complete)
            && self
                .exchange
                .is_some_and(|exchange| exchange.response_complete)
        {
            self.request = RequestState::default();
            self.exchange = None;
        }
    }

    /// Starts the first pipelined request, which Envoy has taken without a callback. False when there is none.
    #[cold]
    #[inline(never)]
    fn start_pipelined(&mut self) -> bool {
        let Some(PipelinedRequest { exchange, rest }) = self.pipelined.pop_front() else {
            return false;
        };
        self.requests = self.requests.saturating_add(1);
        self.exchange = Some(exchange);
        self.request = RequestState::Complete;
        self.buffered = rest;
        true
    }
}

/// The bytes at offset `at`, which is not the end.
fn bytes_at<'a>(window: &'a mut Window<'_>, at: usize) -> Result<&'a [u8], BypassReason> {
    let bytes = window.bytes_at(at);
    if bytes.is_empty() {
        Err(BypassReason::Unreadable)
    } else {
        Ok(bytes)
    }
}
