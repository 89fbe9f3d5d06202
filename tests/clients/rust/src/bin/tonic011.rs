//! tonic 0.11, the last one on hyper 0.14: one Channel, shared by tasks, with bytes as messages.

use std::sync::Arc;

use contract::{Args, BoxError, Protocol, is_tuned, run};
use tonic011 as tonic;

#[path = "../calls.rs"]
mod calls;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args = Arc::new(Args::parse(&[Protocol::Grpc]));
    let mut endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", args.address))?;
    if is_tuned() {
        endpoint = endpoint
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
    }
    let channel = endpoint.connect().await?;
    let shared = Arc::clone(&args);
    let report = run(&args, move |number| {
        let (channel, args) = (channel.clone(), Arc::clone(&shared));
        async move { calls::send(channel, &args, number).await }
    })
    .await;
    report.print(&["tonic@0.11", "hyper@0.14", "h2@0.3"], None);
    Ok(())
}
