//! What the scanner found in a write to the client.

use super::frame::HEADER;

/// The length of a RST_STREAM frame in bytes (RFC 9113 6.4).
pub const RST_STREAM_LEN: usize = HEADER + 4;

/// What the scanner found in a write to the client, and where a GOAWAY fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Write {
    /// A GOAWAY fits before the first byte: a frame starts there, the server's SETTINGS were sent, and no header block
    /// is open.
    pub fits_at_start: bool,
    /// A GOAWAY fits after the last byte.
    pub fits_at_end: bool,
    /// The end of the last active stream, if it is in this write.
    pub last_stream_end: Option<LastStreamEnd>,
    /// The header of a GOAWAY of the server ended in this write.
    pub has_goaway: bool,
    /// The last stream that the server reset in this write in the middle of its response.
    pub aborted_response: Option<AbortedResponse>,
}

/// A RST_STREAM of the server in the middle of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedResponse {
    /// The stream.
    pub stream: u32,
    /// The offset of the frame's [`RST_STREAM_LEN`] bytes. None when it began in an earlier write.
    pub frame_at: Option<usize>,
    /// The client had ended its side of the stream.
    pub client_ended: bool,
}

/// The end of the last active stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastStreamEnd {
    /// The offset of the frame that ended it (of HEADERS, where CONTINUATION follows). None when that
    /// frame began in an earlier write.
    pub frame_at: Option<usize>,
    /// No other stream was open at any time while it was.
    pub was_alone: bool,
}
