//! Bytes of HTTP/1 clients and servers.

/// A GET without a body.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n").into_bytes()
}

/// The head of a 200 with these further fields, each with its CRLF.
pub fn head(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nserver: envoy\r\n{fields}\r\n").into_bytes()
}

/// What the client gets from [`Proxy::exchange`](crate::Proxy::exchange) with these additional fields.
pub fn response_with(added: &str) -> Vec<u8> {
    let mut whole = head(&format!("content-length: 5\r\n{added}"));
    whole.extend(b"hello");
    whole
}

/// The drain signal.
pub const CLOSE: &str = "connection: close\r\n";
