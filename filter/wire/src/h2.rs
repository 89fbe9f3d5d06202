//! The scanner for HTTP/2 (RFC 9113).
//!
//! It follows streams by frame headers alone: it decodes no HPACK and skips payloads. It reads payloads only where
//! a GOAWAY depends on them: the client's first frames, which identify the client ([`KnownClient`]), the stream ids
//! in GOAWAY and PUSH_PROMISE, and PINGs. The scanner does not enforce the protocol. It rejects what it could not
//! follow, and accepts what Envoy's codec accepts, such as frames that crossed a RST_STREAM in transit.

mod client;
mod delivery;
mod direction;
mod first_frames;
mod frame;
mod from_client;
mod from_server;
mod goaway;
mod grpc;
mod handler;
mod insertion;
mod part;
mod streams;
mod unavailable;
mod unread;
mod write;

pub use client::{
    AMBIGUOUS, ClientProfile, Conditions, Fingerprint, FirstFields, IDLE_TIME, IdleTime,
    KNOWN_CLIENTS, KnownClient, LastStreamIdTolerance, PositionTolerance, SettingPattern,
    Tolerance, UNKNOWN, WindowUpdatePattern,
};
pub use goaway::{MAX_STREAM_ID, goaway_frame};
pub use insertion::{Insertion, PlannedGoaway};
pub use unavailable::{UNAVAILABLE_MESSAGE, unavailable_trailers};
pub use write::{AbortedResponse, Http2Write, LastStreamEnd, RST_STREAM_LEN};

use crate::{BypassReason, ByteSource};
use delivery::Delivery;
use direction::Direction;
use first_frames::FirstFrames;
use handler::FrameHandler;
use streams::{Peer, Streams};

/// The client's connection preface (RFC 9113 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most streams open at once that are followed.
pub const MAX_STREAMS: usize = 1024;

/// The longest payload of a frame that is followed, in bytes; Envoy's default limit is 16 KiB.
pub const MAX_FRAME: u32 = 1 << 20;

/// Follows both directions of an HTTP/2 connection.
///
/// It takes 192 bytes (168 on wasm32), 112 more (104) until the first request, and 8 for each of at most
/// [`MAX_STREAMS`] active streams, which it frees when they end except for 32 bytes.
///
/// After an error both directions return the same error without reading.
#[derive(Debug)]
pub struct Http2Scanner {
    from_client: Direction,
    from_server: Direction,
    connection: Connection,
    bypassed: Option<BypassReason>,
    /// A write of the server has ended within a frame.
    has_split_frames: bool,
    is_unread: bool,
}

/// What the frames of both directions have shown.
#[derive(Debug)]
struct Connection {
    streams: Streams,
    /// What identifies the client; None once `client` is determined.
    first_frames: Option<Box<FirstFrames>>,
    client: ClientProfile,
    delivery: Delivery,
}

impl Default for Http2Scanner {
    fn default() -> Self {
        Self {
            from_client: Direction::of_client(),
            from_server: Direction::of_server(),
            connection: Connection {
                streams: Streams::default(),
                first_frames: Some(Box::default()),
                client: UNKNOWN,
                delivery: Delivery::default(),
            },
            bypassed: None,
            has_split_frames: false,
            is_unread: false,
        }
    }
}

impl Http2Scanner {
    /// Scans bytes from the client.
    ///
    /// # Errors
    /// Why the connection is bypassed.
    pub fn scan_downstream(&mut self, source: &mut dyn ByteSource) -> Result<(), BypassReason> {
        if self.is_unread {
            return self.bypassed.map_or(Ok(()), Err);
        }
        self.scan(Peer::Client, source, &mut Http2Write::default())
    }

    /// Scans a write to the client.
    ///
    /// # Errors
    /// Why the connection is bypassed.
    #[inline(never)]
    pub fn scan_upstream(
        &mut self,
        source: &mut dyn ByteSource,
    ) -> Result<Http2Write, BypassReason> {
        if self.is_unread {
            self.bypassed.map_or(Ok(()), Err)?;
            return self.scan_unread_write(source);
        }
        let mut write = Http2Write {
            fits_at_start: self.from_server.is_boundary(),
            ..Http2Write::default()
        };
        self.scan(Peer::Server, source, &mut write)?;
        if self.connection.streams.active() > 0 {
            write.last_stream_end = None;
        }
        write.fits_at_end = self.from_server.is_boundary();
        self.has_split_frames |= !write.fits_at_end;
        Ok(write)
    }

    /// Not inlined, as it would be twice.
    #[inline(never)]
    fn scan(
        &mut self,
        sender: Peer,
        source: &mut dyn ByteSource,
        write: &mut Http2Write,
    ) -> Result<(), BypassReason> {
        self.bypassed.map_or(Ok(()), Err)?;
        let direction = match sender {
            Peer::Client => &mut self.from_client,
            Peer::Server => &mut self.from_server,
        };
        let mut handler = FrameHandler {
            connection: &mut self.connection,
            sender,
            write,
        };
        direction
            .scan(source, &mut handler)
            .inspect_err(|reason| self.bypassed = Some(*reason))
    }

    /// Streams that the client has opened since the connection opened, without those that a GOAWAY of the server
    /// refused.
    pub fn requests(&self) -> u64 {
        self.connection.streams.requests()
    }

    /// Streams that have not ended in both directions, including pushed ones. A stream starts with the header of
    /// its HEADERS frame and ends with the last byte of the frame that ends it. None are known of an unread connection.
    pub fn active(&self) -> u32 {
        u32::try_from(self.connection.streams.active()).unwrap_or(u32::MAX)
    }

    /// The highest stream id that the client has opened; 0 for none.
    pub fn last_stream_id(&self) -> u32 {
        self.connection.streams.last_opened()
    }

    /// Whether the client has had two streams open at once.
    pub fn multiplexes(&self) -> bool {
        self.connection.streams.multiplexes()
    }

    /// Whether a request has had a body: then the next one may have a body that the client cannot replay.
    pub fn has_bodies(&self) -> bool {
        self.connection.streams.has_bodies()
    }

    /// The client at the other end; [`UNKNOWN`] until its first request.
    pub fn client(&self) -> ClientProfile {
        self.connection.client
    }

    /// Whether the client's first frames are complete, so that [`client`](Self::client) does not change any more.
    pub fn is_client_identified(&self) -> bool {
        self.connection.first_frames.is_none()
    }

    /// Whether the client is known to have read every response that has ended.
    pub fn has_received_all(&self) -> bool {
        !self.is_unread && self.connection.delivery.is_confirmed()
    }

    /// Whether [`Http2Scanner::insertions`] has a PING to insert.
    pub fn needs_ping(&self) -> bool {
        !self.is_unread && self.connection.delivery.needs_ping()
    }

    /// The frames to insert, in this order, into the current write of `len` bytes: `goaway`, and a PING where one is
    /// needed to learn what the client has received. Call it for each write; before the first GOAWAY it returns
    /// nothing.
    pub fn insertions(
        &mut self,
        write: Http2Write,
        len: usize,
        goaway: Option<PlannedGoaway>,
    ) -> impl Iterator<Item = Insertion> + use<> {
        if let Some(goaway) = goaway {
            self.connection
                .streams
                .go_away(Peer::Server, goaway.last_stream_id);
        }
        // The acknowledgement of a PING would not be read.
        let write = Http2Write {
            fits_at_end: write.fits_at_end && !self.is_unread,
            ..write
        };
        insertion::insertions(&mut self.connection.delivery, write, len, goaway)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn scanner_has_its_documented_size() {
        let words = size_of::<usize>() / 4;
        assert_eq!(size_of::<Http2Scanner>(), [168, 192][words - 1]);
        assert_eq!(size_of::<FirstFrames>(), [104, 112][words - 1]);
    }
}
