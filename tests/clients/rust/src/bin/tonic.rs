//! tonic: one Channel, shared by tasks, with bytes as messages.

use std::sync::Arc;

use ::tonic;
use contract::{Args, BoxError, Protocol, is_tuned, run};

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
    report.print(&["tonic@0.14", "hyper@1", "h2@0.4"], None);
    Ok(())
}
