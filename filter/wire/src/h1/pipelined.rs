//! Complete requests that are pipelined after the active one (RFC 9112 9.3.2).
//!
//! When Envoy responds to a request by itself (a redirect, a direct response, a rate limit), it takes the next one
//! from its buffer in a loop that no filter sees, and the response is the first sign of that request. So the
//! complete requests in the buffer are scanned in advance.
use std::collections::VecDeque;

use super::body::{Body, Passed};
use super::buffered::BufferedBytes;
use super::bytes_at;
use super::head::MessageHead;
use super::requests::exchange;
use super::start_line::RequestLine;
use super::state::Exchange;
use crate::BypassReason;
use crate::source::Window;

/// The most requests that are scanned in advance. Further ones are scanned when Envoy hands them over again.
const MAX_PIPELINED: usize = 32;

/// A complete request in Envoy's buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PipelinedRequest {
    pub(super) exchange: Exchange,
    /// The bytes after it.
    pub(super) rest: BufferedBytes,
}

/// Scans the requests in `window` from offset `at`, up to the first that is incomplete, not understood or may
/// open a tunnel.
pub(super) fn scan_pipelined(
    window: &mut Window<'_>,
    at: usize,
) -> Result<VecDeque<PipelinedRequest>, BypassReason> {
    let mut pipelined = VecDeque::new();
    let mut at = at;
    while pipelined.len() < MAX_PIPELINED
        && let Some((exchange, end)) = scan_request(window, at)?
    {
        let rest = BufferedBytes::record(window, end)?;
        pipelined.push_back(PipelinedRequest { exchange, rest });
        at = end;
    }
    Ok(pipelined)
}

/// Scans the request at offset `at`. Returns it with the offset of its end.
fn scan_request(
    window: &mut Window<'_>,
    at: usize,
) -> Result<Option<(Exchange, usize)>, BypassReason> {
    let mut at = at;
    while at < window.len() && matches!(bytes_at(window, at)?.first(), Some(b'\r' | b'\n')) {
        at = at.saturating_add(1);
    }
    let mut head = MessageHead::<RequestLine>::default();
    while at < window.len() {
        let bytes = bytes_at(window, at)?;
        let length = bytes.len();
        // A request that is not understood is no error yet: Envoy may never take it.
        let Ok(end) = head.scan(bytes) else {
            return Ok(None);
        };
        at = at.saturating_add(end.unwrap_or(length));
        if end.is_none() {
            continue;
        }
        let Ok((exchange, length)) = exchange(&head) else {
            return Ok(None);
        };
        if exchange.offers_tunnel {
            return Ok(None);
        }
        return Ok(match Body::new(length) {
            None => Some((exchange, at)),
            Some(mut body) => match body.pass(head.fields(), window, at) {
                Ok(Passed::Message(end)) => Some((exchange, end)),
                Ok(Passed::All) | Err(_) => None,
            },
        });
    }
    Ok(None)
}
