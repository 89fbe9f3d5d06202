//! What identifies a proxy among its peers.

use core::time::Duration;

use super::PeerId;
use crate::{Instant, record};

/// The identity of a proxy, which its workers share in the host's shared data.
///
/// Workers that start at the same time may each store one. The last one stays, and all of them read it again before
/// they use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyIdentity {
    /// The proxy's name in reports.
    pub id: PeerId,
    started: Instant,
    /// How many workers have taken a number.
    workers: u64,
}

impl ProxyIdentity {
    /// The identity of a proxy that starts at `now`.
    pub const fn new(id: PeerId, now: Instant) -> Self {
        Self {
            id,
            started: now,
            workers: 0,
        }
    }

    /// Reads what [`ProxyIdentity::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [id, started, workers] = record::read(bytes)?;
        Some(Self {
            id: PeerId(id),
            started: Instant::from_nanos(started),
            workers,
        })
    }

    /// The identity as it is stored in shared data: the id, the start in nanoseconds, and the number of workers.
    pub fn to_bytes(self) -> Vec<u8> {
        record::write([self.id.0, self.started.as_nanos(), self.workers])
    }

    /// A number for one more worker, and the identity to store with it.
    pub const fn number_worker(self) -> (u64, Self) {
        let next = Self {
            workers: self.workers.saturating_add(1),
            ..self
        };
        (self.workers, next)
    }

    /// How long the proxy has been up, by the same clock for all its workers.
    pub fn uptime(&self, now: Instant) -> Duration {
        now.since(self.started)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn identity_is_stored_and_read() {
        let identity = ProxyIdentity::new(PeerId(7), Instant::from_nanos(11));
        let (first, identity) = identity.number_worker();
        let (second, identity) = identity.number_worker();
        assert_eq!((first, second), (0, 1));

        let read = ProxyIdentity::from_bytes(&identity.to_bytes());

        assert_eq!(read, Some(identity));
        assert_eq!(
            identity.uptime(Instant::from_nanos(31)),
            Duration::from_nanos(20)
        );
    }

    #[test]
    fn bytes_of_another_length_are_no_identity() {
        for length in [0, 8, 23, 25, 48] {
            assert_eq!(ProxyIdentity::from_bytes(&vec![0; length]), None);
        }
    }
}
