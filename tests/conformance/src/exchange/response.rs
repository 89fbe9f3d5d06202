//! A response as read from the socket (RFC 9112, section 6.3).

use std::io::ErrorKind;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use crate::recorder::METHOD;
use crate::requests::Id;

/// Fields that differ between responses.
const ACCIDENTAL: [&str; 2] = ["date", "x-envoy-upstream-service-time"];

const CLOSE: (&str, &str) = ("connection", "close");

/// A final response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status lines of the interim responses before it.
    pub interim: Vec<String>,
    /// Its status line.
    pub status: String,
    /// Its fields in order, in lower case, without those that differ between responses.
    pub fields: Vec<(String, String)>,
    /// Its body and trailers, with the id as in the table.
    pub body: String,
    /// It is complete.
    pub is_complete: bool,
}

impl Response {
    /// Returns whether it has `connection: close`.
    pub fn closes(&self) -> bool {
        self.field(CLOSE.0) == Some(CLOSE.1)
    }

    /// Returns it without `connection: close`.
    pub fn without_close(mut self) -> Self {
        self.fields
            .retain(|(name, value)| (name.as_str(), value.as_str()) != CLOSE);
        self
    }

    /// Returns whether it is of the backend, not of Envoy.
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

/// Reads the next final response; None when the connection is closed before it.
pub(super) async fn read(stream: &mut BufReader<TcpStream>, id: Id) -> Result<Option<Response>> {
    let mut interim = Vec::new();
    loop {
        let Some(mut response) = head(stream).await? else {
            return Ok(None);
        };
        if response.is_interim() {
            interim.push(response.status);
            continue;
        }
        let mut body = Vec::new();
        response.is_complete = read_body(stream, &response, &mut body).await?;
        response.body = id.hidden_in(&String::from_utf8_lossy(&body));
        response.interim = interim;
        return Ok(Some(response));
    }
}

async fn head(stream: &mut BufReader<TcpStream>) -> Result<Option<Response>> {
    let Some(status) = line(stream).await? else {
        return Ok(None);
    };
    if !status.starts_with("HTTP/1.1 ") {
        bail!("no status line: {status:?}");
    }
    let mut response = Response {
        status,
        ..Response::default()
    };
    while let Some(line) = line(stream).await?.filter(|line| !line.is_empty()) {
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("no field line: {line:?}"))?;
        let name = name.to_ascii_lowercase();
        if !ACCIDENTAL.contains(&name.as_str()) {
            response.fields.push((name, value.trim().to_owned()));
        }
    }
    Ok(Some(response))
}

/// Reads the body; returns whether it is complete.
async fn read_body(
    stream: &mut BufReader<TcpStream>,
    response: &Response,
    body: &mut Vec<u8>,
) -> Result<bool> {
    let none = ["HTTP/1.1 204", "HTTP/1.1 304"];
    if response.field(METHOD) == Some("HEAD")
        || none.iter().any(|none| response.status.starts_with(none))
    {
        return Ok(true);
    }
    if response.field("transfer-encoding") == Some("chunked") {
        return chunks(stream, body).await;
    }
    match response.field("content-length") {
        Some(length) => part(stream, length.parse()?, body).await,
        // Without a length, only a FIN completes it, not a RST.
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
            Some(more) => bail!("a chunk is longer than its size, by {more:?}"),
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

/// Reads a line without its end; None when the connection is closed or reset.
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
