//! What differs between the protocols of a connection.

use core::time::Duration;

use evenkeel_policy::Rule;
use evenkeel_wire::tcp::PinReason;

use super::Connection;
use super::http::HttpState;
use super::session::TrackedSession;
use super::tcp::RawTcpState;
use super::websocket::WebSocketState;
use crate::limits::Limits;
use crate::safe_point::SafePointCheck;
use crate::{DeferReason, Instant};

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

    pub(super) fn http(&self) -> Option<&HttpState> {
        match self {
            Self::Http(state) => Some(state),
            Self::WebSocket(_) | Self::Session(_) | Self::Tcp(_) => None,
        }
    }

    pub(super) fn http_mut(&mut self) -> Option<&mut HttpState> {
        match self {
            Self::Http(state) => Some(state),
            Self::WebSocket(_) | Self::Session(_) | Self::Tcp(_) => None,
        }
    }
}

/// Why a pending drain has to wait, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deferral {
    Deferred(DeferReason),
    Pinned(PinReason),
}

/// How the connections of a protocol expire, drain and close. What is not overridden is HTTP's.
pub(super) trait Behavior {
    /// The part of a rule's limits that applies; None where the rule leaves such connections alone.
    fn applicable(&self, _rule: &Rule, limits: Limits) -> Option<Limits> {
        Some(limits)
    }

    /// The connection has the same upstream host for as long as it is open.
    fn stays_with_host(&self) -> bool {
        true
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
    fn silent_close(
        &self,
        _connection: &Connection,
        _rule: &Rule,
        _since: Instant,
    ) -> Option<Instant> {
        None
    }

    /// Why a connection whose drain is pending has no safe point, to be counted when its drain timeout ends. None where
    /// drain points count that, or where it is closed at that time.
    fn deferral(&self, _connection: &Connection, _rule: &Rule) -> Option<Deferral> {
        None
    }

    /// The requests that this close aborts.
    fn aborted_by_silent_close(&self, _connection: &Connection, _now: Instant) -> u32 {
        0
    }

    /// A client of this protocol expects a notice before the close.
    fn expects_notice(&self) -> bool {
        false
    }

    /// Bytes of the client change when a connection whose drain is pending may be closed.
    fn reschedules_on_read(&self) -> bool {
        false
    }

    /// A write changes when the connection may be closed.
    fn reschedules_on_write(&self) -> bool {
        false
    }

    /// Adds what only this protocol knows to what a decision depends on.
    fn add_to_check(&self, _check: &mut SafePointCheck<'_>, _active: u32) {}
}
