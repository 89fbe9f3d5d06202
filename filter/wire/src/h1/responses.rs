//! The server's direction: responses (RFC 9112 4 and 6), and where `connection: close` fits into them.
use super::body::{Body, Passed};
use super::framing::{FieldRange, Length};
use super::head::MessageHead;
use super::start_line::{Method, StatusLine};
use super::state::{Exchange, Phase, RequestState, ResponseState};
use super::{Http1Scanner, bytes_at};
use crate::BypassReason;
use crate::source::Window;

/// The head of a final response (status 200 and above, or 101) that ended in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The offset in the write of the empty line that ends the head: a field inserted there is part of the head.
    /// None when that line began in an earlier write.
    pub insert_at: Option<usize>,
    /// `connection: close` would be understood and loses no request: the connection persists after this exchange
    /// (RFC 9112 9.3), the request is complete, no byte of a further request has arrived, and the connection does
    /// not become a tunnel.
    pub may_close: bool,
    /// The head ends the connection by itself: it has `connection: close`, or no length but the end of the
    /// connection, or is HTTP/1.0 without `connection: keep-alive` (RFC 9112 9.3).
    pub closes: bool,
    /// The head has a `keep-alive` field.
    pub has_keep_alive_field: bool,
    /// The fields that declare the connection persistent and would contradict `connection: close`. None when a
    /// part of them was sent in an earlier write and can no longer be replaced.
    pub persistence: Option<PersistenceFields>,
}

/// The parts of a head that declare the connection persistent.
/// [`splice::connection_close`](crate::splice::connection_close) replaces them: a second `connection` field would
/// not do, because some clients read only the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersistenceFields {
    /// The option `keep-alive` of the `connection` field. Where its first option is another one, the span is empty
    /// and `close` is inserted there. None without such a field.
    pub option: Option<Span>,
    /// The line of the `keep-alive` field, including its CRLF.
    pub keep_alive: Option<Span>,
}

/// A part of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The offset of its first byte.
    pub at: usize,
    /// Its length in bytes.
    pub len: usize,
}

impl Http1Scanner {
    pub(super) fn scan_responses(
        &mut self,
        window: &mut Window<'_>,
    ) -> Result<Option<ResponseHead>, BypassReason> {
        let mut last = None;
        let mut at = 0_usize;
        while at < window.len() && matches!(self.phase, Phase::Open | Phase::Closing) {
            at = match &mut self.response {
                ResponseState::Head => self.scan_response_head(window, at, &mut last)?,
                ResponseState::Body(body) => {
                    match body.pass(self.response_head.fields(), window, at)? {
                        Passed::All => break,
                        Passed::Message(end) => {
                            self.end_response();
                            end
                        }
                    }
                }
                ResponseState::Unread => break,
            };
        }
        Ok(last)
    }

    /// Scans what belongs to a head from offset `at` of a write. Returns the offset after it. Sets `last` if a final
    /// response's head ends there.
    #[inline(never)]
    fn scan_response_head(
        &mut self,
        window: &mut Window<'_>,
        at: usize,
        last: &mut Option<ResponseHead>,
    ) -> Result<usize, BypassReason> {
        let bytes = bytes_at(window, at)?;
        let head = &mut self.response_head;
        let Some(length) = head.scan(bytes)? else {
            return Ok(at.saturating_add(bytes.len()));
        };
        let end = at.saturating_add(length);
        let StatusLine {
            status, version, ..
        } = head.line;
        let framing = *head.framing();
        let persistence = persistence(head, end);
        *head = MessageHead::default();
        if self.exchange.is_none() {
            self.start_pipelined();
        }
        let exchange = self.exchange.filter(|exchange| !exchange.response_complete);
        // Interim responses (RFC 9110 15.2) end nothing; 101 is the last response of an exchange.
        if matches!(status, 100 | 102..=199) {
            return exchange.map(|_| end).ok_or(BypassReason::OutOfStep);
        }
        let method = exchange.map_or(Method::Other, |exchange| exchange.method);
        let is_tunnel = status == 101 || (method == Method::Connect && matches!(status, 200..=299));
        // These have no body, regardless of their fields (RFC 9112 6.3, items 1 and 2).
        let length = match framing.length(version)? {
            _ if is_tunnel || method == Method::Head || matches!(status, 204 | 304) => {
                Length::Sized(0)
            }
            length => length,
        };
        let closes = framing.closes(version) || length == Length::Unknown;
        self.check_exchange(exchange, is_tunnel, closes)?;
        let is_request_complete = matches!(self.request, RequestState::Complete)
            && exchange.is_some_and(|exchange| !exchange.has_tunnel_bytes);
        let may_close = is_request_complete
            && exchange.is_some_and(|exchange| {
                exchange.persists && (!exchange.is_http10 || framing.has_keep_alive())
            })
            && !self.buffered.contains_request()
            && !is_tunnel;
        let is_websocket = is_request_complete
            && framing.selects_websocket()
            && exchange.is_some_and(|exchange| exchange.offers_websocket)
            && self.buffered.is_empty();
        if closes {
            self.phase = Phase::Closing;
        }
        match Body::new(length) {
            _ if status == 101 && is_websocket => self.phase = Phase::WebSocket { from: end },
            _ if is_tunnel => self.phase = Phase::Tunnel,
            Some(body) => self.response = ResponseState::Body(body),
            None => self.end_response(),
        }
        *last = Some(ResponseHead {
            insert_at: end.checked_sub(b"\r\n".len()),
            may_close,
            closes,
            has_keep_alive_field: framing.has_keep_alive_field(),
            persistence,
        });
        Ok(end)
    }

    /// Checks that Envoy would send this response now.
    fn check_exchange(
        &self,
        exchange: Option<Exchange>,
        is_tunnel: bool,
        closes: bool,
    ) -> Result<(), BypassReason> {
        let is_in_step = match exchange {
            // A response without a request can only be the last one, as 408 and the codec's own 400 are.
            None => !is_tunnel && closes && !self.buffered.contains_request(),
            // Bytes of the tunnel have reached the server. If it declines, it may take them for requests.
            Some(exchange) => !exchange.has_tunnel_bytes || is_tunnel || closes,
        };
        if is_in_step {
            Ok(())
        } else {
            Err(BypassReason::OutOfStep)
        }
    }

    fn end_response(&mut self) {
        self.response = ResponseState::Head;
        if self.phase == Phase::Closing {
            self.phase = Phase::Closed;
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.response_complete = true;
        }
        self.end_exchange();
    }
}

/// The persistence fields of a head that ended at offset `end` of a write; None if a part of them was sent in an
/// earlier write.
fn persistence(head: &MessageHead<StatusLine>, end: usize) -> Option<PersistenceFields> {
    let span = |range: FieldRange| {
        let at = head.offset_in_write(range.at, end)?;
        let len = usize::try_from(range.len).ok()?;
        Some(Span { at, len })
    };
    // The outer Option is absence from the head, the inner one absence from this write.
    let (option, keep_alive) = head.framing().persistence();
    let option = match option {
        Some(range) => Some(span(range)?),
        None => None,
    };
    let keep_alive = match keep_alive {
        Some(range) => Some(span(range)?),
        None => None,
    };
    Some(PersistenceFields { option, keep_alive })
}
