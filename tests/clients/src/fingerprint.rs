//! The first frames of each HTTP/2 client, by which the module recognizes clients.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

use crate::client::{Client, Protocol};
use crate::language::Program;
use crate::pattern::Pattern;
use crate::via::Via;

/// The time in which a client's program must connect and send its first request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const HEAD: usize = 9;

/// What a client sends before and with its first HEADERS frame.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Identifiers and values of the first SETTINGS, in order.
    settings: Vec<(u16, u32)>,
    /// The increment of each WINDOW_UPDATE on stream 0.
    window_updates: Vec<u32>,
    /// The first request's stream.
    stream: u32,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<_> = self
            .settings
            .iter()
            .map(|(id, value)| format!("{id}={value}"))
            .collect();
        let updates: Vec<_> = self.window_updates.iter().map(u32::to_string).collect();
        let or_none = |texts: Vec<String>| match texts.join(",") {
            text if text.is_empty() => "none".to_owned(),
            text => text,
        };
        write!(
            to,
            "SETTINGS {}; WINDOW_UPDATE on 0 {}; first stream {}",
            or_none(settings),
            or_none(updates),
            self.stream
        )
    }
}

impl Fingerprint {
    /// Starts the client's program against a port of this process and reads its first frames.
    ///
    /// # Errors
    /// When it does not speak HTTP/2, or sends no request.
    pub async fn of(client: &Client, program: &Program) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let proxy = match client.via {
            Some(via) => Some(Via::start(via, address, client.protocol).await?),
            None => None,
        };
        let (address, protocol) = match &proxy {
            Some(proxy) => proxy.endpoint(client.protocol),
            None => (address, client.protocol),
        };
        let pattern = Pattern::of(client.protocol)[0];
        let _program = Command::from(program.command())
            .args(["--address", &address.to_string()])
            .args(["--protocol", protocol.name()])
            .args(pattern.flags(1))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let read = async {
            let (stream, _) = listener.accept().await?;
            read(stream).await
        };
        timeout(TIMEOUT, read)
            .await
            .with_context(|| format!("{} sent no request", client.name))?
    }

    /// Whether a client has one.
    pub fn has(client: &Client) -> bool {
        matches!(client.protocol, Protocol::Http2 | Protocol::Grpc)
    }
}

async fn read(mut stream: TcpStream) -> Result<Fingerprint> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await?;
    if preface != PREFACE {
        bail!("no HTTP/2 with prior knowledge");
    }
    // Some clients send no request before they have received the server's SETTINGS.
    stream.write_all(EMPTY_SETTINGS).await?;
    let mut found = Fingerprint::default();
    let mut is_first = true;
    loop {
        let mut head = [0; HEAD];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, stream_id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes(stream_id);
        match (kind, payload.as_slice()) {
            (1, _) => {
                found.stream = id;
                return Ok(found);
            }
            (4, settings) if is_first && flags == 0 => {
                found.settings = settings
                    .chunks_exact(6)
                    .map(|setting| {
                        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|at| setting[at]);
                        (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))
                    })
                    .collect();
                is_first = false;
            }
            (8, &[a, b, c, d]) if id == 0 => {
                found.window_updates.push(u32::from_be_bytes([a, b, c, d]));
            }
            _ => {}
        }
    }
}
