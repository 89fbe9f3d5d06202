//! What a write to the client did, and where words of one's own would stand in it.

use super::frame::HEADER;

/// The length of a RST_STREAM frame in bytes (RFC 9113 6.4).
pub const RST_STREAM_LEN: usize = HEADER + 4;

/// What one write to the client did, and where a GOAWAY frame would stand between two frames in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Write {
    /// A GOAWAY may be put before the first byte: a frame starts there, the server's SETTINGS have been
    /// sent, and no header block is open.
    pub fits_at_start: bool,
    /// A GOAWAY may be put after the last byte.
    pub fits_at_end: bool,
    /// This write ended a stream and left none active.
    pub last_stream_end: Option<LastStreamEnd>,
    /// The server sent a GOAWAY of its own in it (the write in which that frame's header ended).
    pub has_goaway: bool,
    /// The server reset a stream in the middle of its answer (the last that it did so to in this write).
    pub aborted_response: Option<AbortedResponse>,
}

/// A RST_STREAM of the server for a stream whose answer it had begun and not ended.
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
