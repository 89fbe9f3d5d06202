//! Frames to build, and connections to send them over, cut in every way.
#![allow(clippy::arithmetic_side_effects)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use evenkeel_wire::h2::{
    AbortedResponse, Http2Scanner, Http2Write, LastStreamEnd, MAX_STREAM_ID, PREFACE,
};
use evenkeel_wire::{BypassReason, ByteSource};

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PUSH_PROMISE: u8 = 0x5;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;
/// A type that no standard knows.
pub const GREASE: u8 = 0xfa;

pub const NONE: u8 = 0x0;
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const WEIGHTED: u8 = 0x20;
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

/// The length of a frame header.
pub const HEADER: usize = 9;

/// A header block; the scanner must not care what it says.
pub const BLOCK: &[u8] = b"block";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload = pairs
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    frame(SETTINGS, NONE, 0, &payload.collect::<Vec<_>>())
}

pub fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, NONE, stream, &bytes.to_be_bytes())
}

pub fn headers(flags: u8, stream: u32) -> Vec<u8> {
    frame(HEADERS, flags, stream, BLOCK)
}

pub fn data(flags: u8, stream: u32, len: usize) -> Vec<u8> {
    frame(DATA, flags, stream, &vec![b'd'; len])
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, NONE, stream, &0_u32.to_be_bytes())
}

pub fn push_promise(flags: u8, stream: u32, promised: u32) -> Vec<u8> {
    frame(
        PUSH_PROMISE,
        flags,
        stream,
        &[&promised.to_be_bytes(), BLOCK].concat(),
    )
}

pub fn go_away(last: u32) -> Vec<u8> {
    frame(
        GOAWAY,
        NONE,
        0,
        &[&last.to_be_bytes()[..], &[0; 4], b"debug data"].concat(),
    )
}

/// A whole request without a body.
pub fn get(stream: u32) -> Vec<u8> {
    headers(WHOLE, stream)
}

/// A whole answer with a body: its last frame is DATA.
pub fn answer(stream: u32) -> Vec<u8> {
    [headers(END_HEADERS, stream), data(END_STREAM, stream, 10)].concat()
}

/// What a client begins with.
pub fn client_greeting() -> Vec<u8> {
    [PREFACE.as_slice(), &settings(&[(3, 100)])].concat()
}

/// What a server begins with.
pub fn server_greeting() -> Vec<u8> {
    [settings(&[(3, 100)]), frame(SETTINGS, ACK, 0, &[])].concat()
}

/// A frame as a reader who has everything at hand sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    pub at: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Plain {
    pub fn bytes(&self) -> Vec<u8> {
        frame(self.kind, self.flags, self.stream, &self.payload)
    }

    pub fn end(&self) -> usize {
        self.at + HEADER + self.payload.len()
    }
}

/// The frames that `bytes` consist of, to the last byte.
pub fn frames(bytes: &[u8]) -> Vec<Plain> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
        let payload = at + HEADER;
        let end = payload + usize::try_from(length).unwrap();
        let stream = u32::from_be_bytes(bytes[at + 5..payload].try_into().unwrap()) & MAX_STREAM_ID;
        let payload = bytes[payload..end].to_vec();
        frames.push(Plain {
            at,
            kind: bytes[at + 3],
            flags: bytes[at + 4],
            stream,
            payload,
        });
        at = end;
    }
    frames
}

/// Where a frame of the server's own could stand: between frames, behind the first, in no header block.
pub fn places(server: &[u8]) -> Vec<usize> {
    let opens = |kind| matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION);
    let closed = |frame: &Plain| !opens(frame.kind) || frame.flags & END_HEADERS != 0;
    frames(server)
        .iter()
        .filter(|frame| closed(frame))
        .map(Plain::end)
        .collect()
}

/// How the bytes of a step come.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// In one callback.
    Nowhere,
    /// In two: so many bytes, the rest.
    At(usize),
    /// In as many as there are bytes, with empty callbacks between them.
    Everywhere,
}

impl Cut {
    fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Nowhere => vec![bytes],
            Self::At(at) => {
                let (head, tail) = bytes.split_at(at.min(bytes.len()));
                vec![head, tail]
            }
            Self::Everywhere => bytes.chunks(1).flat_map(|byte| [byte, &[]]).collect(),
        }
    }
}

/// A connection in a story. What it tells of a write is the same however the bytes came.
pub struct Talk {
    pub connection: Http2Scanner,
    cut: Cut,
    longest: usize,
    writes: Vec<Http2Write>,
    told: usize,
}

/// Tells a story with whole steps, with every step cut in two at each of its bytes, and byte by byte.
pub fn however_cut(story: impl Fn(&mut Talk)) {
    let mut whole = Talk::new(Cut::Nowhere, Vec::new());
    story(&mut whole);
    for cut in (1..whole.longest).map(Cut::At).chain([Cut::Everywhere]) {
        let mut talk = Talk::new(cut, whole.writes.clone());
        story(&mut talk);
        assert_eq!(talk.told, whole.writes.len(), "{cut:?}");
    }
}

impl Talk {
    fn new(cut: Cut, writes: Vec<Http2Write>) -> Self {
        Self {
            connection: Http2Scanner::default(),
            cut,
            longest: 0,
            writes,
            told: 0,
        }
    }

    /// Both peers have said what they begin with.
    pub fn greet(&mut self) {
        self.client(&client_greeting());
        self.server(&server_greeting());
    }

    pub fn client(&mut self, bytes: &[u8]) {
        assert_eq!(self.try_client(bytes), Ok(()), "{:?}", self.cut);
    }

    pub fn server(&mut self, bytes: &[u8]) -> Http2Write {
        self.try_server(bytes).unwrap()
    }

    pub fn try_client(&mut self, bytes: &[u8]) -> Result<(), BypassReason> {
        self.longest = self.longest.max(bytes.len());
        for mut piece in self.cut.pieces(bytes) {
            self.connection.scan_downstream(&mut piece)?;
        }
        Ok(())
    }

    pub fn try_server(&mut self, bytes: &[u8]) -> Result<Http2Write, BypassReason> {
        self.longest = self.longest.max(bytes.len());
        let mut writes = Vec::new();
        let mut start = 0;
        for piece in self.cut.pieces(bytes) {
            writes.push((start, self.connection.scan_upstream(&mut &*piece)?));
            start += piece.len();
        }
        let Some(&whole) = self.writes.get(self.told) else {
            self.writes.extend(writes.iter().map(|(_, write)| *write));
            self.told += 1;
            return Ok(writes[0].1);
        };
        self.told += 1;
        assert_eq!(
            self.sum(whole, &writes),
            whole,
            "{:?} of {bytes:?}",
            self.cut
        );
        Ok(whole)
    }

    /// What the pieces of a write say together.
    fn sum(&self, whole: Http2Write, pieces: &[(usize, Http2Write)]) -> Http2Write {
        let last_stream_end = pieces.iter().rev().find_map(|&(start, write)| {
            let end = write.last_stream_end?;
            let earlier = whole
                .last_stream_end
                .and_then(|end| end.frame_at)
                .filter(|&at| at < start);
            Some(LastStreamEnd {
                frame_at: end.frame_at.map(|at| start + at).or(earlier),
                was_alone: end.was_alone,
            })
        });
        let last = pieces.last().map_or(whole, |(_, write)| *write);
        Http2Write {
            fits_at_start: pieces
                .first()
                .map_or(whole, |(_, write)| *write)
                .fits_at_start,
            fits_at_end: last.fits_at_end,
            last_stream_end,
            has_goaway: pieces.iter().any(|(_, write)| write.has_goaway),
            aborted_response: pieces.iter().rev().find_map(|&(start, write)| {
                let cut = write.aborted_response?;
                let at = |cut: AbortedResponse| cut.frame_at.map(|at| start + at);
                // A piece does not know where a frame began that an earlier one has begun.
                let earlier = whole
                    .aborted_response
                    .and_then(|cut| cut.frame_at)
                    .filter(|&at| at < start);
                Some(AbortedResponse {
                    frame_at: at(cut).or(earlier),
                    ..cut
                })
            }),
        }
    }

    pub fn active(&self) -> u32 {
        self.connection.active()
    }
}

/// A host that remembers what it was asked for.
pub struct Counting<'a> {
    pub bytes: &'a [u8],
    pub reads: Vec<(usize, usize)>,
}

impl<'a> Counting<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            reads: Vec::new(),
        }
    }

    /// How many bytes were asked for.
    pub fn read(&self) -> usize {
        self.reads.iter().map(|(_, len)| len).sum()
    }
}

impl ByteSource for Counting<'_> {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        self.reads.push((start, len));
        self.bytes.iter().skip(start).take(len).copied().collect()
    }
}
