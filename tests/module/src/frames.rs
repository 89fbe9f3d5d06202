//! Bytes of HTTP/2 peers (RFC 9113 4.1 and 6).

/// Frame types.
pub const DATA: u8 = 0x0;
/// Opens a stream.
pub const HEADERS: u8 = 0x1;
/// Ends a stream at once.
pub const RST_STREAM: u8 = 0x3;
/// How a peer wants to be spoken to.
pub const SETTINGS: u8 = 0x4;
/// A sign of life.
pub const PING: u8 = 0x6;
/// The end of the connection.
pub const GOAWAY: u8 = 0x7;
/// More room to send.
pub const WINDOW_UPDATE: u8 = 0x8;

/// The sender has nothing more to say on the stream.
pub const END_STREAM: u8 = 0x1;
/// The header block is whole.
pub const END_HEADERS: u8 = 0x4;
/// Of SETTINGS and PING: an answer to the peer's.
pub const ACK: u8 = 0x1;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload of a test is short");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A request without a body.
pub fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, b"headers")
}

/// The head of an answer.
pub fn answer_head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, b"status")
}

/// The end of an answer.
pub fn answer_end(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, b"hello")
}

/// GOAWAY with NO_ERROR.
pub fn goaway(last_stream: u32) -> Vec<u8> {
    let mut payload = last_stream.to_be_bytes().to_vec();
    payload.extend(0_u32.to_be_bytes());
    frame(GOAWAY, 0, 0, &payload)
}

/// The `number`th PING of the module on a connection, which asks whether the client has what was written.
pub fn receipt(number: u8) -> Vec<u8> {
    frame(PING, 0, 0, &[b"evkeel\0", &[number][..]].concat())
}

/// The client's acknowledgement of [`receipt`].
pub fn acknowledgement(number: u8) -> Vec<u8> {
    frame(PING, ACK, 0, &[b"evkeel\0", &[number][..]].concat())
}

/// The greatest stream id there is.
pub const MAX: u32 = 0x7fff_ffff;

/// A client's first bytes: preface, SETTINGS with these parameters, and WINDOW_UPDATE if it sends one.
pub fn greeting(settings: &[(u16, u32)], window_update: Option<u32>) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in settings {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &payload));
    if let Some(by) = window_update {
        bytes.extend(frame(WINDOW_UPDATE, 0, 0, &by.to_be_bytes()));
    }
    bytes
}

/// Go's net/http: takes a GOAWAY with the maximum, whenever.
pub fn go() -> Vec<u8> {
    let settings = [(2, 0), (4, 4_194_304), (5, 16_384), (6, 10_485_760)];
    greeting(&settings, Some(1_073_741_824))
}

/// Python's httpx: takes an exact GOAWAY, and only when nothing is open.
pub fn httpx() -> Vec<u8> {
    let settings = [
        (1, 4096),
        (2, 0),
        (4, 65_535),
        (5, 16_384),
        (3, 100),
        (6, 65_536),
    ];
    greeting(&settings, Some(16_777_216))
}

/// libcurl: takes a GOAWAY with the maximum, whenever.
pub fn curl() -> Vec<u8> {
    greeting(&[(3, 100), (4, 65_536), (2, 0)], Some(1_048_510_465))
}

/// Node's http2: wants the GOAWAY before the frame that ends the stream.
pub fn node() -> Vec<u8> {
    greeting(&[], None)
}

/// What a server sends first.
pub fn server_greeting() -> Vec<u8> {
    let mut bytes = frame(SETTINGS, 0, 0, &[]);
    bytes.extend(frame(SETTINGS, ACK, 0, &[]));
    bytes
}
