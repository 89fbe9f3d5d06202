//! A TCP connection that sends and receives single bytes, and HTTP/1 over it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::within;

/// One end of a connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// Received bytes that no call has returned yet.
    held: Vec<u8>,
}

impl Socket {
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(to))
            .await
            .unwrap();
        Self::of(stream)
    }

    /// Wraps one end of an open connection.
    pub fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            held: Vec::new(),
        }
    }

    pub async fn accept(listener: &TcpListener) -> Self {
        let accepted = within("a connection", listener.accept()).await;
        Self::of(accepted.unwrap().0)
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = within("room to send", self.stream.write_all(bytes.as_ref())).await;
        sent.unwrap();
    }

    /// Sends to a peer that may have closed the connection.
    pub async fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("room to send", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends each byte in a write of its own.
    pub async fn send_byte_by_byte(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]).await;
            tokio::task::yield_now().await;
        }
    }

    /// Closes the write side.
    pub async fn shut_down(&mut self) {
        // Fails when the peer has closed already.
        let _ = self.stream.shutdown().await;
    }

    /// Aborts the connection with a RST.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Reads `count` bytes.
    pub async fn read_exact(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count {
            let before = self.held.len();
            assert!(
                self.read_more().await,
                "closed after {before} of {count} bytes: {}",
                self.lossy_text()
            );
        }
        self.held.drain(..count).collect()
    }

    /// Reads up to and including the next `end`.
    pub async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self
                .held
                .windows(end.len())
                .position(|window| window == end)
            {
                return self.held.drain(..at + end.len()).collect();
            }
            assert!(
                self.read_more().await,
                "closed in the middle of {:?}",
                self.lossy_text()
            );
        }
    }

    /// Reads until the peer closes. Panics on a RST.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_more().await {}
        std::mem::take(&mut self.held)
    }

    /// Waits until the peer closes or aborts the connection.
    pub async fn wait_closed(&mut self) {
        let mut bytes = [0; 4096];
        while within("the end of a connection", self.stream.read(&mut bytes))
            .await
            .is_ok_and(|read| read > 0)
        {}
    }

    /// Returns whether there is nothing to read, and no close.
    pub fn is_open(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        self.held.is_empty()
            && read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Waits for data; false when the peer closes instead.
    pub async fn wait_for_data(&mut self) -> bool {
        !self.held.is_empty() || self.read_more().await
    }

    /// Sends a GET and reads the response: its head and its body.
    pub async fn get(&mut self, path: &str) -> (String, Vec<u8>) {
        self.send(get(path)).await;
        self.response().await
    }

    /// Sends `count` GETs one after another; returns which of the responses have `connection: close`.
    pub async fn closing_responses(&mut self, path: &str, count: usize) -> Vec<bool> {
        let mut closing = Vec::new();
        for _ in 0..count {
            closing.push(announces_close(&self.get(path).await.0));
        }
        closing
    }

    async fn read_more(&mut self) -> bool {
        within("bytes", self.stream.read_buf(&mut self.held))
            .await
            .unwrap()
            > 0
    }

    fn lossy_text(&self) -> String {
        String::from_utf8_lossy(&self.held).into_owned()
    }

    /// Reads the head of an HTTP/1 message.
    pub async fn head(&mut self) -> String {
        String::from_utf8(self.read_until(b"\r\n\r\n").await).unwrap()
    }

    /// Reads an HTTP/1 response with a body: its head, and the body with its chunk framing.
    pub async fn response(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let body = match field(&head, "content-length") {
            Some(length) => self.read_exact(length.parse().unwrap()).await,
            None if field(&head, "transfer-encoding").is_some() => self.chunks().await,
            None => self.read_to_end().await,
        };
        (head, body)
    }

    /// Reads a chunked body (RFC 9112, section 7.1).
    async fn chunks(&mut self) -> Vec<u8> {
        let mut chunks = Vec::new();
        loop {
            let line = self.read_until(b"\r\n").await;
            let size =
                usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            chunks.extend(line);
            if size == 0 {
                break;
            }
            chunks.extend(self.read_exact(size + 2).await);
        }
        loop {
            let line = self.read_until(b"\r\n").await;
            chunks.extend(&line);
            if line == b"\r\n" {
                return chunks;
            }
        }
    }
}

/// Returns a GET.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n")
}

/// Returns the value of a field of an HTTP/1 head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// Returns whether a head has `connection: close`. Panics when it has several such fields.
pub fn announces_close(head: &str) -> bool {
    let named = |line: &&str| line.to_ascii_lowercase().starts_with("connection:");
    let lines: Vec<_> = head.lines().filter(named).collect();
    assert!(lines.len() <= 1, "{head}");
    lines
        .first()
        .is_some_and(|line| line.eq_ignore_ascii_case("connection: close"))
}
