//! What labels tell apart.

use evenkeel_engine::Reason;
use evenkeel_engine::peers::Refused;
use evenkeel_wire::{Kind, Opaque, h2};

/// A label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// What is spoken on the connection.
    Protocol,
    /// Why a connection is moved.
    Reason,
    /// Who closed a connection whose end was announced.
    By,
    /// Why a connection is left alone.
    Cause,
    /// An upstream host.
    Upstream,
    /// The HTTP/2 client, told by its greeting.
    Family,
    /// Which last-stream-id a GOAWAY carried.
    Goaway,
    /// What was open when a GOAWAY was sent.
    Moment,
    /// What came of an exchange with a peer.
    Outcome,
}

/// What a label can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// These words.
    Fixed(Vec<&'static str>),
    /// What is met; the text says what that is.
    Met(&'static str),
}

impl Label {
    /// Every label.
    pub const ALL: [Self; 9] = [
        Self::Protocol,
        Self::Reason,
        Self::By,
        Self::Cause,
        Self::Upstream,
        Self::Family,
        Self::Goaway,
        Self::Moment,
        Self::Outcome,
    ];

    /// Its name in Prometheus.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Reason => "reason",
            Self::By => "by",
            Self::Cause => "cause",
            Self::Upstream => "upstream",
            Self::Family => "family",
            Self::Goaway => "goaway",
            Self::Moment => "moment",
            Self::Outcome => "outcome",
        }
    }

    /// The regular expression with which Envoy (`stats_tags`) finds it in a stat's name, and not at the end of another
    /// label: Istio has a `request_protocol`.
    pub fn regex(self) -> String {
        format!(r"(\b{}=\.=(.*?);\.;)", self.tag())
    }

    /// What it can say.
    pub fn values(self) -> Values {
        Values::Fixed(match self {
            Self::Protocol => Protocol::ALL.map(Protocol::name).to_vec(),
            Self::Reason => Reason::ALL.map(Reason::name).to_vec(),
            Self::By => vec!["client", "proxy", "evenkeel"],
            Self::Cause => Cause::all().map(Cause::name).collect(),
            Self::Upstream => {
                return Values::Met("the host's address; beyond 256 live ones `other`");
            }
            Self::Family => {
                let recognised = h2::CLIENTS.iter().map(|client| client.name);
                let others = [h2::AMBIGUOUS, h2::UNKNOWN.name];
                let mut families: Vec<_> = recognised.chain(others).collect();
                families.sort_unstable();
                families.dedup();
                families
            }
            Self::Goaway => vec!["exact", "max"],
            Self::Moment => vec!["quiet", "busy"],
            Self::Outcome => Exchange::ALL.map(Exchange::name).to_vec(),
        })
    }

    /// All that it can say is known beforehand and few, so that a series that says nothing yet is there with 0.
    pub const fn is_shown_at_once(self) -> bool {
        !matches!(self, Self::Upstream | Self::Family)
    }
}

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.
    Http1,
    /// HTTP/2, and so gRPC.
    Http2,
    /// WebSocket over HTTP/1.
    WebSocket,
    /// Anything else.
    Tcp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 4] = [Self::Http1, Self::Http2, Self::WebSocket, Self::Tcp];

    /// What bytes of this kind are counted as; None before that is known, and for what is left alone.
    pub fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Http1 => Some(Self::Http1),
            Kind::Http2 => Some(Self::Http2),
            Kind::WebSocket => Some(Self::WebSocket),
            Kind::Tcp => Some(Self::Tcp),
            Kind::Unknown | Kind::Tunnel | Kind::Opaque(_) => None,
        }
    }

    /// The label's value.
    pub const fn name(self) -> &'static str {
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
pub struct Goaway {
    /// Of the client.
    pub family: &'static str,
    /// The last-stream-id is the highest accepted.
    pub is_exact: bool,
    /// No stream was open.
    pub is_quiet: bool,
}

/// Why a connection is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its bytes are not what they should be.
    NotUnderstood(Opaque),
    /// It carries what no announcement fits in.
    Tunnel,
}

impl core::hash::Hash for Cause {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Cause {
    /// Every cause.
    pub fn all() -> impl Iterator<Item = Self> {
        let causes = Opaque::ALL.into_iter().map(Self::NotUnderstood);
        causes.chain([Self::Tunnel])
    }

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotUnderstood(opaque) => opaque.name(),
            Self::Tunnel => "tunnel",
        }
    }
}

/// What came of an exchange with a peer, or of one side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exchange {
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
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Failed,
        Self::Asked,
        Self::Stranger,
        Self::Malformed,
        Self::TooLong,
        Self::Version,
    ];

    /// Why a message was refused.
    pub const fn of(refused: &Refused) -> Self {
        match refused {
            Refused::TooLong => Self::TooLong,
            Refused::Malformed => Self::Malformed,
            Refused::Version(_) => Self::Version,
        }
    }

    /// The label's value.
    pub const fn name(self) -> &'static str {
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
