//! tonic: one Channel, shared by tasks, with bytes as messages.

use contract::BoxError;
use ::tonic;

#[path = "../calls.rs"]
mod calls;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    calls::run(&["tonic@0.14", "hyper@1", "h2@0.4"]).await
}
