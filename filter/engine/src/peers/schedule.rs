//! When the leader sends its gossip requests.

use core::time::Duration;

use super::FANOUT;
use crate::Instant;

/// Spreads the [`FANOUT`] gossip requests of an interval evenly over it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExchangeSchedule {
    next: Instant,
}

impl ExchangeSchedule {
    /// True if a request is to be sent at `now`. A tick that comes late makes up for at most one request.
    pub fn is_due(&mut self, interval: Duration, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let gap = interval.checked_div(FANOUT).unwrap_or_default();
        let is_late = now.since(self.next) >= gap;
        self.next = if is_late { now } else { self.next }.after(gap);
        true
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    /// How many requests ticks at these times (in ms) send.
    fn sent(ticks: impl Iterator<Item = u64>) -> usize {
        let mut schedule = ExchangeSchedule::default();
        ticks
            .filter(|millis| {
                let now = Instant::default().after(Duration::from_millis(*millis));
                schedule.is_due(INTERVAL, now)
            })
            .count()
    }

    #[test]
    fn fanout_requests_are_sent_in_each_interval() {
        // Ticks of 100 ms do not fit gaps of 250 ms: the gap is measured from when a request was to be sent.
        let in_ten_intervals = sent((60_000..70_000).step_by(100));
        assert_eq!(in_ten_intervals, 10 * usize::try_from(FANOUT).unwrap());
    }

    #[test]
    fn requests_missed_while_the_worker_was_blocked_are_not_sent_at_once() {
        let ticks = (60_000..61_000).chain(70_000..70_200);
        assert_eq!(sent(ticks), 4 + 1);
    }
}
