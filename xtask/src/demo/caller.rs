//! The clients of the HTTP scenarios: each keeps its connection and sends requests with pauses.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_test_envoy::Client;
use tokio::sync::watch;
use tokio::time::sleep;

use super::tally::Tally;

/// Sends requests with random pauses until it is stopped.
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
        tally.count(client.get("/").await.map(|answer| answer.body));
    }
}
