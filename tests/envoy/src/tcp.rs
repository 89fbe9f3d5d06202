//! A raw TCP service and its client: a line for a line, over connections that neither wants to close.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A server that sends every line back with its own name before it. Dropping it closes its port and
/// every connection.
#[derive(Debug)]
pub struct TcpEcho {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    _tasks: Tasks,
}

impl TcpEcho {
    /// Starts a server that signs with `name`.
    ///
    /// # Errors
    /// When loopback gives no port.
    pub async fn start(name: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicU64::new(0));
        let mut tasks = Tasks::new();
        tasks.spawn(accept(listener, name.to_owned(), Arc::clone(&connections)));
        Ok(Self {
            address,
            connections,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it was given so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, name: String, count: Arc<AtomicU64>) {
    let mut connections = Tasks::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                count.fetch_add(1, Ordering::Relaxed);
                connections.spawn(echo(stream, name.clone()));
            }
            Some(()) = connections.next() => {}
        }
    }
}

async fn echo(stream: TcpStream, name: String) {
    // Without it Nagle would hold back a line.
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if write
            .write_all(format!("{name} {line}\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// A client that keeps one connection. When the server closes it between two lines the client opens
/// another one, and nothing is lost; when it is closed on an open question, that question failed.
#[derive(Debug)]
pub struct TcpClient {
    target: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    opened: u64,
}

impl TcpClient {
    /// A client of `target`. It connects with its first question.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            connection: None,
            opened: 0,
        }
    }

    /// Sends a line and waits for the answer, which it returns without its line end.
    ///
    /// # Errors
    /// When no connection can be made, or when it ended before the answer was complete.
    pub async fn ask(&mut self, line: &str) -> Result<String> {
        let mut connection = match self.connection.take() {
            Some(connection) if is_open(&connection) => connection,
            _ => {
                self.opened += 1;
                let stream = TcpStream::connect(self.target).await?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        connection
            .write_all(format!("{line}\n").as_bytes())
            .await
            .context("sending")?;
        let mut answer = String::new();
        connection
            .read_line(&mut answer)
            .await
            .context("waiting for the answer")?;
        if !answer.ends_with('\n') {
            bail!("closed on an open question, after {answer:?}");
        }
        self.connection = Some(connection);
        Ok(answer.trim_end().to_owned())
    }

    /// Waits until the server closes the connection; at once when there is none.
    pub async fn closed(&mut self) {
        if let Some(connection) = &mut self.connection {
            // Data that no one asked for, a FIN and a reset all end the wait: this connection is spent.
            let _ = connection.fill_buf().await;
        }
        self.connection = None;
    }

    /// How many connections were opened so far.
    pub fn connections_opened(&self) -> u64 {
        self.opened
    }
}

/// Between two lines nothing is readable on an open connection: not even its end.
fn is_open(connection: &BufReader<TcpStream>) -> bool {
    let read = connection.get_ref().try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
