//! An HTTP/1 server that answers with the very bytes a story gives it, and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::socket::{closes, field};

/// What is answered to a request head, and nothing of it if it is None: then the connection is dropped.
type Reply = fn(&str) -> Option<Vec<u8>>;

/// Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
    _tasks: Tasks,
}

impl Server {
    pub async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let mut tasks = Tasks::new();
        tasks.spawn(accept(listener, reply, Arc::clone(&seen)));
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    /// The request heads of each connection, in the order of their opening.
    pub fn seen(&self) -> Vec<Vec<String>> {
        self.seen.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, reply: Reply, seen: Arc<Mutex<Vec<Vec<String>>>>) {
    let mut connections = Tasks::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(Vec::new());
            seen.len() - 1
        };
        let seen = Arc::clone(&seen);
        connections.spawn(async move {
            let keep = |head: &str| seen.lock().unwrap()[number].push(head.to_owned());
            // How it ends is the client's business, and seen there.
            let _ = serve(stream, reply, keep).await;
        });
    }
}

async fn serve(mut stream: TcpStream, reply: Reply, keep: impl Fn(&str)) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut held).await? == 0 {
                return Ok(());
            }
        };
        let head: String = String::from_utf8_lossy(&held[..end]).into_owned();
        held.drain(..end);
        keep(&head);
        let mut body = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while body > 0 {
            if held.is_empty() && stream.read_buf(&mut held).await? == 0 {
                return Ok(());
            }
            let here = held.len().min(body);
            held.drain(..here);
            body -= here;
        }
        let Some(answer) = reply(&head) else {
            return Ok(());
        };
        stream.write_all(&answer).await?;
        if closes(&head) {
            return Ok(());
        }
    }
}

/// An answer with a body of known length.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The path of a request head.
pub fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
