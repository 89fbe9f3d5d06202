//! WebSocket frames (RFC 6455 5.2) with payloads of at most 125 bytes, and the upgrade over HTTP/1.

/// A further frame of a message.
pub const CONTINUATION: u8 = 0x0;
/// A text message, or its first frame.
pub const TEXT: u8 = 0x1;
/// Begins or completes the closing handshake.
pub const CLOSE: u8 = 0x8;
/// Asks for a PONG.
pub const PING: u8 = 0x9;
/// Responds to a PING.
pub const PONG: u8 = 0xa;
/// The bit of the first byte that marks the last frame of a message.
pub const FIN: u8 = 0x80;

const MASK: u8 = 0x80;

/// Returns a frame of the server that ends its message.
pub fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[FIN | opcode, length(payload)], payload].concat()
}

/// Returns a frame of the server whose message continues.
pub fn server_fragment(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[opcode, length(payload)], payload].concat()
}

/// Returns a frame of the client that ends its message, masked with zeros.
pub fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let head = [FIN | opcode, MASK | length(payload), 0, 0, 0, 0];
    [&head, payload].concat()
}

fn length(payload: &[u8]) -> u8 {
    let length = u8::try_from(payload.len()).expect("a test's payload is short");
    assert!(length < 126, "{length}");
    length
}

/// Returns the Close frame that the module sends as a drain signal.
pub fn drain_close(code: u16) -> Vec<u8> {
    server_frame(
        CLOSE,
        &[&code.to_be_bytes()[..], b"please reconnect"].concat(),
    )
}

/// Returns the request for a WebSocket.
pub fn upgrade_request(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: chat.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: ZXZlbmtlZWxldmVua2VlbA==\r\n\r\n"
    )
}

/// The response to [`upgrade_request`].
pub const UPGRADE_RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
     sec-websocket-accept: 0\r\n\r\n";
