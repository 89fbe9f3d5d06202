//! What labels tell apart.

use evenkeel_engine::peers::Refused;
use evenkeel_wire::{Kind, Opaque};

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    WebSocket,
    Tcp,
}

impl Protocol {
    pub(super) const ALL: [Self; 4] = [Self::Http1, Self::Http2, Self::WebSocket, Self::Tcp];

    pub(crate) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Http1 => Some(Self::Http1),
            Kind::Http2 => Some(Self::Http2),
            Kind::WebSocket => Some(Self::WebSocket),
            Kind::Tcp => Some(Self::Tcp),
            Kind::Unknown | Kind::Tunnel | Kind::Opaque(_) => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::WebSocket => "websocket",
            Self::Tcp => "tcp",
        }
    }
}

/// How a connection was told by GOAWAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Goaway {
    /// Of the client.
    pub(crate) family: &'static str,
    /// The last-stream-id is the highest accepted.
    pub(crate) is_exact: bool,
    /// No stream was open.
    pub(crate) is_quiet: bool,
}

/// Why a connection is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    NotUnderstood(Opaque),
    Tunnel,
}

impl core::hash::Hash for Cause {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Cause {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotUnderstood(opaque) => opaque.name(),
            Self::Tunnel => "tunnel",
        }
    }
}

/// What came of an exchange with a peer, or of one side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Exchange {
    /// A peer has answered.
    Answered,
    /// None has.
    Failed,
    /// A peer has asked.
    Asked,
    /// Somebody has asked who is none; the question went on to the application.
    Stranger,
    /// What a peer said is no message.
    Malformed,
    /// It is longer than any message.
    TooLong,
    /// It is of another version.
    Version,
}

impl Exchange {
    pub(super) const ALL: [Self; 7] = [
        Self::Answered,
        Self::Failed,
        Self::Asked,
        Self::Stranger,
        Self::Malformed,
        Self::TooLong,
        Self::Version,
    ];

    pub(super) fn of(refused: &Refused) -> Self {
        match refused {
            Refused::TooLong => Self::TooLong,
            Refused::Malformed => Self::Malformed,
            Refused::Version(_) => Self::Version,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Asked => "asked",
            Self::Stranger => "refused_stranger",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Version => "version",
        }
    }
}
