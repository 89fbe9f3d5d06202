//! The states of a connection and of its two directions.
use super::body::Body;
use super::start_line::Method;
use crate::BypassReason;

/// What the connection is used for.
///
/// ```text
/// Open ──head that closes──▶ Closing ──end of its body──▶ Closed
///   ├──other 101, or CONNECT with a 2xx response──▶ Tunnel
///   ├──101 that selects a WebSocket──▶ WebSocket
///   └──anything not understood──▶ Bypassed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    Closing,
    Closed,
    Tunnel,
    /// From this offset of the write with the 101.
    WebSocket {
        from: usize,
    },
    Bypassed(BypassReason),
}

/// What the next byte from the client belongs to.
///
/// ```text
/// Between ──▶ Head ──▶ [Body ──▶] Complete ──the exchange ends──▶ Between
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum RequestState {
    /// Nothing, or an empty line before a request (RFC 9112 2.2); `cr` after the CR of one.
    Between {
        cr: bool,
    },
    Head,
    Body(Body),
    Complete,
}

impl Default for RequestState {
    fn default() -> Self {
        Self::Between { cr: false }
    }
}

/// What the next byte to the client belongs to.
///
/// ```text
/// Head ──interim response──▶ Head ──▶ [Body ──▶] Head
///   └──nothing needs the response──▶ Unread ──the client's next bytes──▶ Head
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum ResponseState {
    #[default]
    Head,
    Body(Body),
    /// The response may have ended.
    Unread,
}

/// A request whose head is complete, and its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) method: Method,
    /// The request permits a further one on the connection, and its client understands `connection: close`.
    pub(super) persists: bool,
    /// The request is HTTP/1.0: its client keeps the connection only after a response with `keep-alive`.
    pub(super) is_http10: bool,
    /// The request may open a tunnel. Envoy then takes what follows as the tunnel's bytes.
    pub(super) offers_tunnel: bool,
    /// The tunnel would be a WebSocket.
    pub(super) offers_websocket: bool,
    /// Envoy has taken bytes of the tunnel before the response opened it.
    pub(super) has_tunnel_bytes: bool,
    /// The final response is complete; the request itself may not be.
    pub(super) response_complete: bool,
}
