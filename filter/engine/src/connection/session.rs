//! Databases and brokers: closed where the protocol shows that the client loses nothing. None of their protocols has a
//! drain signal that clients handle better than the end of the connection.

use core::time::Duration;

use evenkeel_policy::{ProtocolSetting, Rule};
use evenkeel_wire::tcp::{PinReason, SessionState, TcpProtocol, UnsafeReason};

use super::Connection;
use super::draining::earlier;
use super::protocol::Behavior;
use crate::limits::Limits;
use crate::{DeferReason, Effect, Instant};

/// NATS clients wait this long before they reconnect to the server of their last attempt (`reconnect_time_wait`). Without
/// this minimum age, a client that is closed right after its reconnect has no connection for that time.
const NATS_RECONNECT_WAIT: Duration = Duration::from_secs(2);

/// Returns the protocol that a rule states; None if the rule detects it, or is for raw TCP.
pub const fn stated_protocol(setting: ProtocolSetting) -> Option<TcpProtocol> {
    match setting {
        ProtocolSetting::Auto | ProtocolSetting::Raw => None,
        ProtocolSetting::PostgreSql => Some(TcpProtocol::PostgreSql),
        ProtocolSetting::MySql => Some(TcpProtocol::MySql),
        ProtocolSetting::Redis => Some(TcpProtocol::Redis),
        ProtocolSetting::Nats => Some(TcpProtocol::Nats),
        ProtocolSetting::Mqtt => Some(TcpProtocol::Mqtt),
        ProtocolSetting::Amqp => Some(TcpProtocol::Amqp),
    }
}

#[derive(Debug)]
pub(super) struct TrackedSession {
    protocol: TcpProtocol,
    state: SessionState,
    /// Why the session was pinned when nothing was last in flight: it still is while something is.
    pinned: Option<PinReason>,
}

impl TrackedSession {
    pub(super) fn new(protocol: TcpProtocol) -> Self {
        Self {
            protocol,
            state: SessionState::Unsafe(UnsafeReason::Handshake),
            pinned: None,
        }
    }

    pub(super) fn protocol(&self) -> TcpProtocol {
        self.protocol
    }

    pub(super) fn record(&mut self, state: SessionState) {
        self.state = state;
        match state {
            SessionState::Pinned(reason) => self.pinned = Some(reason),
            SessionState::Safe | SessionState::SafeWhenIdle => self.pinned = None,
            SessionState::Unsafe(_) | SessionState::Bypassed(_) => {}
        }
    }

    /// False if the rule of a changed policy states another protocol.
    fn matches_rule(&self, rule: &Rule) -> bool {
        let stated = stated_protocol(rule.tcp.protocol);
        stated.is_none_or(|stated| stated == self.protocol)
    }

    /// Why the rule keeps the connection open.
    fn pin(&self, rule: &Rule) -> Option<PinReason> {
        self.pinned.filter(|_| rule.tcp.pins_sessions())
    }

    /// How long no byte must have passed for a safe point; None where something is in flight.
    fn idle_time(&self, rule: &Rule) -> Option<Duration> {
        match self.state {
            SessionState::Safe => Some(rule.tcp.idle_time.unwrap_or_default()),
            SessionState::SafeWhenIdle | SessionState::Pinned(_) => {
                Some(rule.tcp.session_idle_time())
            }
            SessionState::Unsafe(_) | SessionState::Bypassed(_) => None,
        }
    }

    /// The connection must not be closed before this age.
    fn min_age(&self) -> Duration {
        match self.protocol {
            TcpProtocol::Nats => NATS_RECONNECT_WAIT,
            _ => Duration::ZERO,
        }
    }
}

impl Behavior for TrackedSession {
    fn applicable(&self, rule: &Rule, limits: Limits) -> Option<Limits> {
        self.matches_rule(rule).then_some(limits)
    }

    fn is_selectable(&self, rule: &Rule, _: u64) -> bool {
        self.matches_rule(rule) && self.pin(rule).is_none()
    }

    fn selection_rank(&self, _: &Connection, _: Instant) -> u8 {
        u8::from(matches!(self.state, SessionState::Unsafe(_)))
    }

    /// A tick closes, never the write that carries a response. What the client sends before it sees the close is not
    /// executed ([`Connection::record_read`]), so unlike raw TCP no response must have come since the drain is pending.
    fn silent_close(&self, connection: &Connection, since: Instant) -> Option<Instant> {
        let rule = connection.rule()?;
        if self.pin(rule).is_some() {
            return None;
        }
        let delivery = &connection.delivery;
        let last = delivery.last_activity;
        let safe = self.idle_time(rule).map(|idle| {
            let old_enough = connection.opened.after(self.min_age());
            delivery.earliest_close(last.after(idle).max(old_enough), last)
        });
        let forced = rule.drain_timeout.filter(|_| rule.tcp.aborts_sessions());
        let forced = forced.map(|timeout| {
            let over = since.after(timeout);
            delivery.earliest_close(over, over.min(last))
        });
        earlier(safe, forced)
    }

    fn deferral(&self, connection: &Connection) -> Option<Effect> {
        let rule = connection.rule()?;
        let is_aborted = rule.drain_timeout.is_some() && rule.tcp.aborts_sessions();
        if let Some(reason) = self.pin(rule) {
            return Some(Effect::Pinned(connection.id, reason));
        }
        let reason = match self.state {
            SessionState::Bypassed(_) => return None,
            SessionState::Unsafe(reason) => DeferReason::InFlight(reason),
            SessionState::Safe | SessionState::SafeWhenIdle | SessionState::Pinned(_) => {
                DeferReason::NotIdle
            }
        };
        (!is_aborted).then_some(Effect::Deferred(connection.id, reason))
    }

    fn aborted_by_silent_close(&self, _: &Connection, _: Instant) -> u32 {
        u32::from(matches!(self.state, SessionState::Unsafe(_)))
    }
}
