//! How two kinds of connections share the budget.
//!
//! Some can be told in a write, and ask for the budget there; others can only be closed at a tick. Where both
//! wait, whichever asks more often would take every token and the other would wait for ever: a busy service
//! writes a thousand times between two ticks, and a slow budget has its token ready exactly at a tick.

use core::time::Duration;

use evenkeel_policy::Budget;

use crate::Instant;

/// About how often there is a tick.
const TICK: Duration = Duration::from_millis(100);

/// If no write has asked for so long, none is waited for.
const ASKS: Duration = Duration::from_secs(1);

/// What each kind has taken since the other last did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Halves {
    by_writes: u32,
    at_ticks: u32,
    /// When a write last got nothing.
    waits: Instant,
    /// The tick that last left a connection waiting for the budget, by its number.
    tick_waits: Option<u64>,
}

impl Halves {
    pub(crate) fn taken_by_write(&mut self) {
        self.by_writes = self.by_writes.saturating_add(1);
        self.at_ticks = 0;
    }

    pub(crate) fn taken_at_tick(&mut self) {
        self.at_ticks = self.at_ticks.saturating_add(1);
        self.by_writes = 0;
    }

    pub(crate) fn write_waits(&mut self, now: Instant) {
        self.waits = now;
    }

    /// A connection still waits for the budget after the tick with this number.
    pub(crate) fn tick_waits(&mut self, tick: u64) {
        self.tick_waits = Some(tick);
    }

    /// A connection waits for the budget since the tick with this number.
    pub(crate) fn has_waiting(&self, tick: u64) -> bool {
        self.tick_waits == Some(tick)
    }

    /// Writes have had their half, and a connection waits for a tick.
    pub(crate) fn is_turn_of_ticks(&self, budget: &Budget, tick: u64) -> bool {
        self.has_waiting(tick) && f64::from(self.by_writes) >= half(budget)
    }

    /// Ticks have had their half, and writes wait for theirs.
    pub(crate) fn is_turn_of_writes(&self, budget: &Budget, now: Instant) -> bool {
        now.since(self.waits) < ASKS && f64::from(self.at_ticks) >= half(budget)
    }
}

/// Half of what the budget gives from one tick to the next.
fn half(budget: &Budget) -> f64 {
    (budget.per_second * TICK.as_secs_f64() / 2.0).max(1.0)
}
