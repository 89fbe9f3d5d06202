//! An HTTP/1 server that answers with the very bytes a story gives it, and keeps what it was asked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

use super::socket::{closes, field};

/// What is answered to a request head, and nothing of it if it is None: then the connection is dropped.
type Reply = fn(&str) -> Option<Vec<u8>>;

/// Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    seen: Seen,
    _tasks: Tasks,
}

impl Server {
    pub async fn start(reply: Reply) -> Self {
        Self::start_closing_idle(reply, Duration::MAX).await
    }

    /// As [`Server::start`], and closes a connection that has been idle for so long.
    pub async fn start_closing_idle(reply: Reply, idle: Duration) -> Self {
        Self::start_on("127.0.0.1:0", reply, idle).await
    }

    /// As [`Server::start`], on every loopback address.
    pub async fn start_anywhere(reply: Reply) -> Self {
        Self::start_on("0.0.0.0:0", reply, Duration::MAX).await
    }

    async fn start_on(address: &str, reply: Reply, idle: Duration) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let mut tasks = Tasks::new();
        let service = Service {
            reply,
            idle,
            seen: seen.clone(),
        };
        tasks.spawn(async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                service.take(&mut connections, stream);
            }
        });
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    /// As [`Server::start`], on a unix socket; `address` says nothing.
    pub fn start_unix(path: &Path, reply: Reply) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let seen = Seen::default();
        let mut tasks = Tasks::new();
        let service = Service {
            reply,
            idle: Duration::MAX,
            seen: seen.clone(),
        };
        tasks.spawn(async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                service.take(&mut connections, stream);
            }
        });
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            seen,
            _tasks: tasks,
        }
    }

    /// The request heads of each connection, in the order of their opening.
    pub fn seen(&self) -> Vec<Vec<String>> {
        self.seen.0.lock().unwrap().clone()
    }
}

/// What came on each connection, in the order of their opening.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Vec<String>>>>);

struct Service {
    reply: Reply,
    idle: Duration,
    seen: Seen,
}

impl Service {
    fn take<S>(&self, connections: &mut Tasks, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let number = {
            let mut seen = self.seen.0.lock().unwrap();
            seen.push(Vec::new());
            seen.len() - 1
        };
        let (reply, idle, seen) = (self.reply, self.idle, self.seen.clone());
        connections.spawn(async move {
            let keep = |head: &str| seen.0.lock().unwrap()[number].push(head.to_owned());
            // How it ends is the client's business, and seen there.
            let _ = serve(stream, reply, idle, keep).await;
        });
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Reply,
    idle: Duration,
    keep: impl Fn(&str),
) -> std::io::Result<()> {
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            let read = stream.read_buf(&mut held);
            match tokio::time::timeout(idle, read).await {
                Ok(Ok(read)) if read > 0 => {}
                _ => return Ok(()),
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
