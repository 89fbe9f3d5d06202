//! A caller: a client that keeps its connection and sends requests with pauses.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::{Client, Tally};

/// Sends requests until it is `stopped`, with random pauses of 0.5 to 1.5 times `pause`.
pub async fn call(
    client: Arc<Client>,
    tally: Arc<Tally>,
    pause: Duration,
    seed: u64,
    stopped: watch::Receiver<bool>,
) {
    let mut chance = fastrand::Rng::with_seed(seed);
    while !*stopped.borrow() {
        sleep(pause.mul_f64(0.5 + chance.f64())).await;
        tally.count(client.get("/").await.map(|response| response.body));
    }
}
