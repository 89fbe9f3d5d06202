//! How far the drain of a connection has come.

use super::delivery::{Reaction, SentSignal};
use crate::{DrainReason, Instant};

/// The state of a connection's drain.
///
/// ```text
///            limit reached, or selected        safe point, and budget
///   Serving ────────────────────────────▶ Pending ──────────────────────▶ Draining ◀─┐ request that
///      ▲                                    │                             │      └───┘ was in transit
///      │ dry run: counted only              │ TCP, WebSocket:             │ no request active and `close_delay` over,
///      └────────────────────────────────────┤ idle long enough            │ or `drain_timeout` over
///                                           ▼                             ▼
///                                        Closing ◀────────────────────────┘
/// ```
///
/// A connection leaves `Bypassed` and `DrainedByProxy` only by closing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DrainState {
    /// No limit is reached.
    Serving,
    /// The connection must drain at its next safe point.
    Pending(PendingDrain),
    /// The client was sent a drain signal.
    Draining(SignaledDrain),
    /// The host was asked to close the connection.
    Closing(DrainReason),
    /// The bytes are not understood or not ours: nothing is ever changed.
    Bypassed,
    /// The proxy itself drains the connection: nothing is left to do.
    DrainedByProxy,
}

/// A connection that has expired or was selected, and what it has waited for since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingDrain {
    pub(super) reason: DrainReason,
    pub(super) since: Instant,
    /// It had a safe point, and the rate of rebalancing did not allow its drain.
    pub(super) is_queued: bool,
    /// It had a safe point, and the budget did not allow its drain.
    pub(super) budget_exhausted: bool,
    pub(super) is_deferred: bool,
}

/// A drain whose signal was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignaledDrain {
    pub(super) reason: DrainReason,
    pub(super) since: Instant,
    /// When the last request ended; None while one is active.
    pub(super) idle_since: Option<Instant>,
    pub(super) reaction: Reaction,
}

impl DrainState {
    pub(super) fn pending(&self) -> Option<&PendingDrain> {
        match self {
            Self::Pending(pending) => Some(pending),
            _ => None,
        }
    }

    pub(super) fn pending_mut(&mut self) -> Option<&mut PendingDrain> {
        match self {
            Self::Pending(pending) => Some(pending),
            _ => None,
        }
    }
}

impl PendingDrain {
    pub(super) fn new(reason: DrainReason, since: Instant) -> Self {
        Self {
            reason,
            since,
            is_queued: false,
            budget_exhausted: false,
            is_deferred: false,
        }
    }

    /// Rebalancing has selected the connection.
    pub(crate) fn is_selected(&self) -> bool {
        self.reason == DrainReason::Rebalance
    }

    /// The connection had a safe point, and waits for the rate or the budget.
    pub(super) fn had_safe_point(&self) -> bool {
        self.is_queued || self.budget_exhausted
    }
}

impl SignaledDrain {
    pub(super) fn new(reason: DrainReason, since: Instant, signal: SentSignal) -> Self {
        Self {
            reason,
            since,
            idle_since: None,
            reaction: Reaction::new(signal),
        }
    }

    /// Follows the number of active requests. True when the connection became idle or active.
    pub(super) fn record_active(&mut self, active: u32, now: Instant) -> bool {
        let is_idle = active == 0;
        let changes = is_idle != self.idle_since.is_some();
        if changes {
            self.idle_since = is_idle.then_some(now);
        }
        changes
    }
}
