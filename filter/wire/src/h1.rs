//! HTTP/1.x (RFC 9112): both directions of one connection.
//!
//! A step of the conversation is an exchange: a request and its answers. Envoy's codec takes no byte of a
//! second request before the first is answered, so there is never more than one exchange. What waits
//! behind it is expected again, and scanned ahead in case Envoy answers it without asking the filters.
mod body;
mod fields;
mod framing;
mod head;
mod leftover;
mod start_line;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod waiting;

use std::collections::VecDeque;

use crate::source::Window;
use crate::{BypassReason, ByteSource};
use body::{Body, Passed};
use framing::{Length, Range};
use head::MessageHead;
use leftover::Leftover;
use start_line::{Method, RequestLine, StatusLine, Version};
use state::{Answer, Exchange, Phase, Request};
use waiting::{Waiting, scan_ahead};

/// The longest head that is followed, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;

/// One look is enough for most heads; a longer one costs more than it saves where a body follows.
const STRETCH: usize = 2048;

/// Both directions of an HTTP/1 connection, in step with Envoy's codec.
///
/// It is at most 352 bytes, and while requests wait behind another one, 64 more for each of at most 32. Callbacks must
/// come in Envoy's order: the bytes of a callback from the client before what is written because of them. Bytes that
/// Envoy has not taken are expected again at the front of the next callback from the client.
///
/// After an error both directions give the same error again, without looking. After the end of an answer
/// that closes, and in a tunnel, everything passes.
#[derive(Debug, Default)]
pub struct Http1Scanner {
    phase: Phase,
    request: Request,
    answer: Answer,
    exchange: Option<Exchange>,
    leftover: Leftover,
    /// The whole requests in what was left over.
    waiting: VecDeque<Waiting>,
    requests: u64,
}

/// The head of a final answer (status 200 and above, or 101) that ended in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The offset in this write just before the empty line that ends the head: a field put there is part
    /// of the head. None when that line began in an earlier write.
    pub insert_at: Option<usize>,
    /// `connection: close` would be understood and loses no request: the connection persists after this exchange
    /// (RFC 9112 9.3), the request has arrived whole, nothing of a further one has arrived, and the connection
    /// is not becoming another protocol.
    pub may_close: bool,
    /// The head itself says `connection: close`, or has no length but the connection's end, or is
    /// HTTP/1.0 without `connection: keep-alive` (RFC 9112 9.3).
    pub closes: bool,
    /// The head has a `keep-alive` field of its own.
    pub has_keep_alive_field: bool,
    /// What says that the connection persists, and would contradict `connection: close`. None when a part of
    /// that came in an earlier write and can no longer be replaced.
    pub persistence: Option<PersistenceFields>,
}

/// The parts of a head that say that the connection persists: [`splice::connection_close`](crate::splice::connection_close)
/// replaces them. A second `connection` field would not do: some clients look at the first one only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersistenceFields {
    /// The option `keep-alive` of the `connection` field; of length 0 where its first option is another one,
    /// before which `close` is put. None without such a field.
    pub option: Option<Span>,
    /// The line of the `keep-alive` field, its CRLF included.
    pub keep_alive: Option<Span>,
}

/// A part of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The offset of its first byte.
    pub at: usize,
    /// How many bytes it has.
    pub len: usize,
}

impl Http1Scanner {
    /// Takes bytes from the client.
    pub fn scan_downstream(&mut self, source: &mut impl ByteSource) -> Result<(), BypassReason> {
        match self.phase {
            Phase::Open if !source.is_empty() => self
                .requests_in(&mut Window::new(source, STRETCH))
                .inspect_err(|&why| self.phase = Phase::BypassReason(why)),
            Phase::BypassReason(why) => Err(why),
            _ => Ok(()),
        }
    }

    /// Takes a write to the client; gives the heads that ended in it, in order.
    pub fn scan_upstream(
        &mut self,
        source: &mut impl ByteSource,
    ) -> Result<Vec<ResponseHead>, BypassReason> {
        match self.phase {
            Phase::Open | Phase::Closing => self
                .answers_in(&mut Window::new(source, STRETCH))
                .inspect_err(|&why| self.phase = Phase::BypassReason(why)),
            Phase::BypassReason(why) => Err(why),
            Phase::Over | Phase::Tunnel | Phase::WebSocket { .. } => Ok(Vec::new()),
        }
    }

    /// Requests whose head has arrived whole, since the connection began.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Requests begun (a first byte counts) and not over: answered to the last byte and, where the answer
    /// was early, arrived to the last byte. A tunnel is a request that is not over, and ends with the
    /// connection. Of those that wait behind another one counts. So: 0, 1 or 2.
    pub fn active(&self) -> u32 {
        match self.phase {
            Phase::Over => return 0,
            Phase::Tunnel | Phase::WebSocket { .. } => return 1,
            Phase::Open | Phase::Closing | Phase::BypassReason(_) => {}
        }
        let waiting = match (&self.exchange, &self.request) {
            (Some(exchange), _) if exchange.offers_tunnel => false,
            (_, Request::Head(_)) => true,
            _ => self.leftover.begins_request(),
        };
        u32::from(self.exchange.is_some()).saturating_add(u32::from(waiting))
    }

    /// The connection has become a tunnel (101, or CONNECT answered by 2xx): its bytes are HTTP no more.
    pub fn is_tunnel(&self) -> bool {
        matches!(self.phase, Phase::Tunnel | Phase::WebSocket { .. })
    }

    /// The tunnel is a WebSocket (RFC 6455): with the byte at this offset of the write that made it one.
    /// None also where it may have begun before: only from its first byte on can it be followed.
    pub fn websocket(&self) -> Option<usize> {
        match self.phase {
            Phase::WebSocket { from } => Some(from),
            _ => None,
        }
    }

    fn requests_in(
        &mut self,
        window: &mut Window<'_, impl ByteSource>,
    ) -> Result<(), BypassReason> {
        if !self.leftover.is_in(window)? {
            match &mut self.exchange {
                Some(exchange) if exchange.offers_tunnel => exchange.strayed = true,
                Some(_) if self.leftover.begins_request() => return Err(BypassReason::OutOfStep),
                Some(_) => {}
                // Envoy has taken the next one; what lies behind it is handed over again.
                None => {
                    let is_in_step = self.begin_waiting() && self.leftover.is_in(window)?;
                    if !is_in_step && self.leftover.begins_request() {
                        return Err(BypassReason::OutOfStep);
                    }
                }
            }
        }
        self.leftover = Leftover::default();
        self.waiting.clear();
        let mut at = 0_usize;
        while at < window.len() {
            at = match &mut self.request {
                Request::Arrived => {
                    if !self.exchange.is_some_and(|exchange| exchange.strayed) {
                        self.leftover = Leftover::take(window, at)?;
                        if self.leftover.begins_request() {
                            self.waiting = scan_ahead(window, at)?;
                        }
                    }
                    return Ok(());
                }
                Request::Between { cr } => match (look(window, at)?.first(), *cr) {
                    (Some(b'\r'), false) | (Some(b'\n'), true) => {
                        *cr = !*cr;
                        at.saturating_add(1)
                    }
                    (_, true) => return Err(BypassReason::StartLine),
                    (_, false) => {
                        self.request = Request::Head(MessageHead::default());
                        at
                    }
                },
                Request::Head(head) => {
                    let bytes = look(window, at)?;
                    let end = head.scan(bytes)?;
                    let taken = end.unwrap_or(bytes.len());
                    if end.is_some() {
                        let head = *head;
                        self.request_head(&head)?;
                    }
                    at.saturating_add(taken)
                }
                Request::Body(body) => match body.pass(window, at)? {
                    Passed::All => return Ok(()),
                    Passed::Message(end) => {
                        self.request = Request::Arrived;
                        self.end_exchange();
                        end
                    }
                },
            };
        }
        Ok(())
    }

    fn request_head(&mut self, head: &MessageHead<RequestLine>) -> Result<(), BypassReason> {
        let (exchange, length) = exchange(head)?;
        self.requests = self.requests.saturating_add(1);
        self.exchange = Some(exchange);
        self.request = Body::new(length).map_or(Request::Arrived, Request::Body);
        Ok(())
    }

    fn answers_in(
        &mut self,
        window: &mut Window<'_, impl ByteSource>,
    ) -> Result<Vec<ResponseHead>, BypassReason> {
        let mut heads = Vec::new();
        let mut at = 0_usize;
        while at < window.len() && matches!(self.phase, Phase::Open | Phase::Closing) {
            at = match &mut self.answer {
                Answer::Head(head) => {
                    let bytes = look(window, at)?;
                    let end = head.scan(bytes)?;
                    let taken = at.saturating_add(end.unwrap_or(bytes.len()));
                    if end.is_some() {
                        let head = *head;
                        heads.extend(self.answer_head(&head, taken)?);
                    }
                    taken
                }
                Answer::Body(body) => match body.pass(window, at)? {
                    Passed::All => break,
                    Passed::Message(end) => {
                        self.end_answer();
                        end
                    }
                },
            };
        }
        Ok(heads)
    }

    /// Takes a head that ended at offset `end` of a write; gives it if it is a final answer's.
    fn answer_head(
        &mut self,
        head: &MessageHead<StatusLine>,
        end: usize,
    ) -> Result<Option<ResponseHead>, BypassReason> {
        let StatusLine {
            status, version, ..
        } = head.line;
        if self.exchange.is_none() {
            self.begin_waiting();
        }
        let owed = self.exchange.filter(|exchange| !exchange.answered);
        if matches!(status, 100 | 102..=199) {
            self.answer = Answer::default();
            return owed.map(|_| None).ok_or(BypassReason::OutOfStep);
        }
        let method = owed.map_or(Method::Other, |exchange| exchange.method);
        let tunnel = status == 101 || (method == Method::Connect && matches!(status, 200..=299));
        let length = match head.framing().length(version)? {
            _ if tunnel || method == Method::Head || matches!(status, 204 | 304) => {
                Length::Sized(0)
            }
            length => length,
        };
        let closes = head.framing().closes(version) || length == Length::Unsaid;
        let may_close = match owed {
            // What no request asked for can only be a farewell, as 408 and the codec's own 400 are.
            None if tunnel || !closes || self.leftover.begins_request() => {
                return Err(BypassReason::OutOfStep);
            }
            Some(exchange) if exchange.strayed && !tunnel && !closes => {
                return Err(BypassReason::OutOfStep);
            }
            None => false,
            Some(exchange) => {
                let arrived = matches!(self.request, Request::Arrived);
                exchange.persists
                    && (!exchange.is_http10 || head.framing().says_keep_alive())
                    && arrived
                    && !exchange.strayed
                    && !self.leftover.begins_request()
                    && !tunnel
            }
        };
        let is_websocket = head.framing().chooses_websocket()
            && matches!(self.request, Request::Arrived)
            && self.leftover.is_empty()
            && owed.is_some_and(|exchange| exchange.offers_websocket && !exchange.strayed);
        self.answer = Body::new(length).map_or_else(Answer::default, Answer::Body);
        match self.answer {
            _ if status == 101 && is_websocket => self.phase = Phase::WebSocket { from: end },
            _ if tunnel => self.phase = Phase::Tunnel,
            Answer::Body(_) if closes => self.phase = Phase::Closing,
            Answer::Head(_) if closes => self.phase = Phase::Over,
            Answer::Head(_) => self.end_answer(),
            Answer::Body(_) => {}
        }
        let insert_at = end.checked_sub(b"\r\n".len());
        Ok(Some(ResponseHead {
            insert_at,
            may_close,
            closes,
            has_keep_alive_field: head.framing().has_keep_alive_hint(),
            persistence: persistence(head, end),
        }))
    }

    /// Envoy has taken the first of the requests that wait, in a loop of its own. False when none waits whole.
    fn begin_waiting(&mut self) -> bool {
        let Some(Waiting { exchange, rest }) = self.waiting.pop_front() else {
            return false;
        };
        self.requests = self.requests.saturating_add(1);
        self.exchange = Some(exchange);
        self.request = Request::Arrived;
        self.leftover = rest;
        true
    }

    fn end_answer(&mut self) {
        self.answer = Answer::default();
        if self.phase == Phase::Closing {
            self.phase = Phase::Over;
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.answered = true;
        }
        self.end_exchange();
    }

    /// An exchange is over when both its sides are, in whatever order.
    fn end_exchange(&mut self) {
        if matches!(self.request, Request::Arrived)
            && self.exchange.is_some_and(|exchange| exchange.answered)
        {
            self.request = Request::default();
            self.exchange = None;
        }
    }
}

/// The exchange that a request's head begins, and the length of the request's body.
fn exchange(head: &MessageHead<RequestLine>) -> Result<(Exchange, Length), BypassReason> {
    let RequestLine {
        method, version, ..
    } = head.line;
    let length = match head.framing().length(version)? {
        // RFC 9112 6.3, last but one: a request without a length has no body.
        Length::Unsaid => Length::Sized(0),
        length => length,
    };
    if method == Method::Connect && length != Length::Sized(0) {
        return Err(BypassReason::Framing);
    }
    let exchange = Exchange {
        method,
        persists: match version {
            Version::Http11 => !head.framing().says_close(),
            Version::Http10 => head.framing().says_keep_alive(),
        },
        is_http10: version == Version::Http10,
        offers_tunnel: method == Method::Connect || head.framing().upgrades(),
        offers_websocket: head.framing().offers_websocket(),
        strayed: false,
        answered: false,
    };
    Ok((exchange, length))
}

/// What a head that ended at offset `end` of a write says of the connection's persistence; None if a part of
/// that came in an earlier write, and can no longer be replaced.
fn persistence(head: &MessageHead<StatusLine>, end: usize) -> Option<PersistenceFields> {
    let span = |range: Range| {
        let at = head.in_write(range.at, end)?;
        let len = usize::try_from(range.len).ok()?;
        Some(Span { at, len })
    };
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

/// The bytes that lie at `at`, which is not the end.
fn look<'a>(
    window: &'a mut Window<'_, impl ByteSource>,
    at: usize,
) -> Result<&'a [u8], BypassReason> {
    let bytes = window.look(at);
    if bytes.is_empty() {
        Err(BypassReason::Unreadable)
    } else {
        Ok(bytes)
    }
}
