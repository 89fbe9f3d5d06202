//! HTTP/2 (RFC 9113): both directions of one connection, as they pass between the wire and Envoy's codec.
//!
//! Streams are followed by frame headers alone: HPACK stays closed, payloads are skipped. What is looked
//! at besides is what the client says of itself before its first request, because that tells how it takes
//! a GOAWAY ([`Client`]), and the stream ids in GOAWAY and PUSH_PROMISE. The scanner is no judge of the
//! peers: it stops where it would lose its way, and lets pass what Envoy's codec lets pass, such as
//! frames that crossed a RST_STREAM on the wire.

mod client;
mod direction;
mod drain;
mod fields;
mod first_frames;
mod frame;
mod goaway;
mod reader;
mod receipt;
mod streams;
mod unavailable;
mod write;

pub use client::{
    AMBIGUOUS, ClientProfile, Conditions, Fingerprint, IDLE_TIME, KNOWN_CLIENTS, KnownClient,
    LastStreamIdTolerance, PositionTolerance, SettingPattern, Tolerance, UNKNOWN,
    WindowUpdatePattern,
};
pub use drain::{Insertion, PlannedGoaway};
pub use goaway::{MAX_STREAM_ID, goaway_frame};
pub use unavailable::{UNAVAILABLE_MESSAGE, unavailable_trailers};
pub use write::{AbortedResponse, Http2Write, LastStreamEnd, RST_STREAM_LEN};

use crate::{BypassReason, ByteSource};
use direction::{Direction, Event};
use first_frames::FirstFrames;
use frame::{Frame, FrameType};
use reader::{Cursor, Reader};
use receipt::Receipt;
use streams::{Ended, Peer, Streams};

/// What a client sends before anything else (RFC 9113 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most streams open at once that are followed.
pub const MAX_STREAMS: usize = 1024;

/// The longest payload of a frame that is followed, in bytes; Envoy allows 16 KiB unless told otherwise.
pub const MAX_FRAME: u32 = 1 << 20;

/// Both directions of an HTTP/2 connection.
///
/// 224 bytes (208 on wasm32), 112 more (104) until the first request, then 32 for the streams, while many are
/// active up to 8 KiB: 8 bytes for each of at most [`MAX_STREAMS`], given back when they have ended.
#[derive(Debug)]
pub struct Http2Scanner {
    from_client: Direction,
    from_server: Direction,
    streams: Streams,
    /// What the client has said so far; None once `client` is decided.
    first_frames: Option<Box<FirstFrames>>,
    client: ClientProfile,
    receipt: Receipt,
    opaque: Option<BypassReason>,
}

impl Default for Http2Scanner {
    fn default() -> Self {
        Self {
            from_client: Direction::new(Reader::of_client()),
            from_server: Direction::new(Reader::of_server()),
            streams: Streams::default(),
            first_frames: Some(Box::default()),
            client: UNKNOWN,
            receipt: Receipt::default(),
            opaque: None,
        }
    }
}

impl Http2Scanner {
    /// Takes bytes from the client.
    ///
    /// # Errors
    /// Why the connection is opaque; every later call, in either direction, says the same.
    pub fn scan_downstream(&mut self, source: &mut impl ByteSource) -> Result<(), BypassReason> {
        self.opaque.map_or(Ok(()), Err)?;
        self.scan_client(source)
            .inspect_err(|opaque| self.opaque = Some(*opaque))
    }

    /// Takes a write to the client.
    ///
    /// # Errors
    /// Why the connection is opaque; every later call, in either direction, says the same.
    pub fn scan_upstream(
        &mut self,
        source: &mut impl ByteSource,
    ) -> Result<Http2Write, BypassReason> {
        self.opaque.map_or(Ok(()), Err)?;
        self.scan_server(source)
            .inspect_err(|opaque| self.opaque = Some(*opaque))
    }

    /// Streams that the client has opened, since the connection began. Not those above the last-stream-id
    /// of a GOAWAY that the server has sent: it never looks at them.
    pub fn requests(&self) -> u64 {
        self.streams.requests()
    }

    /// Streams that have not ended in both directions, the server's pushed ones among them. One begins
    /// with the header of its HEADERS frame and ends with the last byte of the frame that ends it.
    pub fn active(&self) -> u32 {
        u32::try_from(self.streams.active()).unwrap_or(u32::MAX)
    }

    /// The highest stream id that the client has opened; 0 for none.
    pub fn last_stream_id(&self) -> u32 {
        self.streams.last_opened()
    }

    /// The client has had two streams open at once.
    pub fn multiplexes(&self) -> bool {
        self.streams.multiplexes()
    }

    /// A request has had a body: one that is about to be sent may have one that cannot be replayed.
    pub fn has_bodies(&self) -> bool {
        self.streams.has_bodies()
    }

    /// The client at the other end: [`UNKNOWN`] until its first request.
    pub fn client(&self) -> ClientProfile {
        self.client
    }

    /// Its first request has come, and with it all that a client is recognised by.
    pub fn is_client_identified(&self) -> bool {
        self.first_frames.is_none()
    }

    /// The client is known to have read every response that has ended.
    pub fn has_received_all(&self) -> bool {
        self.receipt.is_complete()
    }

    /// The frames that are added to the write in hand, of `len` bytes, to be inserted in this order: the GOAWAY of
    /// `signal`, and a PING where it takes one to learn what the client has received. To be called with each
    /// write; of a connection that was never sent a GOAWAY there are none.
    pub fn insertions(
        &mut self,
        write: Http2Write,
        len: usize,
        signal: Option<PlannedGoaway>,
    ) -> impl Iterator<Item = Insertion> + use<> {
        if let Some(signal) = signal {
            self.streams.go_away(Peer::Server, signal.last_stream_id);
        }
        drain::insertions(&mut self.receipt, write, len, signal)
    }

    fn scan_client(&mut self, source: &mut impl ByteSource) -> Result<(), BypassReason> {
        let mut cursor = Cursor::new(source);
        while let Some(event) = self.from_client.next(&mut cursor)? {
            match event {
                Event::Begin(frame) => self.client_begins(frame)?,
                Event::Piece(frame, bytes, length) => self.client_says(frame, bytes, length),
                Event::End { frame, .. } if frame.frame_type == FrameType::RstStream => {
                    self.streams.reset(frame.stream, Peer::Client);
                }
                Event::End { frame, ends_stream } => {
                    self.recognise(frame);
                    if ends_stream {
                        self.streams.end(frame.stream, Peer::Client);
                    }
                }
            }
        }
        Ok(())
    }

    /// A frame of the client is complete; behind the first request nothing further tells who it is.
    fn recognise(&mut self, frame: Frame) {
        let is_first = self
            .first_frames
            .as_ref()
            .is_some_and(|it| it.has_request());
        if is_first
            && !frame.leaves_block_open()
            && let Some(first_frames) = self.first_frames.take()
        {
            self.client = ClientProfile::of(&first_frames);
        }
    }

    fn client_begins(&mut self, frame: Frame) -> Result<(), BypassReason> {
        match frame.frame_type {
            FrameType::Headers => {
                if let Some(first_frames) = &mut self.first_frames {
                    first_frames.begin_request(frame.stream);
                    first_frames.fields.skip(frame.least());
                    self.from_client.want_next();
                }
                self.streams
                    .client_headers(frame.stream, frame.ends_stream())
            }
            FrameType::Data => self.streams.client_data(frame.stream),
            FrameType::RstStream => self.streams.known(frame.stream),
            FrameType::WindowUpdate => {
                // Before the first request, only the connection has a window.
                if self.first_frames.is_some() {
                    self.from_client.want(4);
                }
                self.streams.known(frame.stream)
            }
            FrameType::Settings => {
                if self.from_client.is_first_frame() {
                    self.from_client.want(6);
                }
                Ok(())
            }
            FrameType::GoAway => {
                self.from_client.want(4);
                Ok(())
            }
            FrameType::Ping => {
                if frame.is_ack() && self.receipt.is_asked() {
                    self.from_client.want(8);
                }
                Ok(())
            }
            FrameType::PushPromise => Err(BypassReason::Frame),
            FrameType::Continuation => {
                if self.first_frames.is_some() {
                    self.from_client.want_next();
                }
                Ok(())
            }
            FrameType::Priority | FrameType::Unknown => Ok(()),
        }
    }

    fn client_says(&mut self, frame: Frame, bytes: [u8; frame::HEADER], length: u8) {
        let [a, b, c, d, e, f, g, h, _] = bytes;
        match (frame.frame_type, &mut self.first_frames) {
            (FrameType::Ping, _) => self.receipt.acknowledged([a, b, c, d, e, f, g, h]),
            (FrameType::Settings, Some(first_frames)) => {
                let has_room = first_frames.setting([a, b, c, d, e, f]);
                self.from_client.want(if has_room { 6 } else { 0 });
            }
            (FrameType::Headers | FrameType::Continuation, Some(first_frames)) => {
                let piece = bytes.into_iter().take(usize::from(length));
                first_frames.fields.take(piece);
                self.from_client.want_next();
            }
            (FrameType::WindowUpdate, Some(first_frames)) => {
                first_frames.widen(frame::number([a, b, c, d]))
            }
            (FrameType::GoAway, _) => self
                .streams
                .go_away(Peer::Client, frame::number([a, b, c, d])),
            _ => {}
        }
    }

    fn scan_server(&mut self, source: &mut impl ByteSource) -> Result<Http2Write, BypassReason> {
        let mut write = Http2Write {
            fits_at_start: self.from_server.fits(),
            ..Http2Write::default()
        };
        let mut frame_at = None;
        let mut cursor = Cursor::new(source);
        while let Some(event) = self.from_server.next(&mut cursor)? {
            let ended = match event {
                Event::Begin(frame) => {
                    // Nothing may stand inside a header block, so its end has the place of its beginning.
                    if frame.frame_type != FrameType::Continuation {
                        frame_at = cursor.frame_at();
                    }
                    write.has_goaway |= frame.frame_type == FrameType::GoAway;
                    self.server_begins(frame)?;
                    None
                }
                Event::Piece(frame, bytes, _) => {
                    self.server_says(frame, bytes)?;
                    None
                }
                Event::End { frame, .. } if frame.frame_type == FrameType::RstStream => {
                    let stream = frame.stream;
                    if let Some(client_ended) = self.streams.in_answer(stream) {
                        write.aborted_response = Some(AbortedResponse {
                            stream,
                            frame_at,
                            client_ended,
                        });
                    }
                    self.receipt.response_ended();
                    self.streams.reset(stream, Peer::Server)
                }
                Event::End {
                    frame,
                    ends_stream: true,
                } => {
                    self.receipt.response_ended();
                    self.streams.end(frame.stream, Peer::Server)
                }
                Event::End { .. } => None,
            };
            if let Some(Ended { was_alone }) = ended {
                write.last_stream_end = Some(LastStreamEnd {
                    frame_at,
                    was_alone,
                });
            }
        }
        write.last_stream_end = write.last_stream_end.filter(|_| self.streams.active() == 0);
        write.fits_at_end = self.from_server.fits();
        Ok(write)
    }

    fn server_begins(&mut self, frame: Frame) -> Result<(), BypassReason> {
        match frame.frame_type {
            FrameType::Headers => self.streams.server_headers(frame.stream),
            FrameType::Data => self.streams.server_message(frame.stream),
            FrameType::RstStream | FrameType::WindowUpdate => self.streams.known(frame.stream),
            FrameType::PushPromise => {
                self.from_server.want(if frame.is_padded() { 5 } else { 4 });
                self.streams.server_message(frame.stream)
            }
            FrameType::GoAway => {
                self.from_server.want(4);
                Ok(())
            }
            FrameType::Ping => {
                if !frame.is_ack() && !self.receipt.is_complete() {
                    self.from_server.want(8);
                }
                Ok(())
            }
            FrameType::Settings
            | FrameType::Priority
            | FrameType::Continuation
            | FrameType::Unknown => Ok(()),
        }
    }

    fn server_says(
        &mut self,
        frame: Frame,
        bytes: [u8; frame::HEADER],
    ) -> Result<(), BypassReason> {
        let [a, b, c, d, e, f, g, h, _] = bytes;
        match frame.frame_type {
            FrameType::Ping => {
                self.receipt.asked([a, b, c, d, e, f, g, h]);
                Ok(())
            }
            FrameType::PushPromise if frame.is_padded() => self
                .streams
                .promise(frame.stream, frame::number([b, c, d, e])),
            FrameType::PushPromise => self
                .streams
                .promise(frame.stream, frame::number([a, b, c, d])),
            FrameType::GoAway => {
                self.streams
                    .go_away(Peer::Server, frame::number([a, b, c, d]));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_connection_is_as_small_as_its_documentation_says() {
        let words = size_of::<usize>() / 4;
        assert_eq!(size_of::<Http2Scanner>(), [208, 224][words - 1]);
        assert_eq!(size_of::<FirstFrames>(), [104, 112][words - 1]);
    }
}
