//! HTTP/2 frames (RFC 9113 4.1 and 6).

mod hpack;
mod preface;

pub use hpack::header_block;
pub use preface::{ClientPreface, server_preface};

/// Carries a body.
pub const DATA: u8 = 0x0;
/// Opens a stream, begins a response, or carries trailers.
pub const HEADERS: u8 = 0x1;
/// Aborts a stream.
pub const RST_STREAM: u8 = 0x3;
/// Configures the connection.
pub const SETTINGS: u8 = 0x4;
/// Asks for an acknowledgement with the same payload.
pub const PING: u8 = 0x6;
/// Announces the end of the connection.
pub const GOAWAY: u8 = 0x7;
/// Extends a flow-control window.
pub const WINDOW_UPDATE: u8 = 0x8;

/// Flag of DATA and HEADERS: the sender's last frame on the stream.
pub const END_STREAM: u8 = 0x1;
/// Flag of HEADERS: no CONTINUATION follows.
pub const END_HEADERS: u8 = 0x4;
/// Flag of SETTINGS and PING: acknowledges the peer's frame.
pub const ACK: u8 = 0x1;

/// The greatest stream id: a GOAWAY with it refuses no stream.
pub const MAX_STREAM_ID: u32 = 0x7fff_ffff;

/// Returns a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a test's payload is short");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Returns a GET as one HEADERS frame.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(END_STREAM, stream, &request("GET", path))
}

/// Returns the head of a POST; its body is still to come.
pub fn post_headers(stream: u32, path: &str) -> Vec<u8> {
    headers(0, stream, &request("POST", path))
}

/// Returns a POST as HEADERS and one DATA frame.
pub fn post(stream: u32, path: &str, body: &[u8]) -> Vec<u8> {
    let end = frame(DATA, END_STREAM, stream, body);
    [post_headers(stream, path), end].concat()
}

/// Returns the head of a gRPC call; its messages are still to come.
pub fn grpc_call(stream: u32, path: &str) -> Vec<u8> {
    let mut fields = request("POST", path).to_vec();
    fields.push(("content-type", "application/grpc"));
    headers(0, stream, &fields)
}

/// Returns the head of a request that waits for `100 Continue` (RFC 9110 10.1.1) and whose response has no body.
pub fn head_expecting_continue(stream: u32, path: &str) -> Vec<u8> {
    let mut fields = request("HEAD", path).to_vec();
    fields.push(("expect", "100-continue"));
    headers(0, stream, &fields)
}

/// Returns the extended CONNECT of a WebSocket (RFC 8441 4).
pub fn connect_websocket(stream: u32, path: &str) -> Vec<u8> {
    let mut fields = request("CONNECT", path).to_vec();
    fields.push((":protocol", "websocket"));
    fields.push(("sec-websocket-version", "13"));
    headers(0, stream, &fields)
}

fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "shop.example"),
    ]
}

fn headers(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &header_block(fields))
}

/// Returns the head of a response with status 200.
pub fn response_headers(stream: u32) -> Vec<u8> {
    headers(0, stream, &[(":status", "200")])
}

/// Returns the body of a response, which ends its stream.
pub fn response_end(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, b"hello")
}

/// Returns a response: its head and its body.
pub fn response(stream: u32) -> Vec<u8> {
    [response_headers(stream), response_end(stream)].concat()
}

/// Returns a GOAWAY with NO_ERROR.
pub fn goaway(last_stream: u32) -> Vec<u8> {
    let mut payload = last_stream.to_be_bytes().to_vec();
    payload.extend(0_u32.to_be_bytes());
    frame(GOAWAY, 0, 0, &payload)
}

/// Returns the RST_STREAM of a client that no longer wants the response (CANCEL).
pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

/// Returns a PING of either peer.
pub fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"evenkeel")
}

/// Returns the acknowledgement of [`ping`].
pub fn ping_ack() -> Vec<u8> {
    frame(PING, ACK, 0, b"evenkeel")
}

/// The payload of the module's PINGs begins with this.
pub const DELIVERY_PING_PREFIX: &[u8] = b"evkeel\0";

/// Returns the `number`th PING of the module on a connection, which verifies that the client has what was written.
pub fn delivery_ping(number: u8) -> Vec<u8> {
    frame(PING, 0, 0, &[DELIVERY_PING_PREFIX, &[number]].concat())
}

/// Returns the client's acknowledgement of [`delivery_ping`].
pub fn delivery_ack(number: u8) -> Vec<u8> {
    frame(PING, ACK, 0, &[DELIVERY_PING_PREFIX, &[number]].concat())
}
