//! Frames ("General Frame Format", 4.2.3): type (1), channel (2), size (4), payload, and an end octet that is
//! skipped.

use super::method::MethodReader;
use crate::chunk::Chunk;
use crate::tcp::field::{Field, Fields};
use crate::tcp::frames::{Event, Frames, Lengths};
use crate::tcp::{BypassReason, TLS_HANDSHAKE};

/// The protocol header has 8 bytes, a frame's header has 7.
const HEADER: usize = 8;

const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const CONTENT_BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// The longest part of a method that is read: its id, and the three names in a `bind`.
const METHOD_INSPECTED: u64 = 1024;

/// Class (2), weight (2), and the size of the body.
const CONTENT_HEADER_FIELDS: &[Field] = &[Field::Number(2), Field::Number(2), Field::Number(8)];

/// A frame as far as it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    pub(super) channel: u16,
    /// Of the payload.
    pub(super) size: u32,
    pub(super) payload: Payload,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Payload {
    Method(MethodReader),
    Header(Fields),
    Body,
    /// A heartbeat or the protocol header.
    #[default]
    None,
}

impl Frame {
    fn new([kind, a, b, c, d, e, f, _]: [u8; HEADER]) -> Self {
        Self {
            channel: u16::from_be_bytes([a, b]),
            size: u32::from_be_bytes([c, d, e, f]),
            payload: match kind {
                METHOD => Payload::Method(MethodReader::default()),
                CONTENT_HEADER => Payload::Header(Fields::new(CONTENT_HEADER_FIELDS)),
                CONTENT_BODY => Payload::Body,
                _ => Payload::None,
            },
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match &mut self.payload {
            Payload::Method(reader) => reader.push(bytes),
            Payload::Header(fields) => fields.push(bytes),
            Payload::Body | Payload::None => {}
        }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    frames: Frames<HEADER>,
    frame: Frame,
}

impl Half {
    pub(super) fn is_between_frames(&self) -> bool {
        self.frames.is_between_messages()
    }

    /// Returns the next frame, or None if it needs more bytes than the chunk has.
    pub(super) fn next(
        &mut self,
        chunk: &mut Chunk<'_>,
        parse: impl Fn(&[u8]) -> Result<Option<Lengths>, BypassReason>,
    ) -> Result<Option<Frame>, BypassReason> {
        while let Some(event) = self.frames.next(chunk, &parse)? {
            match event {
                Event::Begin(header) => self.frame = Frame::new(header),
                Event::Payload(bytes) => self.frame.push(bytes),
                Event::End => return Ok(Some(core::mem::take(&mut self.frame))),
            }
        }
        Ok(None)
    }
}

/// Reads a header that the client sends; None while it is incomplete.
pub(super) fn parse_client(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    match header {
        [TLS_HANDSHAKE, ..] => Err(BypassReason::Encrypted),
        [b'A', ..] if header.len() < PROTOCOL_HEADER.len() => Ok(None),
        // AMQP 1.0 and its SASL and TLS layers have the same first bytes.
        [b'A', ..] if header != PROTOCOL_HEADER => Err(BypassReason::Unsupported),
        [b'A', ..] => Ok(Some(Lengths {
            payload: 0,
            inspected: 0,
        })),
        _ => parse(header),
    }
}

/// Reads a header that the server sends; None while it is incomplete.
pub(super) fn parse_server(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    match header {
        // The server supports another version (4.2.2).
        [b'A', ..] => Err(BypassReason::Unsupported),
        _ => parse(header),
    }
}

fn parse(header: &[u8]) -> Result<Option<Lengths>, BypassReason> {
    let inspected = match header.first() {
        Some(&METHOD) => METHOD_INSPECTED,
        Some(&CONTENT_HEADER) => 12,
        Some(&(CONTENT_BODY | HEARTBEAT)) => 0,
        _ => return Err(BypassReason::Malformed),
    };
    let [_, _, _, a, b, c, d] = *header else {
        return Ok(None);
    };
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    Ok(Some(Lengths {
        payload: size.saturating_add(1),
        inspected: inspected.min(size),
    }))
}
