//! Whole requests that wait behind the one in hand.
//!
//! When Envoy answers a request by itself (a redirect, a direct response, a rate limit), it takes the next one
//! from its buffer in a loop that no filter sees. Its response is then the first sign of that. So what waits
//! is scanned ahead, as far as it is whole.
use std::collections::VecDeque;

use super::body::{Body, Passed};
use super::head::MessageHead;
use super::leftover::Leftover;
use super::start_line::RequestLine;
use super::state::Exchange;
use super::{exchange, look};
use crate::source::Window;
use crate::{BypassReason, ByteSource};

/// The most requests that are scanned ahead: more wait unseen, until they have their turn.
const MAX_WAITING: usize = 32;

/// A request that has arrived whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) exchange: Exchange,
    /// What lies behind it.
    pub(super) rest: Leftover,
}

/// The requests that lie in `window` from offset `at`, up to the first that is not whole, is not understood
/// or may become a tunnel.
pub(super) fn scan_ahead(
    window: &mut Window<'_, impl ByteSource>,
    at: usize,
) -> Result<VecDeque<Waiting>, BypassReason> {
    let mut waiting = VecDeque::new();
    let mut at = at;
    while waiting.len() < MAX_WAITING
        && let Some((exchange, end)) = request(window, at)?
    {
        let rest = Leftover::take(window, end)?;
        waiting.push_back(Waiting { exchange, rest });
        at = end;
    }
    Ok(waiting)
}

/// The request that begins at offset `at`, and where it ends.
fn request(
    window: &mut Window<'_, impl ByteSource>,
    at: usize,
) -> Result<Option<(Exchange, usize)>, BypassReason> {
    let mut at = at;
    while at < window.len() && matches!(look(window, at)?.first(), Some(b'\r' | b'\n')) {
        at = at.saturating_add(1);
    }
    let mut head = MessageHead::<RequestLine>::default();
    while at < window.len() {
        let bytes = look(window, at)?;
        let length = bytes.len();
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
            Some(mut body) => match body.pass(window, at) {
                Ok(Passed::Message(end)) => Some((exchange, end)),
                Ok(Passed::All) | Err(_) => None,
            },
        });
    }
    Ok(None)
}
