//! An HTTP/2 client on hyper, for stories that need trailers or the end of the connection.

use std::net::SocketAddr;

use bytes::Bytes;
use evenkeel_test_tasks::Task;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

pub type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// Opens a connection with the settings of Go; returns its outcome, too.
pub async fn connect(to: SocketAddr) -> (SendRequest<Body>, Task<hyper::Result<()>>) {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    // The module drains a client that it recognizes as hyper behind slow responses only.
    let like_go = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size((1 << 30) + 65_535)
        .max_frame_size(16 << 10)
        .max_header_list_size(10 << 20)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = like_go.await.unwrap();
    (sender, Task::spawn(connection))
}

/// Opens a connection with hyper's own settings; returns its outcome, too.
pub async fn connect_hyper(to: SocketAddr) -> (SendRequest<Body>, Task<hyper::Result<()>>) {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let handshake = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    (sender, Task::spawn(connection))
}

/// Returns a GET, or a POST with this body.
pub fn request(to: SocketAddr, path: &str, body: Bytes) -> Request<Body> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{to}{path}"));
    request.body(Full::new(body).boxed_unsync()).unwrap()
}

/// Sends a request; returns the body and the trailers of the response.
pub async fn exchange(
    sender: &mut SendRequest<Body>,
    request: Request<Body>,
) -> hyper::Result<(Bytes, HeaderMap)> {
    let response = sender.send_request(request).await?;
    let body = response.into_body().collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok((body.to_bytes(), trailers))
}
