//! How writes and ticks share a budget.
//!
//! Some connections are drained in a write and take their token there; others can be closed only by a tick. Where both
//! wait, the side that asks more often would take every token, and the other would starve: an active service writes a
//! thousand times between two ticks, and a slow budget has its token ready exactly at a tick.

use core::time::Duration;

use evenkeel_policy::Budget;

use crate::Instant;

/// About how often there is a tick.
const TICK: Duration = Duration::from_millis(100);

/// How long a token is kept for writes after the last one that found none.
const WRITE_WAIT: Duration = Duration::from_secs(1);

/// What each side has taken since the other last did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BudgetSplit {
    by_writes: u32,
    by_ticks: u32,
    /// When a write last found no token.
    waiting_write: Instant,
    /// The number of the tick that last left a connection waiting.
    waiting_tick: Option<u64>,
}

impl BudgetSplit {
    pub(crate) fn record_drain_by_write(&mut self) {
        self.by_writes = self.by_writes.saturating_add(1);
        self.by_ticks = 0;
    }

    pub(crate) fn record_drain_by_tick(&mut self) {
        self.by_ticks = self.by_ticks.saturating_add(1);
        self.by_writes = 0;
    }

    /// A write that could have carried a drain signal found no token.
    pub(crate) fn record_waiting_write(&mut self, now: Instant) {
        self.waiting_write = now;
    }

    pub(crate) fn record_waiting_connection(&mut self, tick: u64) {
        self.waiting_tick = Some(tick);
    }

    /// A connection waits since the tick with this number.
    pub(crate) fn has_waiting(&self, tick: u64) -> bool {
        self.waiting_tick == Some(tick)
    }

    /// Writes have had their half, and a connection waits for a tick.
    pub(crate) fn is_turn_of_ticks(&self, budget: &Budget, tick: u64) -> bool {
        self.has_waiting(tick) && f64::from(self.by_writes) >= half(budget)
    }

    /// Ticks have had their half, and writes wait for theirs.
    pub(crate) fn is_turn_of_writes(&self, budget: &Budget, now: Instant) -> bool {
        now.since(self.waiting_write) < WRITE_WAIT && f64::from(self.by_ticks) >= half(budget)
    }
}

/// Half of what the budget gives between two ticks.
fn half(budget: &Budget) -> f64 {
    (budget.per_second * TICK.as_secs_f64() / 2.0).max(1.0)
}
