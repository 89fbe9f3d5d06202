//! HTTP/2 by hyper, where a story needs more of it than the harness's client shows.

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

/// A connection, and what becomes of it in the end.
pub async fn connect(to: SocketAddr) -> (SendRequest<Body>, Task<hyper::Result<()>>) {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    // Hyper's own greeting would have the module wait for an answer that takes its time.
    let like_go = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size((1 << 30) + 65_535)
        .max_frame_size(16 << 10)
        .max_header_list_size(10 << 20)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = like_go.await.unwrap();
    (sender, Task::spawn(connection))
}

/// A connection with hyper's own greeting.
pub async fn connect_hyper(to: SocketAddr) -> (SendRequest<Body>, Task<hyper::Result<()>>) {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let handshake = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    (sender, Task::spawn(connection))
}

/// A request with a body, which may be empty.
pub fn request(to: SocketAddr, path: &str, body: Bytes) -> Request<Body> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{to}{path}"));
    request.body(Full::new(body).boxed_unsync()).unwrap()
}

/// The body and the trailers of the answer to a request.
pub async fn exchange(
    sender: &mut SendRequest<Body>,
    request: Request<Body>,
) -> hyper::Result<(Bytes, HeaderMap)> {
    let answer = sender.send_request(request).await?;
    let body = answer.into_body().collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    Ok((body.to_bytes(), trailers))
}
