//! Why a connection is bypassed.

/// The first thing in a connection's bytes that the scanner does not understand. From then on every byte passes
/// unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BypassReason {
    /// HTTP/1: the first line of a message is not a request line or status line.
    StartLine,
    /// HTTP/1: a header field is malformed, folded (RFC 9112 5.2) or ended by a bare LF or CR.
    Field,
    /// HTTP/1: a head is longer than [`h1::MAX_HEAD`](crate::h1::MAX_HEAD).
    HeadTooLong,
    /// HTTP/1: the length of a message is contradictory or unknown (RFC 9112 6.3).
    Framing,
    /// A response without a request, or bytes that Envoy took out of order.
    OutOfStep,
    /// HTTP/2: RFC 9113 does not allow this frame here, or its size is wrong.
    Frame,
    /// HTTP/2: more than [`h2::MAX_STREAMS`](crate::h2::MAX_STREAMS) streams are open at once.
    TooManyStreams,
    /// WebSocket: RFC 6455 does not allow this frame here.
    Message,
    /// The host gave fewer bytes than it announced.
    Unreadable,
    /// The connection carries a tunnel, in which no drain signal fits.
    Tunnel,
    /// Databases and brokers: TLS or GSSAPI encryption from end to end.
    Encrypted,
    /// Databases and brokers: the protocol's own compression.
    Compressed,
    /// Databases and brokers: a version or an extension of the protocol that is not supported.
    Unsupported,
    /// Databases and brokers: bytes that the protocol does not allow.
    Malformed,
    /// Databases and brokers: more requests or messages are in flight than the scanner's state holds.
    TooManyInFlight,
    /// Databases and brokers: the connection was open before a rule for its protocol, so its first bytes were not scanned.
    OpenedBeforeRule,
}

impl BypassReason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::StartLine,
        Self::Field,
        Self::HeadTooLong,
        Self::Framing,
        Self::OutOfStep,
        Self::Frame,
        Self::TooManyStreams,
        Self::Message,
        Self::Unreadable,
        Self::Tunnel,
        Self::Encrypted,
        Self::Compressed,
        Self::Unsupported,
        Self::Malformed,
        Self::TooManyInFlight,
        Self::OpenedBeforeRule,
    ];

    /// A short, stable name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartLine => "start_line",
            Self::Field => "field",
            Self::HeadTooLong => "head_too_long",
            Self::Framing => "framing",
            Self::OutOfStep => "out_of_step",
            Self::Frame => "frame",
            Self::TooManyStreams => "too_many_streams",
            Self::Message => "message",
            Self::Unreadable => "unreadable",
            Self::Tunnel => "tunnel",
            Self::Encrypted => "encrypted",
            Self::Compressed => "compressed",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
            Self::TooManyInFlight => "too_many_in_flight",
            Self::OpenedBeforeRule => "opened_before_rule",
        }
    }
}
