//! The election of the leader among the workers of a proxy: it sends the gossip requests for all of them.
//!
//! The workers share one [`Lease`] in the host's shared data. Once per sample each worker reads it, and stores what
//! [`Lease::renew`] returns by compare-and-swap. The worker that succeeds leads until its lease ends.

use core::time::Duration;

use crate::board::WorkerId;
use crate::{Instant, record};

/// How long a worker leads unless it renews its lease.
const TERM: Duration = Duration::from_secs(5);

/// Which worker leads, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    leader: WorkerId,
    ends: Instant,
}

impl Lease {
    /// Reads what [`Lease::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [leader, ends] = record::read(bytes)?;
        Some(Self {
            leader: WorkerId(leader),
            ends: Instant::from_nanos(ends),
        })
    }

    /// The lease as it is stored in shared data: the leader's id, and the end of the lease in nanoseconds.
    pub fn to_bytes(self) -> Vec<u8> {
        record::write([self.leader.0, self.ends.as_nanos()])
    }

    /// The lease that `worker` should store in place of `held`; `None` while another worker leads.
    pub fn renew(held: Option<Self>, worker: WorkerId, now: Instant) -> Option<Self> {
        let is_others = held.is_some_and(|held| held.leader != worker && held.is_valid(now));
        (!is_others).then(|| Self {
            leader: worker,
            ends: now.after(TERM),
        })
    }

    /// The lease has not ended. A lease longer than a term is none of Evenkeel's: without this check it would keep
    /// every worker from leading.
    pub fn is_valid(&self, now: Instant) -> bool {
        // Twice the term, because the clock of another thread may have been read a little later.
        let left = self.ends.since(now);
        !left.is_zero() && left <= TERM.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const FIRST: WorkerId = WorkerId(1);
    const SECOND: WorkerId = WorkerId(2);

    fn at(seconds: u64) -> Instant {
        Instant::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn one_worker_leads_while_it_renews_its_lease() {
        let mut lease = Lease::renew(None, FIRST, at(0)).unwrap();
        for second in 1..60 {
            assert_eq!(Lease::renew(Some(lease), SECOND, at(second)), None);
            lease = Lease::renew(Some(lease), FIRST, at(second)).unwrap();
            assert!(lease.is_valid(at(second)));
        }
    }

    #[test]
    fn another_worker_leads_after_the_lease_has_ended() {
        let lease = Lease::renew(None, FIRST, at(0));
        assert_eq!(Lease::renew(lease, SECOND, at(4)), None);
        let lease = Lease::renew(lease, SECOND, at(5));
        assert!(lease.is_some());
        assert_eq!(Lease::renew(lease, FIRST, at(6)), None);
    }

    #[test]
    fn lease_is_stored_and_read() {
        let lease = Lease::renew(None, SECOND, at(7)).unwrap();
        assert_eq!(Lease::from_bytes(&lease.to_bytes()), Some(lease));
    }

    #[test]
    fn foreign_bytes_do_not_prevent_an_election() {
        for bytes in [&[][..], &[0], &[0xff; 15], &[0; 16], &[0xff; 16], &[7; 17]] {
            let held = Lease::from_bytes(bytes);
            assert!(Lease::renew(held, FIRST, at(100)).is_some(), "{bytes:?}");
        }
    }
}
