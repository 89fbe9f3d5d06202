//! Raw TCP: no drain signal exists, so connections are closed while they are idle.

use core::time::Duration;

use evenkeel_policy::{ProtocolSetting, Rule};

use super::Connection;
use super::protocol::Behavior;
use crate::limits::Limits;
use crate::{DeferReason, Effect, Instant};

/// How long a connection must be silent to be closed between two requests of its client, where the rule has no
/// `drain_timeout`.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct RawTcpState {
    /// Neither the first bytes nor the port belong to a database or broker.
    pub(super) is_known_raw: bool,
}

impl RawTcpState {
    /// False if the rule of a changed policy is for a protocol: the connection was not scanned from its first byte, so
    /// nothing shows whether a transaction is open on it.
    fn matches_rule(&self, rule: &Rule) -> bool {
        match rule.tcp.protocol {
            ProtocolSetting::Raw => true,
            ProtocolSetting::Auto => self.is_known_raw,
            _ => false,
        }
    }

    /// The server sent the last bytes, `idle_time` ago.
    fn is_idle(connection: &Connection, rule: &Rule, now: Instant) -> bool {
        let delivery = &connection.delivery;
        now.since(delivery.last_activity) >= rule.tcp.raw_idle_time() && !delivery.awaits_response
    }
}

impl Behavior for RawTcpState {
    fn applicable(&self, rule: &Rule, limits: Limits) -> Option<Limits> {
        self.matches_rule(rule).then_some(limits)
    }

    fn is_selectable(&self, rule: &Rule, _: u64) -> bool {
        self.matches_rule(rule)
    }

    fn selection_rank(&self, connection: &Connection, _: Instant) -> u8 {
        u8::from(connection.delivery.awaits_response)
    }

    /// A pause of unknown length may end with the next request while the close is on its way. So only the idle time
    /// after a response that came while the drain was pending is safe, or a silence as long as [`IDLE`].
    fn silent_close(&self, connection: &Connection, since: Instant) -> Option<Instant> {
        let rule = connection.rule()?;
        let delivery = &connection.delivery;
        let last = delivery.last_activity;
        let idle = delivery.earliest_close(last.after(rule.tcp.raw_idle_time()), last);
        let has_responded = !delivery.awaits_response && last > since;
        let Some(timeout) = rule.drain_timeout.filter(|_| rule.tcp.aborts_raw()) else {
            return match delivery.awaits_response {
                // The response, when it comes, reschedules.
                true => None,
                false if has_responded => Some(idle),
                false => Some(idle.max(since.after(rule.drain_timeout.unwrap_or(IDLE)))),
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

    fn deferral(&self, connection: &Connection) -> Option<Effect> {
        let rule = connection.rule()?;
        let is_aborted = rule.drain_timeout.is_some() && rule.tcp.aborts_raw();
        (!is_aborted).then_some(Effect::Deferred(connection.id, DeferReason::NotIdle))
    }

    fn aborted_by_silent_close(&self, connection: &Connection, now: Instant) -> u32 {
        let rule = connection.rule();
        let is_idle = rule.is_some_and(|rule| Self::is_idle(connection, rule, now));
        u32::from(!is_idle)
    }
}
