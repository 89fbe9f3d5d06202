//! An HTTP/2 client that sends and receives single frames (RFC 9113).

use std::net::SocketAddr;

use evenkeel_test_frames::http2::{
    self, ACK, ClientPreface, DATA, DELIVERY_PING_PREFIX, END_STREAM, GOAWAY, HEADERS, PING,
    SETTINGS, ping,
};

use super::socket::Socket;
use super::within;

/// A received frame.
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

    /// Returns whether a header block begins with `:status: 200`.
    pub fn has_status_200(&self) -> bool {
        status(&self.payload) == OK
    }

    /// Returns the last-stream-id of a GOAWAY.
    pub fn last_stream_id(&self) -> Option<u32> {
        let id = self.payload.first_chunk().map(|id| u32::from_be_bytes(*id));
        id.filter(|_| self.kind == GOAWAY)
    }
}

/// An HTTP/2 client that sends only what a story asks for, and acknowledges each SETTINGS and PING that it reads.
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

    /// Wraps a connection on which the story has sent the preface, or will.
    pub fn of(socket: Socket) -> Self {
        Self {
            socket,
            delivery_pings: 0,
        }
    }

    /// Sends a GET.
    pub async fn send_get(&mut self, stream: u32, path: &str) {
        self.socket.send(http2::get(stream, path)).await;
    }

    /// Reads the next frame.
    pub async fn read_frame(&mut self) -> Frame {
        loop {
            let frame = self.any_frame().await;
            if frame.kind != PING || !frame.payload.starts_with(DELIVERY_PING_PREFIX) {
                return frame;
            }
            self.delivery_pings += 1;
        }
    }

    async fn any_frame(&mut self) -> Frame {
        let head = self.socket.read_exact(9).await;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self
            .socket
            .read_exact(usize::try_from(length).unwrap())
            .await;
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
            // The server may have closed the connection.
            self.socket
                .send_if_open(http2::frame(frame.kind, ACK, 0, echo))
                .await;
        }
        frame
    }

    /// Reads until the server closes; returns the frames before that, without PINGs.
    pub async fn read_to_end(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while self.socket.wait_for_data().await {
            frames.push(self.any_frame().await);
        }
        frames.retain(|frame| frame.kind != PING);
        frames
    }

    /// Reads up to and including the first frame that meets the condition.
    pub async fn read_until(&mut self, mut is_last: impl FnMut(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.read_frame().await);
            if is_last(&frames[frames.len() - 1]) {
                return frames;
            }
        }
    }

    /// Reads up to and including the end of a response; its status must be 200.
    pub async fn read_response(&mut self, stream: u32) -> Vec<Frame> {
        let frames = self
            .read_until(|frame| frame.stream == stream && frame.ends_stream())
            .await;
        let of_stream = |frame: &&Frame| frame.stream == stream && frame.kind == HEADERS;
        // A story may have read the head before.
        if let Some(head) = frames.iter().find(of_stream) {
            assert!(head.has_status_200(), "{head:?}");
        }
        frames
    }

    /// Reads a response, and all that Envoy wrote with its end: the acknowledgement of a PING comes behind that.
    pub async fn read_response_and_ping(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = self.read_response(stream).await;
        self.socket.send(ping()).await;
        frames.extend(self.read_until(|frame| frame.kind == PING).await);
        frames
    }

    /// Sends PINGs until a GOAWAY comes; returns all frames up to that.
    pub async fn ping_until_goaway(&mut self) -> Vec<Frame> {
        within("a GOAWAY between PINGs", async {
            let mut frames = Vec::new();
            while frames.last().is_none_or(|last: &Frame| last.kind != GOAWAY) {
                self.socket.send(ping()).await;
                let is_last = |frame: &Frame| matches!(frame.kind, PING | GOAWAY);
                frames.extend(self.read_until(is_last).await);
            }
            frames
        })
        .await
    }

    /// Sends requests one after another, from stream `first` on, until a GOAWAY comes with a response or behind it;
    /// returns the frames of that response and its stream.
    pub async fn request_until_goaway(
        &mut self,
        first: u32,
        request: impl Fn(u32) -> Vec<u8>,
    ) -> (Vec<Frame>, u32) {
        within("a GOAWAY with a response", async {
            let mut stream = first;
            loop {
                self.socket.send(request(stream)).await;
                let frames = self.read_response_and_goaway(stream).await;
                if last_stream_id(&frames).is_some() {
                    return (frames, stream);
                }
                stream += 2;
            }
        })
        .await
    }

    /// Reads a response, and a GOAWAY if one comes with it or behind it.
    pub async fn read_response_and_goaway(&mut self, stream: u32) -> Vec<Frame> {
        let mut frames = self.read_response(stream).await;
        if last_stream_id(&frames).is_none() {
            self.socket.send(ping()).await;
            let is_last = |frame: &Frame| matches!(frame.kind, PING | GOAWAY);
            frames.extend(self.read_until(is_last).await);
        }
        frames
    }

    /// Reads up to a GOAWAY; returns its last-stream-id.
    pub async fn read_goaway(&mut self) -> u32 {
        let frames = self.read_until(|frame| frame.kind == GOAWAY).await;
        frames.last().and_then(Frame::last_stream_id).unwrap()
    }
}

/// Returns the last-stream-id of the first GOAWAY.
pub fn last_stream_id(frames: &[Frame]) -> Option<u32> {
    frames.iter().find_map(Frame::last_stream_id)
}

/// `:status: 200`, entry 8 of HPACK's static table (RFC 7541 A).
const OK: u8 = 0x88;

/// Returns the first byte of a header block behind updates of the table size (RFC 7541 6.3).
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
