//! HTTP/2 (RFC 9113): both directions of one connection, as they pass between the wire and Envoy's codec.
//!
//! Streams are followed by frame headers alone: HPACK stays closed, payloads are skipped. What is looked
//! at besides is what the client says of itself before its first request, because that tells how it takes
//! a GOAWAY ([`Client`]), and the stream ids in GOAWAY and PUSH_PROMISE. The scanner is no judge of the
//! peers: it stops where it would lose its way, and lets pass what Envoy's codec lets pass, such as
//! frames that crossed a RST_STREAM on the wire.

mod client;
mod drain;
mod farewell;
mod fields;
mod frame;
mod goaway;
mod greeting;
mod half;
mod reader;
mod receipt;
mod streams;
mod write;

pub use client::{
    AMBIGUOUS, CLIENTS, Client, ClientProfile, Conditions, IDLE_TIME, LastStreamIds, Positions,
    Setting, Shape, Treatment, UNKNOWN, WindowUpdate,
};
pub use drain::{DrainSignal, Insertion};
pub use farewell::{UNAVAILABLE, unavailable};
pub use goaway::{MAX_STREAM_ID, goaway};
pub use write::{BrokenOff, Quiet, RST_STREAM_LEN, Write};

use crate::{Opaque, Source};
use frame::{Frame, Kind};
use greeting::Greeting;
use half::{Event, Half};
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
pub struct Connection {
    client_half: Half,
    server_half: Half,
    streams: Streams,
    /// What the client has said so far; None once `client` is decided.
    greeting: Option<Box<Greeting>>,
    client: ClientProfile,
    receipt: Receipt,
    opaque: Option<Opaque>,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            client_half: Half::new(Reader::of_client()),
            server_half: Half::new(Reader::of_server()),
            streams: Streams::default(),
            greeting: Some(Box::default()),
            client: UNKNOWN,
            receipt: Receipt::default(),
            opaque: None,
        }
    }
}

impl Connection {
    /// Takes bytes from the client.
    ///
    /// # Errors
    /// Why the connection is opaque; every later call, in either direction, says the same.
    pub fn downstream(&mut self, source: &mut impl Source) -> Result<(), Opaque> {
        self.opaque.map_or(Ok(()), Err)?;
        self.scan_client(source)
            .inspect_err(|opaque| self.opaque = Some(*opaque))
    }

    /// Takes a write to the client.
    ///
    /// # Errors
    /// Why the connection is opaque; every later call, in either direction, says the same.
    pub fn upstream(&mut self, source: &mut impl Source) -> Result<Write, Opaque> {
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
    pub fn is_recognised(&self) -> bool {
        self.greeting.is_none()
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
        write: Write,
        len: usize,
        signal: Option<DrainSignal>,
    ) -> impl Iterator<Item = Insertion> + use<> {
        if let Some(signal) = signal {
            self.streams.go_away(Peer::Server, signal.last_stream_id);
        }
        drain::insertions(&mut self.receipt, write, len, signal)
    }

    fn scan_client(&mut self, source: &mut impl Source) -> Result<(), Opaque> {
        let mut cursor = Cursor::new(source);
        while let Some(event) = self.client_half.next(&mut cursor)? {
            match event {
                Event::Begin(frame) => self.client_begins(frame)?,
                Event::Piece(frame, bytes, length) => self.client_says(frame, bytes, length),
                Event::End { frame, .. } if frame.kind == Kind::RstStream => {
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
        let is_first = self.greeting.as_ref().is_some_and(|it| it.has_request());
        if is_first
            && !frame.leaves_block_open()
            && let Some(greeting) = self.greeting.take()
        {
            self.client = ClientProfile::of(&greeting);
        }
    }

    fn client_begins(&mut self, frame: Frame) -> Result<(), Opaque> {
        match frame.kind {
            Kind::Headers => {
                if let Some(greeting) = &mut self.greeting {
                    greeting.begin_request(frame.stream);
                    greeting.fields.skip(frame.least());
                    self.client_half.want_next();
                }
                self.streams
                    .client_headers(frame.stream, frame.ends_stream())
            }
            Kind::Data => self.streams.client_data(frame.stream),
            Kind::RstStream => self.streams.known(frame.stream),
            Kind::WindowUpdate => {
                // Before the first request, only the connection has a window.
                if self.greeting.is_some() {
                    self.client_half.want(4);
                }
                self.streams.known(frame.stream)
            }
            Kind::Settings => {
                if self.client_half.is_greeting() {
                    self.client_half.want(6);
                }
                Ok(())
            }
            Kind::GoAway => {
                self.client_half.want(4);
                Ok(())
            }
            Kind::Ping => {
                if frame.is_ack() && self.receipt.is_asked() {
                    self.client_half.want(8);
                }
                Ok(())
            }
            Kind::PushPromise => Err(Opaque::Frame),
            Kind::Continuation => {
                if self.greeting.is_some() {
                    self.client_half.want_next();
                }
                Ok(())
            }
            Kind::Priority | Kind::Unknown => Ok(()),
        }
    }

    fn client_says(&mut self, frame: Frame, bytes: [u8; frame::HEADER], length: u8) {
        let [a, b, c, d, e, f, g, h, _] = bytes;
        match (frame.kind, &mut self.greeting) {
            (Kind::Ping, _) => self.receipt.acknowledged([a, b, c, d, e, f, g, h]),
            (Kind::Settings, Some(greeting)) => {
                let has_room = greeting.setting([a, b, c, d, e, f]);
                self.client_half.want(if has_room { 6 } else { 0 });
            }
            (Kind::Headers | Kind::Continuation, Some(greeting)) => {
                let piece = bytes.into_iter().take(usize::from(length));
                greeting.fields.take(piece);
                self.client_half.want_next();
            }
            (Kind::WindowUpdate, Some(greeting)) => greeting.widen(frame::number([a, b, c, d])),
            (Kind::GoAway, _) => self
                .streams
                .go_away(Peer::Client, frame::number([a, b, c, d])),
            _ => {}
        }
    }

    fn scan_server(&mut self, source: &mut impl Source) -> Result<Write, Opaque> {
        let mut write = Write {
            start_fits: self.server_half.fits(),
            ..Write::default()
        };
        let mut frame_at = None;
        let mut cursor = Cursor::new(source);
        while let Some(event) = self.server_half.next(&mut cursor)? {
            let ended = match event {
                Event::Begin(frame) => {
                    // Nothing may stand inside a header block, so its end has the place of its beginning.
                    if frame.kind != Kind::Continuation {
                        frame_at = cursor.frame_at();
                    }
                    write.goaway |= frame.kind == Kind::GoAway;
                    self.server_begins(frame)?;
                    None
                }
                Event::Piece(frame, bytes, _) => {
                    self.server_says(frame, bytes)?;
                    None
                }
                Event::End { frame, .. } if frame.kind == Kind::RstStream => {
                    let stream = frame.stream;
                    if let Some(client_ended) = self.streams.in_answer(stream) {
                        write.broken_off = Some(BrokenOff {
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
            if let Some(Ended { alone }) = ended {
                write.quiet = Some(Quiet { frame_at, alone });
            }
        }
        write.quiet = write.quiet.filter(|_| self.streams.active() == 0);
        write.end_fits = self.server_half.fits();
        Ok(write)
    }

    fn server_begins(&mut self, frame: Frame) -> Result<(), Opaque> {
        match frame.kind {
            Kind::Headers => self.streams.server_headers(frame.stream),
            Kind::Data => self.streams.server_message(frame.stream),
            Kind::RstStream | Kind::WindowUpdate => self.streams.known(frame.stream),
            Kind::PushPromise => {
                self.server_half.want(if frame.is_padded() { 5 } else { 4 });
                self.streams.server_message(frame.stream)
            }
            Kind::GoAway => {
                self.server_half.want(4);
                Ok(())
            }
            Kind::Ping => {
                if !frame.is_ack() && !self.receipt.is_complete() {
                    self.server_half.want(8);
                }
                Ok(())
            }
            Kind::Settings | Kind::Priority | Kind::Continuation | Kind::Unknown => Ok(()),
        }
    }

    fn server_says(&mut self, frame: Frame, bytes: [u8; frame::HEADER]) -> Result<(), Opaque> {
        let [a, b, c, d, e, f, g, h, _] = bytes;
        match frame.kind {
            Kind::Ping => {
                self.receipt.asked([a, b, c, d, e, f, g, h]);
                Ok(())
            }
            Kind::PushPromise if frame.is_padded() => self
                .streams
                .promise(frame.stream, frame::number([b, c, d, e])),
            Kind::PushPromise => self
                .streams
                .promise(frame.stream, frame::number([a, b, c, d])),
            Kind::GoAway => {
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
        assert_eq!(size_of::<Connection>(), [208, 224][words - 1]);
        assert_eq!(size_of::<Greeting>(), [104, 112][words - 1]);
    }
}
