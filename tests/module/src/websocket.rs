//! Bytes of WebSocket peers (RFC 6455 5.2), with payloads of at most 125 bytes.

/// A message, or its first frame.
pub const TEXT: u8 = 0x1;
/// A further frame of a message.
pub const CONTINUATION: u8 = 0x0;
/// The last that a peer says.
pub const CLOSE: u8 = 0x8;
/// A sign of life.
pub const PING: u8 = 0x9;
/// The frame is its message's last.
pub const FIN: u8 = 0x80;

const MASK: u8 = 0x80;

/// A frame of the server; `first` is its first byte.
pub fn from_server(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a payload of a test is short");
    [&[first, length], payload].concat()
}

/// A frame of the client, masked with zeros.
pub fn from_client(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a payload of a test is short");
    [&[first, MASK | length, 0, 0, 0, 0], payload].concat()
}

/// The Close that Evenkeel sends.
pub fn farewell(status: u16) -> Vec<u8> {
    let payload = [&status.to_be_bytes()[..], b"please reconnect"].concat();
    from_server(FIN | CLOSE, &payload)
}

/// The request for a WebSocket.
pub const REQUEST: &str =
    "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";

/// Its answer, as Envoy writes it.
pub const ANSWER: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
