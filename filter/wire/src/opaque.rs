//! Why a connection is left alone.

/// The first thing in a byte stream that the scanner did not understand. From then on not one byte of
/// the connection is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// HTTP/1: a start line that is not one.
    StartLine,
    /// HTTP/1: a header field that is malformed, folded (RFC 9112 5.2) or ended by a bare LF or CR.
    Field,
    /// HTTP/1: a head longer than [`h1::MAX_HEAD`](crate::h1::MAX_HEAD).
    HeadTooLong,
    /// HTTP/1: a message whose length is contradictory or unknown (RFC 9112 6.3).
    Framing,
    /// HTTP/1: an answer that no request asked for, or bytes that the proxy took out of turn.
    OutOfStep,
    /// HTTP/2: a frame that RFC 9113 does not allow here, or whose size is wrong.
    Frame,
    /// HTTP/2: more streams at once than are followed.
    TooManyStreams,
    /// WebSocket: a frame that RFC 6455 does not allow here.
    Message,
    /// The host gave fewer bytes than it said there are.
    Unreadable,
}

impl Opaque {
    /// Every cause.
    pub const ALL: [Self; 9] = [
        Self::StartLine,
        Self::Field,
        Self::HeadTooLong,
        Self::Framing,
        Self::OutOfStep,
        Self::Frame,
        Self::TooManyStreams,
        Self::Message,
        Self::Unreadable,
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
        }
    }
}
