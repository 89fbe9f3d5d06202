//! What differs between the protocols of a connection.

use core::time::Duration;

use evenkeel_policy::Rule;

use super::Connection;
use super::http::HttpState;
use super::session::TrackedSession;
use super::tcp::RawTcpState;
use super::websocket::WebSocketState;
use crate::limits::Limits;
use crate::{Effect, Instant};

/// The protocol of a connection, with what is known only of connections of this protocol.
#[derive(Debug)]
pub(super) enum ProtocolState {
    /// HTTP/1 or HTTP/2: the two differ only in their drain points and drain signals.
    Http(HttpState),
    WebSocket(WebSocketState),
    /// A database or broker.
    Session(TrackedSession),
    Tcp(RawTcpState),
}

impl ProtocolState {
    pub(super) fn behavior(&self) -> &dyn Behavior {
        match self {
            Self::Http(state) => state,
            Self::WebSocket(state) => state,
            Self::Session(state) => state,
            Self::Tcp(state) => state,
        }
    }

    /// Raw TCP, or a database or broker: rules for TCP apply.
    pub(super) fn is_tcp(&self) -> bool {
        matches!(self, Self::Session(_) | Self::Tcp(_))
    }

    pub(super) fn http_mut(&mut self) -> Option<&mut HttpState> {
        match self {
            Self::Http(state) => Some(state),
            Self::WebSocket(_) | Self::Session(_) | Self::Tcp(_) => None,
        }
    }
}

/// How the connections of a protocol expire, drain and close. What is not overridden is HTTP's.
pub(super) trait Behavior {
    /// The part of a rule's limits that applies; None where the rule leaves such connections alone.
    fn applicable(&self, _rule: &Rule, limits: Limits) -> Option<Limits> {
        Some(limits)
    }

    /// Rebalancing may select the connection.
    fn is_selectable(&self, _rule: &Rule, _requests: u64) -> bool {
        true
    }

    /// The order of selection: connections of a lower rank lose less by a drain, or reach a safe point sooner.
    fn selection_rank(&self, connection: &Connection, now: Instant) -> u8 {
        connection.rank_by_activity(now)
    }

    /// How long after the drain signal requests may take, where their rules give `timeout`.
    fn drain_timeout(&self, timeout: Option<Duration>) -> Option<Duration> {
        timeout
    }

    /// When a connection whose drain is pending `since` then is closed without a drain signal, if nothing more happens
    /// on it. Never, where the protocol has no safe point outside of a write.
    fn silent_close(&self, _connection: &Connection, _since: Instant) -> Option<Instant> {
        None
    }

    /// Reports when its drain timeout ends why a connection whose drain is pending has no safe point. None where drain
    /// points report that, or where it is closed at that time.
    fn deferral(&self, _connection: &Connection) -> Option<Effect> {
        None
    }

    /// The requests that this close aborts.
    fn aborted_by_silent_close(&self, _connection: &Connection, _now: Instant) -> u32 {
        0
    }
}
