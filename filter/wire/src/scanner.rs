//! One downstream connection of any protocol: its first bytes select the scanner that follows it.

mod detect;

use crate::first_bytes::{ExpectedProtocol, FirstBytes};
use crate::h1::ResponseHead;
use crate::h2::Http2Write;
use crate::source::Tail;
use crate::tcp::{Session, SessionState, Side};
use crate::undelivered::UndeliveredBytes;
use crate::websocket::WebSocketWrite;
use crate::{BypassReason, ByteSource, Detection, DrainOpportunity, Protocol, h1, h2, websocket};

/// What a scanner found in a write to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteSummary {
    /// No drain signal would be understood in it.
    None,
    /// HTTP/1: the last response head that ended in it.
    ResponseHead(ResponseHead),
    /// HTTP/2: its frames.
    Http2(Http2Write),
    /// WebSocket: its frames.
    WebSocket(WebSocketWrite),
}

/// What a connection has carried so far, and what is in flight on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Requests since the connection opened; 0 when it does not speak HTTP.
    pub requests: u64,
    /// Active requests; those with a response that is not read only until it begins. A WebSocket counts as one until both peers have sent Close.
    pub active: u32,
    /// Bytes of complete responses that were written and that the client is not known to have read: closing the
    /// connection could destroy them. HTTP/2 only knows whether there are any
    /// ([`h2::Http2Scanner::has_received_all`]); any number is then [`u64::MAX`].
    pub undelivered: u64,
    /// What closing the connection would cost its client; None unless it is one to a database or broker.
    pub session: Option<SessionState>,
}

/// Follows both directions of a downstream connection. See [`h1::Http1Scanner`], [`h2::Http2Scanner`],
/// [`websocket::WebSocketScanner`] and [`Session`].
#[derive(Debug, Default)]
pub struct ConnectionScanner {
    state: State,
    undelivered: UndeliveredBytes,
    /// Why the connection is bypassed if it is not HTTP; None: it is raw TCP then.
    bypass_unless_http: Option<BypassReason>,
    is_known_raw: bool,
    has_new_detection: bool,
}

/// Under a TCP rule, a connection begins as `Session`, or as `FirstBytes` and becomes `Session` or `Pending`.
///
/// ```text
///           the HTTP/2 preface, or half of it and a write of the server
/// Pending ────────────────────▶ Http2 ────────────────────────┐
///   │ └──── other bytes ──────▶ Http1 ──101──▶ WebSocket ─────┤ not understood
///   │                            │ │                          ▼
///   │ the server writes first    │ └── CONNECT, other 101 ──▶ Bypassed
///   └─────────▶ Tcp ◀────────────┘
///                the first line is not HTTP
/// ```
#[derive(Debug)]
enum State {
    FirstBytes(Box<FirstBytes>),
    /// The first bytes so far, this many, match [`PREFACE`].
    Pending(usize),
    Http1(Box<h1::Http1Scanner>),
    Http2(Box<h2::Http2Scanner>),
    WebSocket(Box<websocket::WebSocketScanner>),
    Session(Session),
    Tcp,
    Bypassed(BypassReason),
}

impl Default for State {
    fn default() -> Self {
        Self::Pending(0)
    }
}

impl ConnectionScanner {
    /// Returns the scanner of a new connection without a TCP rule.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the scanner of a new connection whose TCP rule expects a protocol.
    pub fn expecting(expected: ExpectedProtocol) -> Self {
        let mut scanner = Self::default();
        match expected {
            ExpectedProtocol::HttpOrRaw => {}
            ExpectedProtocol::Detected { port } => {
                scanner.set_state(State::FirstBytes(Box::new(FirstBytes::new(port))));
            }
            ExpectedProtocol::Stated(protocol) => {
                scanner.set_state(State::Session(Session::new(protocol)));
            }
        }
        scanner
    }

    /// Whether [`ConnectionScanner::detection`] may have changed since the last call.
    pub fn take_new_detection(&mut self) -> bool {
        core::mem::take(&mut self.has_new_detection)
    }

    /// The protocol of the connection, as far as its bytes have shown.
    pub fn detection(&self) -> Detection {
        match &self.state {
            State::FirstBytes(_) | State::Pending(_) => Detection::Pending,
            State::Http1(_) => Detection::Detected(Protocol::Http1),
            State::Http2(_) => Detection::Detected(Protocol::Http2),
            State::WebSocket(_) => Detection::Detected(Protocol::WebSocket),
            State::Session(session) => Detection::Detected(Protocol::Session(session.protocol())),
            State::Tcp => Detection::Detected(Protocol::Tcp),
            State::Bypassed(reason) => Detection::Bypassed(*reason),
        }
    }

    /// True if the connection is raw TCP and its first bytes match no database or broker.
    pub fn is_known_raw(&self) -> bool {
        self.is_known_raw
    }

    /// The HTTP/2 scanner, if the connection speaks HTTP/2.
    pub fn http2(&self) -> Option<&h2::Http2Scanner> {
        match &self.state {
            State::Http2(scanner) => Some(scanner),
            _ => None,
        }
    }

    /// The HTTP/2 scanner, to insert frames into a write.
    pub fn http2_mut(&mut self) -> Option<&mut h2::Http2Scanner> {
        match &mut self.state {
            State::Http2(scanner) => Some(scanner),
            _ => None,
        }
    }

    /// What the connection has carried so far, and what is in flight on it.
    pub fn progress(&self) -> Progress {
        let written = self.undelivered.total();
        let unless = |is_delivered: bool, bytes| if is_delivered { 0 } else { bytes };
        let (requests, active, undelivered, session) = match &self.state {
            State::Http1(scanner) => {
                let active = scanner.active();
                // The client sent the active request after it had received the responses before it.
                (
                    scanner.requests(),
                    active,
                    unless(active > 0, written),
                    None,
                )
            }
            State::Http2(scanner) => {
                let undelivered = unless(scanner.has_received_all(), u64::MAX);
                (scanner.requests(), scanner.active(), undelivered, None)
            }
            State::WebSocket(scanner) => {
                // The client sends its Close after it has read ours, or stops reading (RFC 6455 5.5.1).
                let undelivered = unless(scanner.client_has_closed(), written);
                (0, u32::from(!scanner.is_over()), undelivered, None)
            }
            State::Session(session) => (0, 0, written, Some(session.state())),
            State::FirstBytes(_) | State::Pending(_) | State::Tcp | State::Bypassed(_) => {
                (0, 0, written, None)
            }
        };
        Progress {
            requests,
            active,
            undelivered,
            session,
        }
    }

    /// Records that the last `bytes` bytes of the current write are not forwarded to the client.
    pub fn discard(&mut self, bytes: usize) {
        self.undelivered.discard(bytes);
    }

    /// The WebSocket scanner, if the connection was upgraded.
    pub fn websocket(&self) -> Option<&websocket::WebSocketScanner> {
        match &self.state {
            State::WebSocket(scanner) => Some(scanner),
            _ => None,
        }
    }

    /// Stops following a WebSocket.
    pub fn bypass_websocket(&mut self) {
        if let State::WebSocket(_) = self.state {
            self.set_state(State::Bypassed(BypassReason::Tunnel));
        }
    }

    /// Scans bytes from the client. Returns whether they contain a part of a WebSocket message.
    pub fn scan_downstream(&mut self, source: &mut dyn ByteSource) -> bool {
        if source.is_empty() {
            return false;
        }
        self.undelivered.client_sent();
        if let State::FirstBytes(_) | State::Pending(_) = self.state {
            if let Some(earlier) = self.identify(Side::Client, source) {
                self.scan_first_bytes(&mut &*earlier);
            }
            self.scan_first_bytes(source)
        } else {
            self.scan_from_client(source)
        }
    }

    fn scan_from_client(&mut self, source: &mut dyn ByteSource) -> bool {
        let result = match &mut self.state {
            State::Http1(scanner) => scanner.scan_downstream(source).map(|()| false),
            State::Http2(scanner) => scanner.scan_downstream(source).map(|()| false),
            State::WebSocket(scanner) => scanner.scan_downstream(source),
            State::Session(session) => {
                session.client(source);
                self.check_session();
                return false;
            }
            State::FirstBytes(_) | State::Pending(_) | State::Tcp | State::Bypassed(_) => {
                return false;
            }
        };
        result.unwrap_or_else(|reason| {
            self.bypass(reason);
            false
        })
    }

    /// The part of an HTTP/1 response that is written next and need not be read. None if the write has to be scanned.
    pub fn unread_part(&self) -> Option<h1::UnreadPart> {
        match &self.state {
            State::Http1(scanner) => scanner.unread_part(),
            _ => None,
        }
    }

    /// Skips a write of `len` bytes that is a part of such a response.
    pub fn skip_response(&mut self, len: usize) {
        if let State::Http1(scanner) = &mut self.state {
            scanner.skip_response();
        }
        self.undelivered.wrote(len);
    }

    /// The server makes an empty write.
    pub fn wrote_nothing(&mut self) {
        if let State::Http1(scanner) = &mut self.state {
            scanner.wrote_nothing();
        }
    }

    /// Scans a write to the client.
    pub fn scan_upstream(&mut self, source: &mut dyn ByteSource) -> WriteSummary {
        self.undelivered.wrote(source.len());
        if let State::FirstBytes(_) | State::Pending(_) = self.state {
            self.scan_first_write(source);
        }
        let result = match &mut self.state {
            State::Http1(scanner) => match scanner.scan_upstream(source) {
                Ok(_) if scanner.is_tunnel() => {
                    self.open_tunnel(source);
                    return WriteSummary::None;
                }
                Ok(head) => Ok(head.map_or(WriteSummary::None, WriteSummary::ResponseHead)),
                Err(reason) => Err(reason),
            },
            State::Http2(scanner) => scanner.scan_upstream(source).map(WriteSummary::Http2),
            State::WebSocket(scanner) => scanner.scan_upstream(source).map(WriteSummary::WebSocket),
            State::Session(session) => {
                session.server(source);
                self.check_session();
                return WriteSummary::None;
            }
            State::FirstBytes(_) | State::Pending(_) | State::Tcp | State::Bypassed(_) => {
                return WriteSummary::None;
            }
        };
        result.unwrap_or_else(|reason| {
            self.bypass(reason);
            WriteSummary::None
        })
    }

    /// The drain signal that fits into a write of `len` bytes, if any.
    pub fn drain_opportunity(&self, write: &WriteSummary, len: usize) -> Option<DrainOpportunity> {
        match *write {
            WriteSummary::None => None,
            WriteSummary::ResponseHead(head) => DrainOpportunity::in_head(head),
            WriteSummary::Http2(write) => {
                DrainOpportunity::between_frames(self.http2()?, write, len)
            }
            WriteSummary::WebSocket(write) => DrainOpportunity::between_messages(write, len),
        }
    }

    fn set_state(&mut self, state: State) {
        self.state = state;
        self.has_new_detection = true;
    }

    /// The response of HTTP/1 in this write has opened a tunnel. The first frames of a WebSocket may be in the same write.
    #[inline(never)]
    fn open_tunnel(&mut self, source: &mut dyn ByteSource) {
        let websocket = match &self.state {
            State::Http1(scanner) => scanner.websocket(),
            _ => None,
        };
        let Some(skip) = websocket else {
            return self.bypass(BypassReason::Tunnel);
        };
        let mut scanner = Box::<websocket::WebSocketScanner>::default();
        let result = scanner.scan_upstream(&mut Tail { source, skip });
        self.set_state(State::WebSocket(scanner));
        if let Err(reason) = result {
            self.bypass(reason);
        }
    }

    /// Stops following the connection. One whose first line is not HTTP has another protocol.
    #[inline(never)]
    fn bypass(&mut self, reason: BypassReason) {
        let state = match &self.state {
            State::Http1(scanner)
                if reason == BypassReason::StartLine && scanner.requests() == 0 =>
            {
                self.not_http()
            }
            _ => State::Bypassed(reason),
        };
        self.set_state(state);
    }

    /// Stops following a session that its scanner no longer understands.
    fn check_session(&mut self) {
        if let State::Session(session) = &self.state
            && let SessionState::Bypassed(reason) = session.state()
        {
            self.set_state(State::Bypassed(reason));
        }
    }
}
