//! HTTP/2 (RFC 9113): both directions of one connection.
use crate::{Opaque, Source};

/// What a client sends before anything else (RFC 9113 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most streams open at once that are followed.
pub const MAX_STREAMS: usize = 1024;

/// Both directions of an HTTP/2 connection.
#[derive(Debug, Default)]
pub struct Connection {}

/// What one write to the client did, and where a GOAWAY frame would stand between two frames in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// A GOAWAY may be put before the first byte: a frame starts there, the server's SETTINGS have been
    /// sent, and no header block is open.
    pub start_fits: bool,
    /// A GOAWAY may be put after the last byte.
    pub end_fits: bool,
    /// This write ended a stream and left none active.
    pub quiet: Option<Quiet>,
    /// The server sent a GOAWAY of its own in it.
    pub goaway: bool,
}

/// The end of the last active stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// The offset of the frame that ended it (of HEADERS, where CONTINUATION follows). None when that
    /// frame began in an earlier write.
    pub frame_at: Option<usize>,
    /// No other stream was open at any time while it was.
    pub alone: bool,
}

impl Connection {
    /// Takes bytes from the client.
    pub fn downstream(&mut self, _source: &mut impl Source) -> Result<(), Opaque> {
        Ok(())
    }

    /// Takes a write to the client.
    pub fn upstream(&mut self, _source: &mut impl Source) -> Result<Write, Opaque> {
        Ok(Write::default())
    }

    /// Streams that the client has opened, since the connection began.
    pub fn requests(&self) -> u64 {
        0
    }

    /// Streams that have not ended in both directions.
    pub fn active(&self) -> u32 {
        0
    }

    /// The highest stream id that the client has opened; 0 for none.
    pub fn last_stream_id(&self) -> u32 {
        0
    }

    /// The client has had two streams open at once.
    pub fn multiplexes(&self) -> bool {
        false
    }
}
