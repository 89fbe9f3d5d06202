//! hyper 0.14: its client with a pool, shared by tasks.

use std::sync::Arc;

use bytes::Bytes;
use contract::{Args, BoxError, Protocol, is_tuned, run};
use http02::HeaderValue;
use hyper014::body::HttpBody;
use hyper014::client::HttpConnector;
use hyper014::{Body, Client, Request};

#[tokio::main]
async fn main() {
    let args = Args::parse(&[Protocol::H1, Protocol::H2]);
    let mut connector = HttpConnector::new();
    // Otherwise Nagle's algorithm delays the body of a POST over HTTP/2 by 40 milliseconds.
    connector.set_nodelay(true);
    let mut builder = Client::builder();
    builder.http2_only(args.protocol == Protocol::H2);
    if is_tuned() {
        builder
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(4 << 20);
    }
    let client = builder.build(connector);
    let report = run(args, client, send).await;
    report.print(&["hyper@0.14", "h2@0.3"], None);
}

async fn send(
    client: Client<HttpConnector, Body>,
    args: Arc<Args>,
    number: u64,
) -> Result<(), BoxError> {
    let content = Bytes::from(args.body(number));
    let body = if args.stream {
        Body::wrap_stream(tokio_stream::once(Ok::<_, BoxError>(content)))
    } else {
        Body::from(content)
    };
    let mut request = Request::builder()
        .method(args.method.as_str())
        .uri(args.url())
        .header("x-id", number);
    if args.trailers {
        // A server sends trailers only to a client that accepts them (RFC 9110, section 10.1.4).
        request = request.header("te", "trailers");
    }
    let mut response = client.request(request.body(body)?).await?;
    let mut content = Vec::new();
    while let Some(data) = response.data().await {
        content.extend_from_slice(&data?);
    }
    let trailers = response.trailers().await?;
    let end = trailers
        .as_ref()
        .and_then(|trailers| trailers.get("x-trailer"));
    args.check_trailer(end.map(HeaderValue::as_bytes))?;
    args.check(number, response.status().as_u16(), &content)
}
