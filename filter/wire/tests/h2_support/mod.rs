//! Builders of frames, and a connection that receives them with any cuts.
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use evenkeel_wire::BypassReason;
use evenkeel_wire::h2::{
    AbortedResponse, Http2Scanner, Http2Write, LastStreamEnd, MAX_STREAM_ID, PREFACE,
};

#[allow(unused_imports, reason = "each test binary uses a part of them")]
pub use evenkeel_test_frames::http2::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    frame,
};

pub const PRIORITY: u8 = 0x2;
pub const PUSH_PROMISE: u8 = 0x5;
pub const CONTINUATION: u8 = 0x9;
/// A type that no standard defines.
pub const GREASE: u8 = 0xfa;

pub const NONE: u8 = 0x0;
pub const PADDED: u8 = 0x8;
pub const PRIORITY_FLAG: u8 = 0x20;
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

/// The length of a frame header.
pub const HEADER: usize = 9;

/// A header block that the scanner must not decode.
pub const BLOCK: &[u8] = b"block";

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

pub fn peer_goaway(last: u32) -> Vec<u8> {
    frame(
        GOAWAY,
        NONE,
        0,
        &[&last.to_be_bytes()[..], &[0; 4], b"debug data"].concat(),
    )
}

/// A request or response without a body.
pub fn get(stream: u32) -> Vec<u8> {
    headers(WHOLE, stream)
}

/// A response with a body: its last frame is DATA.
pub fn response(stream: u32) -> Vec<u8> {
    [headers(END_HEADERS, stream), data(END_STREAM, stream, 10)].concat()
}

/// The preface of a client.
pub fn client_preface() -> Vec<u8> {
    [PREFACE.as_slice(), &settings(&[(3, 100)])].concat()
}

/// The preface of a server, and its acknowledgement of the client's settings.
pub fn server_preface() -> Vec<u8> {
    [settings(&[(3, 100)]), frame(SETTINGS, ACK, 0, &[])].concat()
}

/// A connection whose two prefaces were scanned.
pub fn after_prefaces() -> Http2Scanner {
    let mut connection = Http2Scanner::default();
    connection
        .scan_downstream(&mut client_preface().as_slice())
        .unwrap();
    connection
        .scan_upstream(&mut server_preface().as_slice())
        .unwrap();
    connection
}

/// A frame, parsed from the complete bytes of a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFrame {
    pub at: usize,
    pub frame_type: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl ParsedFrame {
    pub fn bytes(&self) -> Vec<u8> {
        frame(self.frame_type, self.flags, self.stream, &self.payload)
    }

    pub fn end(&self) -> usize {
        self.at + HEADER + self.payload.len()
    }
}

/// Parses `bytes`, which must end with a frame.
pub fn parse_frames(bytes: &[u8]) -> Vec<ParsedFrame> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = u32::from_be_bytes([0, bytes[at], bytes[at + 1], bytes[at + 2]]);
        let payload = at + HEADER;
        let end = payload + usize::try_from(length).unwrap();
        let stream = u32::from_be_bytes(bytes[at + 5..payload].try_into().unwrap()) & MAX_STREAM_ID;
        let payload = bytes[payload..end].to_vec();
        frames.push(ParsedFrame {
            at,
            frame_type: bytes[at + 3],
            flags: bytes[at + 4],
            stream,
            payload,
        });
        at = end;
    }
    frames
}

/// The offsets at which a frame can be inserted: between frames, after the first, outside header blocks.
pub fn boundaries(server: &[u8]) -> Vec<usize> {
    let is_block = |frame_type| matches!(frame_type, HEADERS | PUSH_PROMISE | CONTINUATION);
    let closed =
        |frame: &ParsedFrame| !is_block(frame.frame_type) || frame.flags & END_HEADERS != 0;
    parse_frames(server)
        .iter()
        .filter(|frame| closed(frame))
        .map(ParsedFrame::end)
        .collect()
}

/// How the bytes of a step are cut into callbacks.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Into one callback.
    Nowhere,
    /// Into two, after this many bytes.
    At(usize),
    /// Into single bytes, with empty callbacks between them.
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

/// A scanner between two peers. It must report the same for a write with any cuts.
pub struct Peers {
    pub connection: Http2Scanner,
    cut: Cut,
    longest: usize,
    writes: Vec<Http2Write>,
    compared: usize,
}

/// Runs a test with uncut steps, with every step cut in two at each of its bytes, and with single bytes.
pub fn for_every_cut(test: impl Fn(&mut Peers)) {
    let mut whole = Peers::new(Cut::Nowhere, Vec::new());
    test(&mut whole);
    for cut in (1..whole.longest).map(Cut::At).chain([Cut::Everywhere]) {
        let mut peers = Peers::new(cut, whole.writes.clone());
        test(&mut peers);
        assert_eq!(peers.compared, whole.writes.len(), "{cut:?}");
    }
}

impl Peers {
    fn new(cut: Cut, writes: Vec<Http2Write>) -> Self {
        Self {
            connection: Http2Scanner::default(),
            cut,
            longest: 0,
            writes,
            compared: 0,
        }
    }

    /// Both peers send their prefaces.
    pub fn exchange_prefaces(&mut self) {
        self.client(&client_preface());
        self.server(&server_preface());
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
        let Some(&whole) = self.writes.get(self.compared) else {
            self.writes.extend(writes.iter().map(|(_, write)| *write));
            self.compared += 1;
            return Ok(writes[0].1);
        };
        self.compared += 1;
        assert_eq!(
            self.combine(whole, &writes),
            whole,
            "{:?} of {bytes:?}",
            self.cut
        );
        Ok(whole)
    }

    /// Combines the reports for the pieces of a write.
    fn combine(&self, whole: Http2Write, pieces: &[(usize, Http2Write)]) -> Http2Write {
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
                // The report for a piece has no offset of a frame that began in an earlier one.
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
