//! A TCP echo server and its client, which exchange lines over persistent connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A server that echoes each line behind its name. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct TcpEcho {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    _tasks: Tasks,
}

impl TcpEcho {
    /// Starts a server with this name.
    ///
    /// # Errors
    /// When no port can be bound.
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

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of connections so far.
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
    // Nagle's algorithm would delay a line.
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

/// A client with one connection. It reconnects when the server has closed the connection between two exchanges; a close during
/// an exchange is an error.
#[derive(Debug)]
pub struct TcpClient {
    target: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    opened: u64,
}

impl TcpClient {
    /// Returns a client of `target`, which connects with its first exchange.
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            connection: None,
            opened: 0,
        }
    }

    /// Sends a line; returns the response without its line end.
    ///
    /// # Errors
    /// When the connection fails, or is closed before the response is complete.
    pub async fn exchange(&mut self, line: &str) -> Result<String> {
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
        let mut response = String::new();
        connection
            .read_line(&mut response)
            .await
            .context("waiting for the response")?;
        if !response.ends_with('\n') {
            bail!("closed before the response, after {response:?}");
        }
        self.connection = Some(connection);
        Ok(response.trim_end().to_owned())
    }

    /// Waits until the server closes the connection; returns at once when there is none.
    pub async fn wait_closed(&mut self) {
        if let Some(connection) = &mut self.connection {
            // Unexpected data, a FIN and a RST all end the wait.
            let _ = connection.fill_buf().await;
        }
        self.connection = None;
    }

    /// Returns the number of connections so far.
    pub fn connections_opened(&self) -> u64 {
        self.opened
    }
}

/// Between two exchanges nothing is readable on an open connection, not even a close.
fn is_open(connection: &BufReader<TcpStream>) -> bool {
    let read = connection.get_ref().try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
