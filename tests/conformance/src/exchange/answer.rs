//! An answer as it comes from the socket (RFC 9112, section 6.3).

use std::io::ErrorKind;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use crate::recorder::METHOD;
use crate::requests::Id;

/// Differ from answer to answer.
const ACCIDENTAL: [&str; 2] = ["date", "x-envoy-upstream-service-time"];

const CLOSE: (&str, &str) = ("connection", "close");

/// A final answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status lines of the interim answers before it.
    pub interim: Vec<String>,
    /// Its status line.
    pub status: String,
    /// Its fields in their order, in lower case, but for what differs from answer to answer.
    pub fields: Vec<(String, String)>,
    /// Its body, and its trailers if any; the id as the table has it.
    pub body: String,
    /// Its end came.
    pub whole: bool,
}

impl Answer {
    /// It says that the connection will be closed.
    pub fn closes(&self) -> bool {
        self.field(CLOSE.0) == Some(CLOSE.1)
    }

    /// The same without the word that the connection will be closed.
    pub fn without_announcement(mut self) -> Self {
        self.fields
            .retain(|(name, value)| (name.as_str(), value.as_str()) != CLOSE);
        self
    }

    /// The backend gave it, not Envoy.
    pub fn is_recorded(&self) -> bool {
        self.field(METHOD).is_some()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|field| field.0 == name)
            .map(|field| field.1.as_str())
    }

    fn is_interim(&self) -> bool {
        self.status.starts_with("HTTP/1.1 1")
    }
}

/// The next final answer; None when the connection ends before it begins.
pub(super) async fn read(stream: &mut BufReader<TcpStream>, id: Id) -> Result<Option<Answer>> {
    let mut interim = Vec::new();
    loop {
        let Some(mut answer) = head(stream).await? else {
            return Ok(None);
        };
        if answer.is_interim() {
            interim.push(answer.status);
            continue;
        }
        let mut body = Vec::new();
        answer.whole = read_body(stream, &answer, &mut body).await?;
        answer.body = id.hidden_in(&String::from_utf8_lossy(&body));
        answer.interim = interim;
        return Ok(Some(answer));
    }
}

async fn head(stream: &mut BufReader<TcpStream>) -> Result<Option<Answer>> {
    let Some(status) = line(stream).await? else {
        return Ok(None);
    };
    if !status.starts_with("HTTP/1.1 ") {
        bail!("no status line: {status:?}");
    }
    let mut answer = Answer {
        status,
        ..Answer::default()
    };
    while let Some(line) = line(stream).await?.filter(|line| !line.is_empty()) {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("no field line: {line:?}"))?;
        let name = name.to_ascii_lowercase();
        if !ACCIDENTAL.contains(&name.as_str()) {
            answer.fields.push((name, value.trim().to_owned()));
        }
    }
    Ok(Some(answer))
}

/// Whether the body came to its end.
async fn read_body(
    stream: &mut BufReader<TcpStream>,
    answer: &Answer,
    body: &mut Vec<u8>,
) -> Result<bool> {
    let none = ["HTTP/1.1 204", "HTTP/1.1 304"];
    if answer.field(METHOD) == Some("HEAD")
        || none.iter().any(|none| answer.status.starts_with(none))
    {
        return Ok(true);
    }
    if answer.field("transfer-encoding") == Some("chunked") {
        return chunks(stream, body).await;
    }
    match answer.field("content-length") {
        Some(length) => part(stream, length.parse()?, body).await,
        // Without a length it goes on to the end of the connection, and a reset is none.
        None => Ok(stream.read_to_end(body).await.is_ok()),
    }
}

async fn chunks(stream: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Result<bool> {
    loop {
        let Some(size) = line(stream).await? else {
            return Ok(false);
        };
        let size = usize::from_str_radix(&size, 16).with_context(|| format!("{size:?}"))?;
        if size == 0 {
            break;
        }
        if !part(stream, size, body).await? {
            return Ok(false);
        }
        match line(stream).await? {
            None => return Ok(false),
            Some(end) if end.is_empty() => {}
            Some(more) => bail!("a chunk is longer than it says, by {more:?}"),
        }
    }
    loop {
        match line(stream).await? {
            None => return Ok(false),
            Some(end) if end.is_empty() => return Ok(true),
            Some(trailer) => body.extend_from_slice(format!("\n{trailer}").as_bytes()),
        }
    }
}

async fn part(stream: &mut BufReader<TcpStream>, size: usize, body: &mut Vec<u8>) -> Result<bool> {
    let mut part = vec![0; size];
    let read = stream.read_exact(&mut part).await;
    body.append(&mut part);
    Ok(read.is_ok())
}

/// A line without its end; None at the end of the connection, however it came.
async fn line(stream: &mut BufReader<TcpStream>) -> Result<Option<String>> {
    let mut line = Vec::new();
    match stream.read_until(b'\n', &mut line).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(Some(String::from_utf8_lossy(line).into_owned())),
        None if line.is_empty() => Ok(None),
        None => bail!(
            "a line without its end: {:?}",
            line.escape_ascii().to_string()
        ),
    }
}
