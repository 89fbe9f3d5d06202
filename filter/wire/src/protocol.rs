//! The protocols that a connection can speak, and what its bytes have shown so far.

use crate::BypassReason;
use crate::tcp::TcpProtocol;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, with prior knowledge or by ALPN; gRPC is HTTP/2.
    Http2,
    /// An HTTP/1 connection that was upgraded to a WebSocket.
    WebSocket,
    /// A database or broker, whose sessions are followed.
    Session(TcpProtocol),
    /// Anything else.
    Tcp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 10] = [
        Self::Http1,
        Self::Http2,
        Self::WebSocket,
        Self::Session(TcpProtocol::PostgreSql),
        Self::Session(TcpProtocol::MySql),
        Self::Session(TcpProtocol::Redis),
        Self::Session(TcpProtocol::Nats),
        Self::Session(TcpProtocol::Mqtt),
        Self::Session(TcpProtocol::Amqp),
        Self::Tcp,
    ];

    /// The protocol's name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::WebSocket => "websocket",
            Self::Session(protocol) => protocol.name(),
            Self::Tcp => "tcp",
        }
    }
}

/// What the bytes of a connection have shown so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// Too few bytes have arrived to distinguish the protocols.
    Pending,
    /// The connection speaks this protocol.
    Detected(Protocol),
    /// The connection is bypassed for the rest of its life.
    Bypassed(BypassReason),
}

impl Detection {
    /// The protocol that the connection speaks; None before it is known and for a bypassed connection.
    pub const fn protocol(self) -> Option<Protocol> {
        match self {
            Self::Detected(protocol) => Some(protocol),
            Self::Pending | Self::Bypassed(_) => None,
        }
    }
}
