//! How rebalancing selects a connection.

use core::time::Duration;

use super::Connection;
use super::drain::{DrainState, PendingDrain};
use crate::safe_point::SELECTION_WAIT;
use crate::{DrainReason, Instant};

/// As [`SELECTION_WAIT`], for a connection that had a safe point, and waits for the rate of rebalancing or for the budget.
const QUEUE_WAIT: Duration = Duration::from_secs(60);

/// How long a connection is not selected again after its selection was withdrawn.
const SELECTION_PAUSE: Duration = Duration::from_secs(60);

impl Connection {
    /// Rebalancing, or its fallback, selects the connection.
    pub(crate) fn select(&mut self, reason: DrainReason, now: Instant) {
        self.drain = DrainState::Pending(PendingDrain::new(reason, now));
    }

    pub(crate) fn may_be_selected(&self, now: Instant) -> bool {
        let Some(rule) = &self.terms.rule else {
            return false;
        };
        let usage = &self.usage;
        matches!(self.drain, DrainState::Serving)
            && self.protocol.behavior().is_selectable(rule, usage.requests)
            && !usage.drained_in_dry_run
            && !self.open_requests.has_protected()
            && now >= usage.not_selected_before
            && self.terms.has_min_age(rule, now)
    }

    pub(crate) fn selection_rank(&self, now: Instant) -> u8 {
        self.protocol.behavior().selection_rank(self, now)
    }

    /// Idle connections first. But one without any activity for a while will probably not reach a drain point soon.
    pub(super) fn rank_by_activity(&self, now: Instant) -> u8 {
        if now.since(self.delivery.last_activity) >= SELECTION_WAIT {
            2
        } else {
            u8::from(self.usage.possibly_active() > 0)
        }
    }

    /// Withdraws the selection of a connection that found no safe point in time, or that need not be drained any more.
    pub(crate) fn withdraw_selection(&mut self, rebalances: bool, now: Instant) -> bool {
        let Some(pending) = self.drain.pending() else {
            return false;
        };
        let max_wait = if pending.had_safe_point() {
            QUEUE_WAIT
        } else {
            SELECTION_WAIT
        };
        let withdraws =
            pending.is_selected() && (!rebalances || now.since(pending.since) >= max_wait);
        if withdraws {
            self.drain = DrainState::Serving;
            self.usage.not_selected_before = now.after(SELECTION_PAUSE);
        }
        withdraws
    }

    /// Records whether the rate of rebalancing allows the drain now. Gives whether it goes on.
    pub(crate) fn record_rate(&mut self, allows: bool) -> bool {
        let pending = self.drain.pending_mut();
        pending.filter(|it| it.is_selected()).is_none_or(|pending| {
            pending.is_queued |= !allows;
            allows
        })
    }
}
