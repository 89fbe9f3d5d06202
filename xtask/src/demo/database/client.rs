//! A PostgreSQL client with one connection, by the simple query protocol.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::THINK;
use crate::demo::gateway::Exchange;

const USER: &str = "test";

/// Runs transactions. Like a pool that validates, it opens another connection where the first statement finds that its
/// own has ended.
pub struct PostgresClient {
    proxy: SocketAddr,
    /// The servers, in the order of their numbers.
    servers: Vec<SocketAddr>,
    connection: Option<TcpStream>,
    opened: u64,
}

impl PostgresClient {
    /// Returns a client that connects with its first transaction.
    pub fn new(proxy: SocketAddr, servers: &[SocketAddr]) -> Self {
        Self {
            proxy,
            servers: servers.to_vec(),
            connection: None,
            opened: 0,
        }
    }

    async fn connect(&mut self) -> Result<TcpStream> {
        self.opened += 1;
        let mut connection = TcpStream::connect(self.proxy).await?;
        connection.set_nodelay(true)?;
        // Protocol version 3.0, then parameters.
        let startup = format!("\0\x03\0\0user\0{USER}\0database\0postgres\0\0");
        send(&mut connection, None, startup.as_bytes()).await?;
        read_response(&mut connection).await?;
        Ok(connection)
    }

    async fn begin(&mut self) -> Result<TcpStream> {
        if let Some(mut connection) = self.connection.take()
            && query(&mut connection, "BEGIN").await.is_ok()
        {
            return Ok(connection);
        }
        let mut connection = self.connect().await?;
        query(&mut connection, "BEGIN").await?;
        Ok(connection)
    }

    /// A transaction that pauses between its statements, as an application does. Returns the number of its server.
    async fn run_transaction(&mut self) -> Result<String> {
        let mut connection = self.begin().await.context("BEGIN")?;
        let port = query(&mut connection, "SELECT current_setting('port')").await?;
        sleep(THINK).await;
        query(&mut connection, "COMMIT").await.context("COMMIT")?;
        self.connection = Some(connection);
        let is_server = |server: &SocketAddr| server.port().to_string() == port;
        let number = self.servers.iter().position(is_server);
        Ok(number
            .context("a response of an unknown server")?
            .to_string())
    }
}

impl Exchange for PostgresClient {
    fn exchange(&mut self) -> impl Future<Output = Result<String>> + Send {
        self.run_transaction()
    }

    fn connections_opened(&self) -> u64 {
        self.opened
    }
}

async fn send(connection: &mut TcpStream, kind: Option<u8>, body: &[u8]) -> Result<()> {
    let length = u32::try_from(body.len() + 4)?.to_be_bytes();
    let message = kind.into_iter().chain(length).chain(body.iter().copied());
    connection.write_all(&message.collect::<Vec<_>>()).await?;
    Ok(())
}

/// Returns the first column of the first row.
async fn query(connection: &mut TcpStream, text: &str) -> Result<String> {
    send(connection, Some(b'Q'), format!("{text}\0").as_bytes()).await?;
    read_response(connection).await
}

/// Reads messages up to ReadyForQuery.
async fn read_response(connection: &mut TcpStream) -> Result<String> {
    let mut value = String::new();
    loop {
        let kind = connection.read_u8().await?;
        let length = connection.read_u32().await?.saturating_sub(4);
        let mut body = vec![0; usize::try_from(length)?];
        connection.read_exact(&mut body).await?;
        match kind {
            b'Z' => return Ok(value),
            b'E' => bail!("{}", String::from_utf8_lossy(&body)),
            // DataRow: the number of columns (2 bytes), then each with its length (4 bytes).
            b'D' => value = String::from_utf8_lossy(body.get(6..).unwrap_or_default()).into_owned(),
            _ => {}
        }
    }
}
