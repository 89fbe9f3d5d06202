//! The frame level of an HTTP/2 client (RFC 9113): what it sends byte by byte, and what it was sent.

use std::net::SocketAddr;

use super::socket::Socket;

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const ACK: u8 = 0x1;

/// The last-stream-id that refuses nothing.
pub const MAX: u32 = 0x7fff_ffff;

/// What a client sends first, by which it is known.
#[derive(Clone, Copy, Debug)]
pub enum Greeting {
    /// Takes a GOAWAY at any moment (Go's net/http).
    Go,
    /// Takes none while it has streams open, and an exact one else (Python's httpx).
    Httpx,
    /// Takes one before the frame that ends the stream (Node's core client).
    Node,
    /// Any other: these settings, and a WINDOW_UPDATE.
    Of(&'static [(u16, u32)], Option<u32>),
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The last-stream-id of a GOAWAY.
    pub fn last_stream_id(&self) -> Option<u32> {
        let id = self.payload.first_chunk().map(|id| u32::from_be_bytes(*id));
        id.filter(|_| self.kind == GOAWAY)
    }
}

/// An HTTP/2 client that does nothing by itself, except to acknowledge SETTINGS and PINGs that it reads.
#[derive(Debug)]
pub struct RawClient {
    pub socket: Socket,
    /// How many PINGs of the module it has acknowledged; stories are not shown these frames.
    pub receipts: u32,
}

impl RawClient {
    pub async fn connect(to: SocketAddr, greeting: Greeting) -> Self {
        let mut socket = Socket::connect(to).await;
        socket.send(greeting.bytes()).await;
        Self::of(socket)
    }

    /// A client that has sent nothing.
    pub fn of(socket: Socket) -> Self {
        Self {
            socket,
            receipts: 0,
        }
    }

    /// Sends a GET on a stream.
    pub async fn get(&mut self, stream: u32, path: &str) {
        self.socket.send(get(stream, path)).await;
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Frame {
        loop {
            let frame = self.any_frame().await;
            if frame.kind != PING || !frame.payload.starts_with(b"evkeel") {
                return frame;
            }
            self.receipts += 1;
        }
    }

    async fn any_frame(&mut self) -> Frame {
        let head = self.socket.take(9).await;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.socket.take(usize::try_from(length).unwrap()).await;
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload,
        };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let echo: &[u8] = if frame.kind == PING {
                &frame.payload
            } else {
                &[]
            };
            // A server that has closed its end takes no acknowledgement.
            self.socket
                .send_if_open(self::frame(frame.kind, ACK, 0, echo))
                .await;
        }
        frame
    }

    /// Reads until the server closes, and gives the frames that came before, other than PINGs.
    pub async fn closed(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while self.socket.has_more().await {
            frames.push(self.any_frame().await);
        }
        frames.retain(|frame| frame.kind != PING);
        frames
    }

    /// All frames up to the first that `wanted` is true of.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.frame().await);
            if wanted(&frames[frames.len() - 1]) {
                return frames;
            }
        }
    }

    /// All frames up to the end of a stream's answer.
    pub async fn answer(&mut self, stream: u32) -> Vec<Frame> {
        let frames = self
            .until(|frame| frame.stream == stream && frame.ends_stream())
            .await;
        let of_stream = |frame: &&Frame| frame.stream == stream && frame.kind == HEADERS;
        // The head has come before, where a story has read up to it.
        if let Some(head) = frames.iter().find(of_stream) {
            assert_eq!(status(&head.payload), OK, "{head:?}");
        }
        frames
    }

    /// Sends one PING after the other until a GOAWAY comes; gives all frames up to that.
    pub async fn pings_until_goaway(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.last().is_none_or(|last: &Frame| last.kind != GOAWAY) {
            self.socket.send(ping()).await;
            frames.extend(
                self.until(|frame| matches!(frame.kind, PING | GOAWAY))
                    .await,
            );
        }
        frames
    }

    /// Waits for a GOAWAY and gives its last-stream-id.
    pub async fn goaway(&mut self) -> u32 {
        let frames = self.until(|frame| frame.kind == GOAWAY).await;
        frames.last().and_then(Frame::last_stream_id).unwrap()
    }
}

/// `:status: 200`, the eighth entry of HPACK's table (RFC 7541 A).
const OK: u8 = 0x88;

/// The first field of a header block, behind what it says of the table's size (RFC 7541 6.3).
fn status(block: &[u8]) -> u8 {
    let mut bytes = block.iter().copied();
    let first = bytes.next().unwrap();
    if first & 0xe0 != 0x20 {
        return first;
    }
    if first & 0x1f == 0x1f {
        bytes.find(|byte| byte & 0x80 == 0).unwrap();
    }
    bytes.next().unwrap()
}

impl Greeting {
    pub fn bytes(self) -> Vec<u8> {
        let (settings, window_update): (&[(u16, u32)], Option<u32>) = match self {
            Self::Go => (
                &[(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)],
                Some(1_073_741_824),
            ),
            Self::Httpx => (
                &[
                    (1, 4096),
                    (2, 0),
                    (4, 65_535),
                    (5, 16_384),
                    (3, 100),
                    (6, 65_536),
                ],
                Some(16_777_216),
            ),
            Self::Node => (&[], None),
            Self::Of(settings, window_update) => (settings, window_update),
        };
        let pair =
            |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let payload = settings.iter().flat_map(pair).collect::<Vec<_>>();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &payload));
        if let Some(by) = window_update {
            bytes.extend(frame(WINDOW_UPDATE, 0, 0, &by.to_be_bytes()));
        }
        bytes
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A GET, as one HEADERS frame.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        stream,
        &block("GET", path),
    )
}

/// A POST, as HEADERS and one DATA frame.
pub fn post(stream: u32, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &block("POST", path));
    bytes.extend(frame(DATA, END_STREAM, stream, body));
    bytes
}

/// A gRPC call whose request goes on.
pub fn call(stream: u32, path: &str) -> Vec<u8> {
    let mut block = block("POST", path);
    // Entry 31: content-type.
    block.extend([0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A request that waits for `100 Continue` (RFC 9110 10.1.1), and to which the response has no body.
pub fn expecting_head(stream: u32, path: &str) -> Vec<u8> {
    let mut block = block("GET", path);
    // A name of its own for the method: HEAD is not in the table.
    block[0] = 0x02;
    block.splice(1..1, [&[4][..], b"HEAD"].concat());
    // Entry 35: expect.
    block.extend([0x0f, 0x14, 12]);
    block.extend(b"100-continue");
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// The end of a stream by the client's own wish (CANCEL).
pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"evenkeel")
}

/// A header block (RFC 7541): indexed names, literal values that are not to be remembered.
fn block(method: &str, path: &str) -> Vec<u8> {
    // Entries 1 (:authority), 2 and 3 (:method GET, POST), 4 (:path /) and 6 (:scheme http).
    let mut block = vec![if method == "POST" { 0x83 } else { 0x82 }, 0x86];
    for (name, value) in [(4, path), (1, "shop.example")] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    block
}
