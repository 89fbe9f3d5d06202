//! hyper: its client with a pool, from hyper-util, shared by tasks.

use std::sync::Arc;

use bytes::Bytes;
use contract::{Args, BoxError, Opened, Protocol, is_tuned, run};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Request;
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::ServiceExt;

#[tokio::main]
async fn main() {
    let args = Args::parse(&[Protocol::H1, Protocol::H2]);
    let opened = Opened::default();
    let counter = opened.clone();
    let mut connector = HttpConnector::new();
    // Otherwise Nagle's algorithm delays the body of a POST over HTTP/2 by 40 milliseconds.
    connector.set_nodelay(true);
    let connector = connector.map_response(move |connection| {
        counter.count();
        connection
    });
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(args.protocol == Protocol::H2);
    if is_tuned() {
        builder
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(4 << 20)
            .http2_max_header_list_size(32 << 10);
    }
    let client = builder.build(connector);
    let report = run(args, client, send).await;
    report.print(&["hyper-util@0", "hyper@1", "h2@0.4"], Some(opened.get()));
}

async fn send(
    client: Client<impl Connect + Clone + Send + Sync + 'static, BoxBody<Bytes, BoxError>>,
    args: Arc<Args>,
    number: u64,
) -> Result<(), BoxError> {
    let mut request = Request::builder()
        .method(args.method.as_str())
        .uri(args.url())
        .body(body(&args, number))?;
    *request.headers_mut() = args.headers(number);
    let response = client.request(request).await?;
    let status = response.status().as_u16();
    let content = response.into_body().collect().await?;
    args.check_trailers(content.trailers())?;
    args.check(number, status, &content.to_bytes())
}

fn body(args: &Args, number: u64) -> BoxBody<Bytes, BoxError> {
    let content = Bytes::from(args.body(number));
    if args.stream {
        let frames = tokio_stream::once(Ok(Frame::data(content)));
        BodyExt::boxed(StreamBody::new(frames))
    } else {
        Full::from(content).map_err(Into::into).boxed()
    }
}
