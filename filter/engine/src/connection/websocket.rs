//! WebSockets: drained with a Close frame after a message, or closed after a long silence.

use core::time::Duration;

use evenkeel_policy::{CloseCode, Rule};

use super::Connection;
use super::protocol::Behavior;
use crate::Instant;
use crate::limits::Limits;

/// How long both sides may take to respond to a Close frame, where the rule has no `drain_timeout`.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct WebSocketState {
    /// When the client last sent a part of a message, or the WebSocket opened.
    pub(super) last_client_message: Instant,
}

impl Behavior for WebSocketState {
    fn applicable(&self, rule: &Rule, limits: Limits) -> Option<Limits> {
        // Messages are not requests.
        let applicable = Limits {
            requests: None,
            ..limits
        };
        (rule.websocket.close_code != CloseCode::Off).then_some(applicable)
    }

    fn is_selectable(&self, rule: &Rule, _: u64) -> bool {
        rule.websocket.close_code != CloseCode::Off
    }

    fn drain_timeout(&self, timeout: Option<Duration>) -> Option<Duration> {
        Some(timeout.unwrap_or(CLOSE_TIMEOUT))
    }

    /// After `websocket.idle_timeout`, but not before a rule that protects the WebSocket allows it.
    fn silent_close(&self, connection: &Connection, since: Instant) -> Option<Instant> {
        let rule = connection.rule()?;
        let last_activity = connection.delivery.last_activity;
        let idle = last_activity.max(since).after(rule.websocket.idle_timeout?);
        // Without a drain timeout a protected request holds the connection until it ends, which reschedules.
        let protected = connection.open_requests.protected_until(since)?;
        let close = idle.max(protected);
        Some(connection.delivery.earliest_close(close, last_activity))
    }
}
