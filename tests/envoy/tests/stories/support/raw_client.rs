//! An HTTP/2 client that sends and receives single frames (RFC 9113).

use std::net::SocketAddr;

use evenkeel_test_frames::http2::{
    self, ACK, ClientPreface, DATA, DELIVERY_PING_PREFIX, END_STREAM, GOAWAY, HEADERS, PING,
    SETTINGS, ping,
};

use super::socket::Socket;

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
    /// How many of the module's delivery PINGs the client has acknowledged; [`RawClient::frame`] leaves them out.
    pub delivery_pings: u32,
}

impl RawClient {
    pub async fn connect(to: SocketAddr, preface: ClientPreface) -> Self {
        let mut socket = Socket::connect(to).await;
        socket.send(preface.bytes()).await;
        Self::of(socket)
    }

    /// A client that has sent nothing.
    pub fn of(socket: Socket) -> Self {
        Self {
            socket,
            delivery_pings: 0,
        }
    }

    /// Sends a GET on a stream.
    pub async fn get(&mut self, stream: u32, path: &str) {
        self.socket.send(http2::get(stream, path)).await;
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Frame {
        loop {
            let frame = self.any_frame().await;
            if frame.kind != PING || !frame.payload.starts_with(DELIVERY_PING_PREFIX) {
                return frame;
            }
            self.delivery_pings += 1;
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
                .send_if_open(http2::frame(frame.kind, ACK, 0, echo))
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
