//! Where a connection stands.
use super::body::Body;
use super::head::MessageHead;
use super::start_line::{Method, RequestLine, StatusLine};
use crate::BypassReason;

/// What may still happen on the connection.
///
/// ```text
/// Open ──a head that closes──▶ Closing ──its last byte──▶ Over
///   ├──101, or CONNECT answered by 2xx──▶ Tunnel
///   ├──101 to a WebSocket──▶ WebSocket
///   └──anything not understood──▶ BypassReason
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    Closing,
    Over,
    Tunnel,
    /// From this offset of the write that made it one.
    WebSocket {
        from: usize,
    },
    BypassReason(BypassReason),
}

/// Where the next byte from the client stands.
///
/// ```text
/// Between ──▶ Head ──▶ [Body ──▶] Arrived ──the exchange ends──▶ Between
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    /// Before a request, where empty lines may stand (RFC 9112 2.2); `cr` inside of one.
    Between {
        cr: bool,
    },
    Head(MessageHead<RequestLine>),
    Body(Body),
    Arrived,
}

impl Default for Request {
    fn default() -> Self {
        Self::Between { cr: false }
    }
}

/// Where the next byte to the client stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Head(MessageHead<StatusLine>),
    Body(Body),
}

impl Default for Answer {
    fn default() -> Self {
        Self::Head(MessageHead::default())
    }
}

/// A request whose head has arrived whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) method: Method,
    /// It asks for no end of the connection, and would understand one.
    pub(super) persists: bool,
    /// It is HTTP/1.0: its client keeps the connection only after a response that says so.
    pub(super) is_http10: bool,
    /// It may make the connection a tunnel. Then Envoy takes what follows as the tunnel's bytes.
    pub(super) offers_tunnel: bool,
    /// What it offers is a WebSocket.
    pub(super) offers_websocket: bool,
    /// Bytes of the tunnel have been taken before there was one.
    pub(super) strayed: bool,
    /// Its final answer has been sent to the last byte, while the request itself still arrives.
    pub(super) answered: bool,
}
