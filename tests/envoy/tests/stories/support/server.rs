//! An HTTP/1 server that sends the bytes a story chooses, and records the request heads.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::socket::{announces_close, field};

/// Returns the response to a request head; with `None` the server closes the connection.
type Reply = fn(&str) -> Option<Vec<u8>>;

/// A running server. Dropping it closes its port and every connection.
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

    /// Starts the server on every loopback address.
    pub async fn start_anywhere(reply: Reply) -> Self {
        Self::start_on("0.0.0.0:0", reply).await
    }

    async fn start_on(address: &str, reply: Reply) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Service::new(reply);
        Self::spawn(address, service.clone(), async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                service.take(&mut connections, stream);
            }
        })
    }

    /// Starts the server on a Unix domain socket; `address` is not used.
    pub fn start_unix(path: &Path, reply: Reply) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let service = Service::new(reply);
        Self::spawn(address, service.clone(), async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                service.take(&mut connections, stream);
            }
        })
    }

    fn spawn(
        address: SocketAddr,
        service: Service,
        accept: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut tasks = Tasks::new();
        tasks.spawn(accept);
        Self {
            address,
            service,
            _tasks: tasks,
        }
    }

    /// Returns the request heads of each connection, in the order in which these were opened.
    pub fn heads_by_connection(&self) -> Vec<Vec<String>> {
        self.service.heads.0.lock().unwrap().clone()
    }

    /// Returns the number of requests on each connection, in the order in which these were opened.
    pub fn requests_by_connection(&self) -> Vec<usize> {
        self.heads_by_connection().iter().map(Vec::len).collect()
    }

    /// Closes the connections that are idle, as a server does at its idle timeout.
    pub fn close_idle(&self) {
        self.service.close_idle.send_replace(());
    }
}

/// The request heads of each connection, in the order in which these were opened.
#[derive(Clone, Debug, Default)]
struct Heads(Arc<Mutex<Vec<Vec<String>>>>);

#[derive(Clone, Debug)]
struct Service {
    reply: Reply,
    heads: Heads,
    close_idle: watch::Sender<()>,
}

impl Service {
    fn new(reply: Reply) -> Self {
        Self {
            reply,
            heads: Heads::default(),
            close_idle: watch::Sender::new(()),
        }
    }

    fn take<S>(&self, connections: &mut Tasks, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let number = {
            let mut heads = self.heads.0.lock().unwrap();
            heads.push(Vec::new());
            heads.len() - 1
        };
        let (reply, heads) = (self.reply, self.heads.clone());
        let close_idle = self.close_idle.subscribe();
        connections.spawn(async move {
            let record = |head: &str| heads.0.lock().unwrap()[number].push(head.to_owned());
            // The client sees how the connection ends.
            let _ = serve(stream, reply, close_idle, record).await;
        });
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Reply,
    mut close_idle: watch::Receiver<()>,
    record: impl Fn(&str),
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
        record(&head);
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
        let closes = announces_close(&head);
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

/// Returns a response with a body of known length.
pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Returns the path of a request head.
pub fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}
