//! One downstream connection of any protocol: what its first bytes say it is decides who follows it.

use crate::h1::Head;
use crate::h2::{PREFACE, Write};
use crate::source::Tail;
use crate::unconfirmed::Unconfirmed;
use crate::{Opaque, Source, h1, h2, websocket};

/// What a connection's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Too few bytes have come to say.
    Unknown,
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2, with prior knowledge or by ALPN.
    Http2,
    /// An HTTP/1 connection that has become a WebSocket.
    WebSocket,
    /// An HTTP/1 connection that has become another protocol (CONNECT), or a WebSocket that is not
    /// followed.
    Tunnel,
    /// Not HTTP.
    Tcp,
    /// HTTP once, and not understood any more.
    Opaque(Opaque),
}

/// What a write to the client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing: no announcement would be understood in it.
    None,
    /// The head of an HTTP/1 answer.
    Head(Head),
    /// HTTP/2 frames.
    Frames(Write),
    /// A WebSocket's frames.
    Messages(websocket::Write),
}

/// Both directions of a downstream connection. See [`h1::Connection`],
/// [`h2::Connection`] and [`websocket::Connection`].
#[derive(Debug, Default)]
pub struct Connection {
    protocol: Protocol,
    unconfirmed: Unconfirmed,
}

#[derive(Debug)]
enum Protocol {
    /// So many bytes have come, and they are the beginning of [`PREFACE`].
    Unknown(usize),
    Http1(Box<h1::Connection>),
    Http2(Box<h2::Connection>),
    WebSocket(Box<websocket::Connection>),
    Tunnel,
    Tcp,
    Opaque(Opaque),
}

impl Default for Protocol {
    fn default() -> Self {
        Self::Unknown(0)
    }
}

impl Connection {
    /// A connection on which nothing has been sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it is, as far as its bytes have told.
    pub fn kind(&self) -> Kind {
        match &self.protocol {
            Protocol::Unknown(_) => Kind::Unknown,
            Protocol::Http1(_) => Kind::Http1,
            Protocol::Http2(_) => Kind::Http2,
            Protocol::WebSocket(_) => Kind::WebSocket,
            Protocol::Tunnel => Kind::Tunnel,
            Protocol::Tcp => Kind::Tcp,
            Protocol::Opaque(cause) => Kind::Opaque(*cause),
        }
    }

    /// The HTTP/2 side of it, if it is HTTP/2.
    pub fn http2(&self) -> Option<&h2::Connection> {
        match &self.protocol {
            Protocol::Http2(connection) => Some(connection),
            _ => None,
        }
    }

    /// As [`Connection::http2`], to be told what is put into a write.
    pub fn http2_mut(&mut self) -> Option<&mut h2::Connection> {
        match &mut self.protocol {
            Protocol::Http2(connection) => Some(connection),
            _ => None,
        }
    }

    /// How many bytes were written to the client that it is not known to have read, of responses that have
    /// ended: to close the connection could destroy them. HTTP/2 tells whether it is any or none
    /// ([`h2::Connection::has_received_all`]), and gives the highest number there is for any.
    pub fn undelivered(&self) -> u64 {
        match &self.protocol {
            Protocol::Http2(connection) if connection.has_received_all() => 0,
            Protocol::Http2(_) => u64::MAX,
            // The client sent the request that is active after it had the responses to those before it.
            Protocol::Http1(connection) if connection.active() > 0 => 0,
            // It sends its Close after it has read ours, or will read no further (RFC 6455 5.5.1).
            Protocol::WebSocket(connection) if connection.client_has_closed() => 0,
            _ => self.unconfirmed.bytes(),
        }
    }

    /// So many bytes of the write in hand are not passed on to the client.
    pub fn discarded(&mut self, bytes: usize) {
        self.unconfirmed.discarded(bytes);
    }

    /// The WebSocket that it has become, if it has.
    pub fn websocket(&self) -> Option<&websocket::Connection> {
        match &self.protocol {
            Protocol::WebSocket(connection) => Some(connection),
            _ => None,
        }
    }

    /// A WebSocket is not to be followed any further.
    pub fn leave(&mut self) {
        if let Protocol::WebSocket(_) = self.protocol {
            self.protocol = Protocol::Tunnel;
        }
    }

    /// Requests since it began; 0 once it is no HTTP.
    pub fn requests(&self) -> u64 {
        match &self.protocol {
            Protocol::Http1(connection) => connection.requests(),
            Protocol::Http2(connection) => connection.requests(),
            _ => 0,
        }
    }

    /// Requests that are owed something. A WebSocket is one until both sides have said Close.
    pub fn active(&self) -> u32 {
        match &self.protocol {
            Protocol::Http1(connection) => connection.active(),
            Protocol::Http2(connection) => connection.active(),
            Protocol::WebSocket(connection) => u32::from(!connection.is_over()),
            _ => 0,
        }
    }

    /// Takes bytes from the client. True when a part of a WebSocket message was among them.
    pub fn downstream(&mut self, source: &mut impl Source) -> bool {
        if !source.is_empty() {
            self.unconfirmed.heard();
        }
        if let Protocol::Unknown(matched) = self.protocol {
            self.detect(matched, source);
        }
        let result = match &mut self.protocol {
            Protocol::Http1(connection) => connection.downstream(source).map(|()| false),
            Protocol::Http2(connection) => connection.downstream(source).map(|()| false),
            Protocol::WebSocket(connection) => connection.downstream(source),
            _ => Ok(false),
        };
        self.settle(result.err());
        result.unwrap_or_default()
    }

    /// Takes a write to the client.
    pub fn upstream(&mut self, source: &mut impl Source) -> Place {
        self.unconfirmed.wrote(source.len());
        let result = match &mut self.protocol {
            Protocol::Http1(connection) => connection
                .upstream(source)
                .map(|heads| heads.last().copied().map_or(Place::None, Place::Head)),
            Protocol::Http2(connection) => connection.upstream(source).map(Place::Frames),
            Protocol::WebSocket(connection) => connection.upstream(source).map(Place::Messages),
            Protocol::Unknown(_) if !source.is_empty() => {
                self.protocol = Protocol::Tcp;
                Ok(Place::None)
            }
            _ => Ok(Place::None),
        };
        if let Protocol::Http1(connection) = &self.protocol
            && let Some(skip) = connection.websocket()
        {
            self.upgrade(&mut Tail { source, skip });
            return Place::None;
        }
        self.settle(result.err());
        match (result, self.kind()) {
            (Ok(place), Kind::Http1 | Kind::Http2 | Kind::WebSocket) => place,
            _ => Place::None,
        }
    }

    /// Becomes a WebSocket, whose first frames may have come behind its 101.
    fn upgrade(&mut self, rest: &mut impl Source) {
        let mut connection = Box::<websocket::Connection>::default();
        let result = connection.upstream(rest);
        self.protocol = Protocol::WebSocket(connection);
        self.settle(result.err());
    }

    /// Looks at the first bytes. `matched` of them have come before, and were the preface's own.
    fn detect(&mut self, matched: usize, source: &mut impl Source) {
        let rest = PREFACE.get(matched..).unwrap_or_default();
        let first = source.read(0, rest.len());
        let same = rest.iter().zip(&first).take_while(|(a, b)| a == b).count();
        let seen = PREFACE.get(..matched).unwrap_or_default();
        if same == rest.len() {
            let mut connection = Box::<h2::Connection>::default();
            let result = connection.downstream(&mut &*seen);
            self.protocol = Protocol::Http2(connection);
            self.settle(result.err());
        } else if same == source.len() {
            self.protocol = Protocol::Unknown(matched.saturating_add(same));
        } else {
            let mut connection = Box::<h1::Connection>::default();
            let result = connection.downstream(&mut &*seen);
            self.protocol = Protocol::Http1(connection);
            self.settle(result.err());
        }
    }

    /// After a scan: what was not understood from the start is not HTTP.
    fn settle(&mut self, error: Option<Opaque>) {
        match (&self.protocol, error) {
            (Protocol::Http1(connection), Some(Opaque::StartLine))
                if connection.requests() == 0 =>
            {
                self.protocol = Protocol::Tcp
            }
            (Protocol::Http1(connection), None) if connection.is_tunnel() => {
                self.protocol = Protocol::Tunnel
            }
            (Protocol::Http1(_) | Protocol::Http2(_) | Protocol::WebSocket(_), Some(cause)) => {
                self.protocol = Protocol::Opaque(cause)
            }
            _ => {}
        }
    }
}
