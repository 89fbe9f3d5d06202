//! HTTP connections: drained with a response head or a GOAWAY, and never closed without one.

use evenkeel_policy::Rule;

use super::protocol::Behavior;
use crate::Instant;

#[derive(Debug, Default)]
pub(super) struct HttpState {
    /// When a stream, or an HTTP/1 exchange, last ended; HTTP/2: or when the client acknowledged that it has the response.
    pub(super) last_progress: Option<Instant>,
    /// When the last request came, if a drain was pending by then: only such requests are timed.
    pub(super) last_request: Option<Instant>,
}

impl Behavior for HttpState {
    /// Without a request there is no response that could carry a drain signal.
    fn is_selectable(&self, _: &Rule, requests: u64) -> bool {
        requests > 0
    }
}
