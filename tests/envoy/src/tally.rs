//! The observations of the clients: which backend responded when, and which requests failed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The responses that a group of clients got. Each names its backend by number.
pub struct Tally {
    start: Instant,
    backends: usize,
    observations: Mutex<Observations>,
}

#[derive(Default)]
struct Observations {
    responses: Vec<(Duration, usize)>,
    failed: u64,
    first_failure: Option<String>,
}

impl Tally {
    /// Starts the clock.
    pub fn new(backends: usize) -> Self {
        Self {
            start: Instant::now(),
            backends,
            observations: Mutex::default(),
        }
    }

    /// Counts one request: the text of a response starts with the number of its backend.
    pub fn count(&self, response: anyhow::Result<String>) {
        let now = self.start.elapsed();
        let mut observations = self.lock();
        match response.and_then(|text| self.backend(&text)) {
            Ok(backend) => observations.responses.push((now, backend)),
            Err(error) => {
                observations.failed += 1;
                observations
                    .first_failure
                    .get_or_insert(format!("after {now:.1?}: {error:#}"));
            }
        }
    }

    fn backend(&self, text: &str) -> anyhow::Result<usize> {
        let number = text
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        match number {
            Some(number) if number < self.backends => Ok(number),
            _ => anyhow::bail!("a response that names no backend: {text:?}"),
        }
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the requests with a response so far.
    pub fn responses(&self) -> usize {
        self.lock().responses.len()
    }

    /// Returns the failed requests so far.
    pub fn failed(&self) -> u64 {
        self.lock().failed
    }

    /// Returns the error of the first failed request, and when it failed.
    pub fn first_failure(&self) -> Option<String> {
        self.lock().first_failure.clone()
    }

    /// Returns the responses per backend since `from`.
    pub fn per_backend_since(&self, from: Duration) -> Vec<u64> {
        let mut counts = vec![0; self.backends];
        for (at, backend) in &self.lock().responses {
            if *at >= from {
                counts[*backend] += 1;
            }
        }
        counts
    }

    /// Returns the responses per backend in every complete `span` since the start.
    pub fn timeline(&self, span: Duration) -> Vec<Vec<u64>> {
        let observations = self.lock();
        let index = |at: &Duration| (at.as_millis() / span.as_millis()) as usize;
        let spans = observations
            .responses
            .iter()
            .map(|(at, _)| index(at))
            .max()
            .unwrap_or(0);
        let mut counts = vec![vec![0; self.backends]; spans];
        for (at, backend) in &observations.responses {
            // The last span ends early.
            if let Some(span) = counts.get_mut(index(at)) {
                span[*backend] += 1;
            }
        }
        counts
    }

    fn lock(&self) -> MutexGuard<'_, Observations> {
        self.observations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_counts_for_the_backend_it_names() {
        let tally = Tally::new(2);

        tally.count(Ok("1".to_owned()));
        tally.count(Ok("0 ping".to_owned()));
        tally.count(Ok("upstream connect error".to_owned()));
        tally.count(Ok("2".to_owned()));
        tally.count(Err(anyhow::anyhow!("reset")));

        assert_eq!(tally.per_backend_since(Duration::ZERO), [1, 1]);
        assert_eq!((tally.responses(), tally.failed()), (2, 3));
    }

    #[test]
    fn timeline_has_whole_spans_only() {
        let tally = Tally::new(2);
        let at = |ms, backend| (Duration::from_millis(ms), backend);
        tally
            .lock()
            .responses
            .extend([at(10, 0), at(90, 1), at(120, 1), at(250, 0)]);

        assert_eq!(tally.timeline(Duration::from_millis(100)), [[1, 1], [0, 1]]);
    }
}
