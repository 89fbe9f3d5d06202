//! reqwest 0.11, the last one on hyper 0.14: one Client, shared by tasks.

use std::sync::Arc;

use contract::{Args, BoxError, Protocol, is_tuned, run};
use reqwest011::{Body, Client, Error, Method};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args = Args::parse(&[Protocol::H1, Protocol::H2]);
    let mut builder = Client::builder().no_proxy();
    builder = match args.protocol {
        Protocol::H2 => builder.http2_prior_knowledge(),
        _ => builder.http1_only(),
    };
    if is_tuned() {
        builder = builder
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(4 << 20);
    }
    let client = builder.build()?;
    let report = run(args, client, send).await;
    report.print(&["reqwest@0.11", "hyper@0.14", "h2@0.3"], None);
    Ok(())
}

async fn send(client: Client, args: Arc<Args>, number: u64) -> Result<(), BoxError> {
    if args.trailers {
        contract::does_not_apply("it shows no trailers");
    }
    let method: Method = args.method.parse()?;
    let mut request = client.request(method, args.url()).header("x-id", number);
    let body = args.body(number);
    if args.stream {
        let chunks = tokio_stream::once(Ok::<_, BoxError>(body));
        request = request.body(Body::wrap_stream(chunks));
    } else if !body.is_empty() {
        request = request.body(body);
    }
    // Without the URL, equal errors have equal texts.
    let response = request.send().await.map_err(Error::without_url)?;
    let status = response.status().as_u16();
    let content = response.bytes().await.map_err(Error::without_url)?;
    args.check(number, status, &content)
}
