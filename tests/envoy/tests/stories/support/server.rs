//! An HTTP/1 server that answers with the very bytes a story gives it, and keeps what it was asked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::socket::{closes, field};

/// What is answered to a request head, and nothing of it if it is None: then the connection is dropped.
type Reply = fn(&str) -> Option<Vec<u8>>;

/// Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    service: Service,
    _tasks: Tasks,
}

impl Server {
    pub async fn start(reply: Reply) -> Self {
        Self::start_on("127.0.0.1:0", reply).await
    }

    /// As [`Server::start`], on every loopback address.
    pub async fn start_anywhere(reply: Reply) -> Self {
        Self::start_on("0.0.0.0:0", reply).await
    }

    async fn start_on(address: &str, reply: Reply) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = Tasks::new();
        let server = Service::new(reply);
        let service = server.clone();
        tasks.spawn(async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                service.take(&mut connections, stream);
            }
        });
        Self {
            address,
            service: server,
            _tasks: tasks,
        }
    }

    /// Starts the server on a Unix domain socket; `address` is not used.
    pub fn start_unix(path: &Path, reply: Reply) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let mut tasks = Tasks::new();
        let server = Service::new(reply);
        let service = server.clone();
        tasks.spawn(async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                service.take(&mut connections, stream);
            }
        });
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            service: server,
            _tasks: tasks,
        }
    }

    /// The request heads of each connection, in the order of their opening.
    pub fn seen(&self) -> Vec<Vec<String>> {
        self.service.seen.0.lock().unwrap().clone()
    }

    /// Closes the connections that are idle, as a server does at its idle timeout.
    pub fn close_idle(&self) {
        self.service.close_idle.send_replace(());
    }
}

/// What came on each connection, in the order of their opening.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Vec<Vec<String>>>>);

#[derive(Clone, Debug)]
struct Service {
    reply: Reply,
    seen: Seen,
    close_idle: watch::Sender<()>,
}

impl Service {
    fn new(reply: Reply) -> Self {
        Self {
            reply,
            seen: Seen::default(),
            close_idle: watch::Sender::new(()),
        }
    }

    fn take<S>(&self, connections: &mut Tasks, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let number = {
            let mut seen = self.seen.0.lock().unwrap();
            seen.push(Vec::new());
            seen.len() - 1
        };
        let (reply, seen) = (self.reply, self.seen.clone());
        let close_idle = self.close_idle.subscribe();
        connections.spawn(async move {
            let keep = |head: &str| seen.0.lock().unwrap()[number].push(head.to_owned());
            // How it ends is the client's business, and seen there.
            let _ = serve(stream, reply, close_idle, keep).await;
        });
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Reply,
    mut close_idle: watch::Receiver<()>,
    keep: impl Fn(&str),
) -> std::io::Result<()> {
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            tokio::select! {
                read = stream.read_buf(&mut held) => match read {
                    Ok(read) if read > 0 => {}
                    _ => return Ok(()),
                },
                _ = close_idle.changed() => return Ok(()),
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
        let Some(mut response) = reply(&head) else {
            return Ok(());
        };
        let closes = closes(&head);
        if closes {
            add_connection_close(&mut response);
        }
        stream.write_all(&response).await?;
        if closes {
            return Ok(());
        }
    }
}

/// Adds the field that a server sends in the response to a request with `Connection: close` (RFC 9112, section 9.6).
/// Without it Envoy reuses the connection until it sees the FIN, and a request sent in between gets a 503.
fn add_connection_close(response: &mut Vec<u8>) {
    let status_line = response.windows(2).position(|window| window == b"\r\n");
    let fields = status_line.expect("a status line") + 2;
    response.splice(fields..fields, *b"connection: close\r\n");
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
