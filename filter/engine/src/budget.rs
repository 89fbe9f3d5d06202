//! The churn budget: how many connections the whole proxy may move a second.
//!
//! A token bucket in the form of GCRA (ITU-T I.371): all its state is one instant, so that the workers
//! can share it by compare-and-swap in the host's shared data.

use core::time::Duration;

use evenkeel_policy::Budget;

use crate::Instant;

/// A value that all workers of the proxy share.
pub trait Shared {
    /// The value, and a token that tells it from later ones. None when nobody has set it.
    fn load(&mut self) -> (Option<u64>, u32);

    /// Sets the value if it is still the one that `token` tells; false when another worker was faster.
    fn store(&mut self, value: u64, token: u32) -> bool;
}

/// How often a worker tries again when another one was faster.
const TRIES: usize = 8;

/// Takes one move from the budget. Otherwise the instant from which it is worth to ask again.
pub(crate) fn take(budget: &Budget, now: Instant, shared: &mut impl Shared) -> Result<(), Instant> {
    let interval = Duration::try_from_secs_f64(1.0 / budget.per_second).unwrap_or(Duration::MAX);
    let depth = interval.saturating_mul(budget.burst.saturating_sub(1));
    for _ in 0..TRIES {
        let (stored, token) = shared.load();
        let next = stored.map_or(now, Instant::from_nanos).max(now);
        if next > now.after(depth) {
            return Err(Instant::from_nanos(
                now.as_nanos()
                    .saturating_add(nanos(next.since(now.after(depth)))),
            ));
        }
        if shared.store(next.after(interval).as_nanos(), token) {
            return Ok(());
        }
    }
    Err(now.after(interval))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
