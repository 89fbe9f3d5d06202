//! Bytes of HTTP/1 peers.

/// A GET without a body.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n").into_bytes()
}

/// The head of a 200 with these further fields, each with its CRLF.
pub fn head(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nserver: envoy\r\n{fields}\r\n").into_bytes()
}

/// What the client receives of [`Proxy::exchange`](crate::Proxy::exchange) when these fields were added.
pub fn answer(added: &str) -> Vec<u8> {
    let mut whole = head(&format!("content-length: 5\r\n{added}"));
    whole.extend(b"hello");
    whole
}

/// The words that end the connection.
pub const CLOSE: &str = "connection: close\r\n";
