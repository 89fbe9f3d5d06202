//! One request of the table over a connection of its own, and everything that comes back.

mod answer;

use std::time::Duration;

use anyhow::{Context, Result};
use evenkeel_test_envoy::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::requests::{Id, Request};
use crate::site::{Listener, Site};

pub use answer::Answer;

/// Nothing here takes long: an Envoy that is silent is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The final answers, in their order, each with the interim ones before it.
    pub answers: Vec<Answer>,
    /// What became of the connection behind them.
    pub end: End,
    /// The requests that the backend received whole.
    pub received: Vec<String>,
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It served another request.
    Kept(Answer),
    /// The last answer said that it would be closed, and another request got no more than these bytes.
    Announced(Vec<u8>),
    /// It was closed without a word.
    Closed,
}

/// When the client stops asking.
#[derive(Clone, Copy, Debug)]
pub enum Client<'a> {
    /// When it is told that the connection will be closed.
    Obedient,
    /// When one that was answered so was told: whatever it hears beyond that, it goes on.
    Following(&'a [Answer]),
}

impl Client<'_> {
    fn stops(&self, answers: &[Answer]) -> bool {
        match self {
            Self::Obedient => answers.last().is_some_and(Answer::closes),
            Self::Following(others) => others
                .get(..answers.len())
                .and_then(<[Answer]>::last)
                .is_some_and(Answer::closes),
        }
    }
}

/// Sends the request, in two parts when there is a `cut`, and reads what comes of it. What the backend received
/// is looked up later, by the same id.
///
/// # Errors
/// When Envoy is silent, or answers with what is not HTTP.
pub async fn exchange(
    site: &Site,
    listener: Listener,
    client: Client<'_>,
    request: &Request,
    cut: Option<usize>,
    id: Id,
) -> Result<(Vec<Answer>, End)> {
    let doing = async {
        let mut stream = BufReader::new(TcpStream::connect(site.address(listener)).await?);
        stream.get_ref().set_nodelay(true)?;
        let bytes = request.bytes(id);
        let (first, second) = bytes.split_at(cut.unwrap_or(bytes.len()));
        let before = site.received(listener).await?;
        send(&mut stream, first).await;
        if !second.is_empty() {
            let read = before + first.len() as u64;
            let reads = eventually("Envoy to read the first part", async || {
                Ok((site.received(listener).await? >= read).then_some(()))
            });
            // Of what it refuses it need not read all: it has answered by then.
            tokio::select! {
                read = reads => read?,
                answered = stream.get_ref().readable() => answered?,
            }
            send(&mut stream, second).await;
        }
        if request.finished {
            finish(&mut stream).await;
        }
        let mut answers = Vec::new();
        while answers.len() < request.answers {
            match answer::read(&mut stream, id).await? {
                Some(answer) => answers.push(answer),
                None => return Ok((answers, End::Closed)),
            }
            if client.stops(&answers) {
                return Ok((answers, leave(&mut stream, id).await));
            }
        }
        Ok((answers, go_on(&mut stream, id).await?))
    };
    timeout(PATIENCE, doing).await.context("Envoy is silent")?
}

/// After an announcement Envoy waits a second for the client to close, and so it does, but not before it
/// has asked once more. A reset is an end, too.
async fn leave(stream: &mut BufReader<TcpStream>, id: Id) -> End {
    ask_another(stream, id).await;
    finish(stream).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    End::Announced(rest)
}

async fn go_on(stream: &mut BufReader<TcpStream>, id: Id) -> Result<End> {
    ask_another(stream, id).await;
    let answer = answer::read(stream, id).await?;
    Ok(answer.map_or(End::Closed, End::Kept))
}

async fn ask_another(stream: &mut BufReader<TcpStream>, id: Id) {
    let another = format!("GET /{id}/another HTTP/1.1\r\nhost: x\r\n\r\n");
    send(stream, another.as_bytes()).await;
}

/// Envoy may have closed already: what it said before is still to be read.
async fn send(stream: &mut BufReader<TcpStream>, bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
}

async fn finish(stream: &mut BufReader<TcpStream>) {
    let _ = stream.shutdown().await;
}
