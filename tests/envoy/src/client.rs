//! An HTTP client with one connection.
//!
//! A failed request is never retried. Only a request that was not sent, because the connection had been closed or drained,
//! is sent on a new connection, as all clients do.
//!
//! HTTP/2 is on h2, with the settings of Go, and tolerates any GOAWAY. It is not on hyper: when a GOAWAY arrives after hyper
//! 1.12 has passed a request to h2 and before it polls h2 again, it reports the GOAWAY although the server has executed
//! the request.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use evenkeel_test_tasks::drive;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{TrySendError, http1};
use hyper::header::{HOST, HeaderMap};
use hyper::http::response::Parts;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

/// Bounds the reconnects to a server that closes every connection before the first request.
const CONNECTIONS_PER_REQUEST: u32 = 4;

/// The HTTP version of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: one request at a time (RFC 9112).
    Http1,
    /// HTTP/2 with prior knowledge: requests share the connection (RFC 9113, section 3.3).
    Http2,
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The HTTP version of the response.
    pub version: Version,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub body: String,
}

/// A client with one connection. Concurrent requests share it over HTTP/2, and wait for each other over HTTP/1.
#[derive(Debug)]
pub struct Client {
    target: SocketAddr,
    protocol: Protocol,
    pool: Mutex<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    connection: Option<Connection>,
    opened: u64,
}

#[derive(Debug)]
enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(h2::client::SendRequest<Bytes>),
}

impl Client {
    /// Returns an HTTP/1.1 client of `target`, which connects with its first request.
    pub fn http1(target: SocketAddr) -> Self {
        Self::new(target, Protocol::Http1)
    }

    /// Returns an HTTP/2 client of `target`, which connects with its first request.
    pub fn http2(target: SocketAddr) -> Self {
        Self::new(target, Protocol::Http2)
    }

    /// Returns a client of `target`, which connects with its first request.
    pub fn new(target: SocketAddr, protocol: Protocol) -> Self {
        Self {
            target,
            protocol,
            pool: Mutex::default(),
        }
    }

    /// Sends a GET; returns the response.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn get(&self, path: &str) -> Result<Response> {
        let uri = match self.protocol {
            Protocol::Http1 => path.to_owned(),
            Protocol::Http2 => format!("http://{}{path}", self.target),
        };
        self.send(Request::get(uri).body(Full::default())?).await
    }

    /// Sends a request; returns the response. An HTTP/1 request without `Host` gets that of the target.
    ///
    /// # Errors
    /// When the connection fails, or when the request was sent and its response is incomplete.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response> {
        if self.protocol == Protocol::Http1 && !request.headers().contains_key(HOST) {
            let host = self
                .target
                .to_string()
                .parse()
                .context("an address is a Host")?;
            request.headers_mut().insert(HOST, host);
        }
        for _ in 0..CONNECTIONS_PER_REQUEST {
            let copy = request.clone();
            match self.exchange(request).await {
                Ok(response) => return Ok(response),
                Err(Failure::Unsent) => request = copy,
                Err(Failure::Lost(error)) => return Err(error),
            }
        }
        bail!("{CONNECTIONS_PER_REQUEST} connections were closed before the request could be sent")
    }

    /// Closes the connection; the next request opens another one.
    pub async fn disconnect(&self) {
        self.pool.lock().await.connection = None;
    }

    /// Returns the number of connections so far.
    pub async fn connections_opened(&self) -> u64 {
        self.pool.lock().await.opened
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response, Failure> {
        let mut pool = self.pool.lock().await;
        match pool.ready(self.target, self.protocol).await? {
            Connection::Http1(sender) => {
                let response = sender.try_send_request(request).await?;
                // Under the lock: the connection is in use until the body ends.
                let (head, body) = response.into_parts();
                let body = body.collect().await.map_err(anyhow::Error::from)?;
                Ok(Response::new(head, &body.to_bytes()))
            }
            Connection::Http2(sender) => {
                let sender = sender.clone();
                drop(pool);
                over_http2(sender, request).await
            }
        }
    }
}

impl Pool {
    /// Returns the connection if it accepts a request, else a new one.
    async fn ready(&mut self, target: SocketAddr, protocol: Protocol) -> Result<&mut Connection> {
        let usable = match self.connection.take() {
            Some(mut connection) => connection.is_ready().await.then_some(connection),
            None => None,
        };
        let connection = match usable {
            Some(connection) => connection,
            None => {
                self.opened += 1;
                Connection::open(target, protocol).await?
            }
        };
        Ok(self.connection.insert(connection))
    }
}

impl Connection {
    async fn open(target: SocketAddr, protocol: Protocol) -> Result<Self> {
        let stream = TcpStream::connect(target)
            .await
            .with_context(|| format!("to {target}"))?;
        stream.set_nodelay(true)?;
        // Requests see how their connection ends.
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                drive(connection);
                Ok(Self::Http1(sender))
            }
            Protocol::Http2 => {
                let (sender, connection) = go_settings().handshake(stream).await?;
                drive(connection);
                Ok(Self::Http2(sender))
            }
        }
    }

    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.clone().ready().await.is_ok(),
        }
    }
}

/// The settings of Go's net/http.
fn go_settings() -> h2::client::Builder {
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(4 << 20)
        .initial_connection_window_size((1 << 30) + 65_535)
        .max_frame_size(16 << 10)
        .max_header_list_size(10 << 20);
    builder
}

async fn over_http2(
    sender: h2::client::SendRequest<Bytes>,
    request: Request<Full<Bytes>>,
) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await;
    let body = body.to_bytes();
    // Errors of these two calls are local: nothing was sent.
    let mut sender = sender.ready().await.map_err(|_| Failure::Unsent)?;
    let request = Request::from_parts(head, ());
    let sent = sender.send_request(request, body.is_empty());
    let (response, mut stream) = sent.map_err(|_| Failure::Unsent)?;
    if !body.is_empty() {
        stream.send_data(body, true)?;
    }
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(Response::new(head, &bytes))
}

impl Response {
    fn new(head: Parts, body: &[u8]) -> Self {
        Self {
            status: head.status.as_u16(),
            version: head.version,
            headers: head.headers,
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

/// Why there is no response, which decides whether the request may be sent again.
enum Failure {
    /// No byte of the request was sent.
    Unsent,
    /// The server may have executed the request.
    Lost(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<h2::Error> for Failure {
    fn from(error: h2::Error) -> Self {
        Self::Lost(error.into())
    }
}

impl From<TrySendError<Request<Full<Bytes>>>> for Failure {
    fn from(mut error: TrySendError<Request<Full<Bytes>>>) -> Self {
        match error.take_message() {
            Some(_) => Self::Unsent,
            None => Self::Lost(error.into_error().into()),
        }
    }
}
