//! A relay that gives an HTTP/2 client the first frames of another one.
//!
//! The module recognizes clients by their first SETTINGS. h2spec sends those of Node, which is drained when it is idle. With those
//! of grpc-java, it is drained at the end of its first response.

use std::io;
use std::net::SocketAddr;

use anyhow::Result;
use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The client connection preface (RFC 9113 3.4), and the head of a SETTINGS frame with one setting, the initial window size.
const FROM_CLIENT: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04";
/// The same with grpc-java's settings: no pushes, and the initial window size, whose value is the client's.
const TO_SERVER: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x18\x04\x00\x00\x00\x00\x00\
    \x00\x02\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x04";
/// What follows that value: a maximum header list size of a MiB, and a WINDOW_UPDATE of the connection by 1.
const AFTER_WINDOW: &[u8] = b"\x00\x06\x00\x10\x00\x00\
    \x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01";

/// The length of the value of a setting.
const VALUE: usize = 4;

/// A running relay. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Relay {
    /// Starts a relay to a server.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = Tasks::new();
        tasks.spawn(accept(listener, server));
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    /// The address of the relay.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, server: SocketAddr) {
    let mut connections = Tasks::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(async move {
            // Either side may end a connection at any time.
            let _ = relay(client, server).await;
        });
    }
}

async fn relay(mut client: TcpStream, server: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut sent = Vec::new();
    // All other bytes are passed on as they come.
    let is_incomplete = |sent: &[u8]| {
        let is_begun = FROM_CLIENT
            .iter()
            .zip(sent)
            .all(|(wanted, sent)| wanted == sent);
        is_begun && sent.len() < FROM_CLIENT.len() + VALUE
    };
    while is_incomplete(&sent) && client.read_buf(&mut sent).await? > 0 {}
    if let Some((window, rest)) = sent
        .strip_prefix(FROM_CLIENT)
        .and_then(|sent| sent.split_at_checked(VALUE))
    {
        sent = [TO_SERVER, window, AFTER_WINDOW, rest].concat();
    }
    server.write_all(&sent).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
