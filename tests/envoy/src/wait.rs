//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Long enough for a busy machine of two cores; a condition that holds is seen within milliseconds.
const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(5);

/// Asks until the answer is `Some`, and returns what is in it.
///
/// # Errors
/// Names `what` was waited for when it did not come within 30 seconds.
pub async fn eventually<T, Asked>(what: &str, mut ask: impl FnMut() -> Asked) -> Result<T>
where
    Asked: Future<Output = Option<T>>,
{
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        if start.elapsed() > LIMIT {
            bail!("waited {LIMIT:?} in vain for {what}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
