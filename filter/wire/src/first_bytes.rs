//! Detects the database or broker of a connection under a TCP rule.

use crate::tcp::{MAX_DETECTED, Side, TLS_HANDSHAKE, TcpDetection, TcpProtocol, detect};
use crate::{BypassReason, ByteSource};

/// The protocol that the TCP rule of a connection expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpectedProtocol {
    /// There is no rule, or it is one for raw TCP: what is not HTTP is [`Protocol::Tcp`](crate::Protocol::Tcp).
    #[default]
    HttpOrRaw,
    /// The first bytes of the connection to this port show its protocol, HTTP included.
    Detected {
        /// The port.
        port: u16,
    },
    /// This protocol. A connection that speaks another one is bypassed.
    Stated(TcpProtocol),
}

/// The first bytes of a connection, until they show whether it belongs to a database or broker.
#[derive(Debug)]
pub(crate) struct FirstBytes {
    port: u16,
    side: Option<Side>,
    /// At most [`MAX_DETECTED`].
    bytes: Vec<u8>,
}

/// What the first bytes show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identified {
    NeedMore,
    /// With the bytes of earlier callbacks.
    Session(TcpProtocol, Vec<u8>),
    /// None of the protocols: perhaps HTTP.
    Other {
        /// The bytes of earlier callbacks.
        earlier: Vec<u8>,
        /// Why the connection is bypassed unless it is HTTP; None: it is raw TCP then.
        bypass: Option<BypassReason>,
    },
}

impl FirstBytes {
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            side: None,
            bytes: Vec::new(),
        }
    }

    /// Adds bytes that `side` sent.
    pub(crate) fn add(&mut self, side: Side, source: &mut dyn ByteSource) -> Identified {
        let is_first = *self.side.get_or_insert(side) == side;
        let earlier = self.bytes.clone();
        let free = MAX_DETECTED.saturating_sub(earlier.len());
        let more = source.read(0, free.min(source.len()));
        self.bytes.extend(more);
        let detection = match is_first {
            true => detect(Some(self.port), side, &self.bytes),
            // In each of these protocols the other side waits for the whole first message.
            false => TcpDetection::None,
        };
        match detection {
            TcpDetection::Matched(protocol) => Identified::Session(protocol, earlier),
            TcpDetection::NeedMore if self.bytes.len() < MAX_DETECTED => Identified::NeedMore,
            TcpDetection::NeedMore | TcpDetection::None => Identified::Other {
                earlier: if is_first { earlier } else { Vec::new() },
                bypass: self.bypass_reason(),
            },
        }
    }

    /// On the port of a known protocol, other bytes most likely are this protocol in a form that is not understood: as
    /// raw TCP, its transactions would be broken.
    fn bypass_reason(&self) -> Option<BypassReason> {
        let reason = match self.bytes.first() {
            Some(&TLS_HANDSHAKE) => BypassReason::Encrypted,
            _ => BypassReason::Malformed,
        };
        TcpProtocol::of_port(self.port).map(|_| reason)
    }
}

/// True if the first bytes match no database or broker, on whatever port.
pub(crate) fn matches_no_protocol(side: Side, source: &mut dyn ByteSource) -> bool {
    let first = source.read(0, MAX_DETECTED.min(source.len()));
    detect(None, side, &first) == TcpDetection::None
}
