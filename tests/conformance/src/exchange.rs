//! One request of the table on a new connection, and everything that the client receives.

mod response;

use std::time::Duration;

use anyhow::{Context, Result};
use evenkeel_test_envoy::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::requests::{Id, Request};
use crate::site::{Listener, Site};

pub use response::Response;

/// Longer than any response takes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The final responses in order, each with the interim responses before it.
    pub responses: Vec<Response>,
    /// What happened to the connection after them.
    pub end: End,
    /// The complete requests that the backend received.
    pub received: Vec<String>,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It served another request.
    Kept(Response),
    /// The last response had `connection: close`, and another request got only these bytes.
    Announced(Vec<u8>),
    /// It was closed without `connection: close`.
    Closed,
}

/// When the client stops sending requests.
#[derive(Clone, Copy, Debug)]
pub enum Client<'a> {
    /// When a response has `connection: close`.
    Obedient,
    /// When a client with these responses stopped; other `connection: close` fields are ignored.
    Following(&'a [Response]),
}

impl Client<'_> {
    fn stops(&self, responses: &[Response]) -> bool {
        match self {
            Self::Obedient => responses.last().is_some_and(Response::closes),
            Self::Following(others) => others
                .get(..responses.len())
                .and_then(<[Response]>::last)
                .is_some_and(Response::closes),
        }
    }
}

/// Sends the request, in two parts when there is a `split`, and reads the responses. The caller looks up what the backend
/// received, by the same id.
///
/// # Errors
/// When Envoy does not respond, or not with HTTP.
pub async fn exchange(
    site: &Site,
    listener: Listener,
    client: Client<'_>,
    request: &Request,
    split: Option<usize>,
    id: Id,
) -> Result<(Vec<Response>, End)> {
    let doing = async {
        let mut stream = BufReader::new(TcpStream::connect(site.address(listener)).await?);
        stream.get_ref().set_nodelay(true)?;
        let bytes = request.bytes(id);
        let (first, second) = bytes.split_at(split.unwrap_or(bytes.len()));
        let before = site.received(listener).await?;
        send(&mut stream, first).await;
        if !second.is_empty() {
            let read = before + first.len() as u64;
            let reads = eventually("Envoy to read the first part", async || {
                Ok((site.received(listener).await? >= read).then_some(()))
            });
            // Envoy may respond to an invalid request and close before it has read all of it.
            tokio::select! {
                read = reads => read?,
                readable = stream.get_ref().readable() => readable?,
            }
            send(&mut stream, second).await;
        }
        if request.finished {
            finish(&mut stream).await;
        }
        let mut responses = Vec::new();
        while responses.len() < request.responses {
            match response::read(&mut stream, id).await? {
                Some(response) => responses.push(response),
                None => return Ok((responses, End::Closed)),
            }
            if client.stops(&responses) {
                return Ok((responses, leave(&mut stream, id).await));
            }
        }
        Ok((responses, go_on(&mut stream, id).await?))
    };
    timeout(TIMEOUT, doing).await.context("Envoy is silent")?
}

/// After `connection: close`, Envoy waits a second for the client, which sends one more request before it closes. A RST counts
/// as a close.
async fn leave(stream: &mut BufReader<TcpStream>, id: Id) -> End {
    ask_another(stream, id).await;
    finish(stream).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    End::Announced(rest)
}

async fn go_on(stream: &mut BufReader<TcpStream>, id: Id) -> Result<End> {
    ask_another(stream, id).await;
    let response = response::read(stream, id).await?;
    Ok(response.map_or(End::Closed, End::Kept))
}

async fn ask_another(stream: &mut BufReader<TcpStream>, id: Id) {
    let another = format!("GET /{id}/another HTTP/1.1\r\nhost: x\r\n\r\n");
    send(stream, another.as_bytes()).await;
}

/// Sends to an Envoy that may have closed the connection; its response can still be read.
async fn send(stream: &mut BufReader<TcpStream>, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
}

async fn finish(stream: &mut BufReader<TcpStream>) {
    let _ = stream.shutdown().await;
}
