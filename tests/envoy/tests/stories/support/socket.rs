//! One connection of a client that is told every byte, and says what it was sent.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// One end of a connection.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    /// What came and was not asked for yet.
    held: Vec<u8>,
}

impl Socket {
    pub async fn connect(to: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(to))
            .await
            .unwrap();
        Self::of(stream)
    }

    /// One end of a connection that is open.
    pub fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            held: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = within("room to send", self.stream.write_all(bytes.as_ref())).await;
        sent.unwrap();
    }

    /// As [`Socket::send`], to a server that may have closed the connection.
    pub async fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within("room to send", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends each byte in a segment of its own.
    pub async fn send_slowly(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]).await;
            tokio::task::yield_now().await;
        }
    }

    /// Ends the client's side; the server's is still read.
    pub async fn finish(&mut self) {
        // Fails when the other end has gone already.
        let _ = self.stream.shutdown().await;
    }

    /// Drops the connection with a reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// The next `count` bytes.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count {
            let before = self.held.len();
            assert!(
                self.more().await,
                "closed after {before} of {count} bytes: {}",
                self.shown()
            );
        }
        self.held.drain(..count).collect()
    }

    /// All bytes up to the next `end`, and that.
    pub async fn take_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self
                .held
                .windows(end.len())
                .position(|window| window == end)
            {
                return self.held.drain(..at + end.len()).collect();
            }
            assert!(
                self.more().await,
                "closed in the middle of {:?}",
                self.shown()
            );
        }
    }

    /// All bytes until the server closes; a reset is an error of the story.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.held)
    }

    /// Waits until the server ends the connection, in whatever way.
    pub async fn ended(&mut self) {
        let mut bytes = [0; 4096];
        while within("the end of a connection", self.stream.read(&mut bytes))
            .await
            .is_ok_and(|read| read > 0)
        {}
    }

    /// Nothing came that was not asked for, not even an end.
    pub fn is_open(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        self.held.is_empty()
            && read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Waits for a byte that was not asked for yet. False when the server closes instead.
    pub async fn has_more(&mut self) -> bool {
        !self.held.is_empty() || self.more().await
    }

    async fn more(&mut self) -> bool {
        within("bytes", self.stream.read_buf(&mut self.held))
            .await
            .unwrap()
            > 0
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.held).into_owned()
    }

    /// An HTTP/1 head, its field names in lower case as Envoy writes them.
    pub async fn head(&mut self) -> String {
        String::from_utf8(self.take_until(b"\r\n\r\n").await).unwrap()
    }

    /// A whole HTTP/1 answer that has a body: its head and the body as it came, chunks and all.
    pub async fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head().await;
        let body = match field(&head, "content-length") {
            Some(length) => self.take(length.parse().unwrap()).await,
            None if field(&head, "transfer-encoding").is_some() => self.chunks().await,
            None => self.rest().await,
        };
        (head, body)
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let line = self.take_until(b"\r\n").await;
            let size =
                usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            all.extend(line);
            if size == 0 {
                break;
            }
            all.extend(self.take(size + 2).await);
        }
        loop {
            let line = self.take_until(b"\r\n").await;
            all.extend(&line);
            if line == b"\r\n" {
                return all;
            }
        }
    }
}

/// A request without a body.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n")
}

/// The value of a field of an HTTP/1 head.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The head asks for the end of the connection, once and in good form.
pub fn closes(head: &str) -> bool {
    let named = |line: &&str| line.to_ascii_lowercase().starts_with("connection:");
    let lines: Vec<_> = head.lines().filter(named).collect();
    assert!(lines.len() <= 1, "{head}");
    lines
        .first()
        .is_some_and(|line| line.eq_ignore_ascii_case("connection: close"))
}
