//! Waiting for a condition.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Long enough for a busy machine with two cores.
const LIMIT: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(5);

/// Probes until the result is `Some`, and returns its content. A failed probe ends the wait: a request that was lost is
/// never retried.
///
/// # Errors
/// The error of the probe, or that `what` did not come within 30 seconds.
pub async fn eventually<T, Probed>(what: &str, mut probe: impl FnMut() -> Probed) -> Result<T>
where
    Probed: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    loop {
        if let Some(found) = probe()
            .await
            .with_context(|| format!("waiting for {what}"))?
        {
            return Ok(found);
        }
        if start.elapsed() > LIMIT {
            bail!("waited {LIMIT:?} in vain for {what}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn failed_probe_is_not_retried() {
        let probes = Cell::new(0);

        let waited: Result<()> = eventually("a response", || async {
            probes.set(probes.get() + 1);
            if probes.get() < 3 {
                return Ok(None);
            }
            bail!("the request was lost")
        })
        .await;

        let error = format!("{:#}", waited.unwrap_err());
        assert_eq!(error, "waiting for a response: the request was lost");
        assert_eq!(probes.get(), 3);
    }
}
