//! tonic 0.11, the last one on hyper 0.14: one Channel, shared by tasks, with bytes as messages.

use contract::BoxError;
use tonic011 as tonic;

#[path = "../calls.rs"]
mod calls;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    calls::run(&["tonic@0.11", "hyper@0.14", "h2@0.3"]).await
}
