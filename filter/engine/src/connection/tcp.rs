//! Raw TCP: no drain signal exists, so connections are closed while they are idle.

use core::time::Duration;

use evenkeel_policy::Rule;

use super::Connection;
use super::life::Protocol;
use crate::Instant;

/// How long a connection must be silent to be closed between two requests of its client, where the rule has no
/// `drain_timeout`.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct TcpLife;

impl TcpLife {
    /// The server sent the last bytes, `idle_time` ago.
    fn is_idle(connection: &Connection, rule: &Rule, now: Instant) -> bool {
        let delivery = &connection.delivery;
        now.since(delivery.last_activity) >= rule.idle_time && !delivery.awaits_response
    }
}

impl Protocol for TcpLife {
    fn selection_rank(&self, connection: &Connection, _: Instant) -> u8 {
        u8::from(connection.delivery.awaits_response)
    }

    /// A pause of unknown length may end with the next request while the close is on its way. So only the idle time
    /// after a response that came while the drain was pending is safe, or a silence as long as [`IDLE`].
    fn silent_close(
        &self,
        connection: &Connection,
        rule: &Rule,
        since: Instant,
    ) -> Option<Instant> {
        let delivery = &connection.delivery;
        let last = delivery.last_activity;
        let idle = delivery.earliest_close(last.after(rule.idle_time), last);
        let has_responded = !delivery.awaits_response && last > since;
        let Some(timeout) = rule.drain_timeout else {
            return match delivery.awaits_response {
                // The response, when it comes, reschedules.
                true => None,
                false if has_responded => Some(idle),
                false => Some(idle.max(since.after(IDLE))),
            };
        };
        let over = since.after(timeout);
        // What was sent before the timeout is delivered; what is sent from then on is aborted.
        let forced = delivery.earliest_close(over, over.min(last));
        Some(if has_responded {
            idle.min(forced)
        } else {
            forced
        })
    }

    fn aborted_by_silent_close(&self, connection: &Connection, now: Instant) -> u32 {
        let rule = connection.rule();
        let is_idle = rule.is_some_and(|rule| Self::is_idle(connection, rule, now));
        u32::from(!is_idle)
    }

    fn reschedules_on_write(&self) -> bool {
        true
    }
}
