//! reqwest: one Client, shared by tasks, with the retries that it comes with.

use std::sync::Arc;

use contract::{Args, BoxError, Opened, Protocol, is_tuned, run};
use http_body_util::BodyExt;
use tower::util::MapResponseLayer;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args = Args::parse(&[Protocol::H1, Protocol::H2]);
    let opened = Opened::default();
    let counter = opened.clone();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .connector_layer(MapResponseLayer::new(move |connection| {
            counter.count();
            connection
        }));
    let builder = match args.protocol {
        Protocol::H2 => builder.http2_prior_knowledge(),
        _ => builder.http1_only(),
    };
    let builder = if is_tuned() {
        builder
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(4 << 20)
            .http2_max_header_list_size(32 << 10)
    } else {
        builder
    };
    let client = builder.build()?;
    let report = run(args, client, send).await;
    report.print(&["reqwest@0.13", "hyper@1", "h2@0.4"], Some(opened.get()));
    Ok(())
}

async fn send(
    client: reqwest::Client,
    args: Arc<Args>,
    number: u64,
) -> Result<(), BoxError> {
    let mut request = client
        .request(args.method.parse()?, args.url())
        .headers(args.headers(number));
    let body = args.body(number);
    if args.stream {
        let chunks = tokio_stream::once(Ok::<_, BoxError>(body));
        request = request.body(reqwest::Body::wrap_stream(chunks));
    } else if !body.is_empty() {
        request = request.body(body);
    }
    // Without the URL, equal errors have equal texts.
    let response = request.send().await.map_err(reqwest::Error::without_url)?;
    let status = response.status().as_u16();
    let content = reqwest::Body::from(response).collect().await?;
    args.check_trailers(content.trailers())?;
    args.check(number, status, &content.to_bytes())
}
