//! What the workers of a proxy share about themselves and their peers, in the host's shared data.
//!
//! Every value is a fixed-width binary record; the engine states the layouts. The first value of a key is stored
//! without comparison: two workers that start at the same time may both believe that theirs was stored, so each of
//! them reads the value again before it uses it.

use evenkeel_engine::board::{Board, MeasuredLoad, ProxyLoad, WorkerId};
use evenkeel_engine::leader::Lease;
use evenkeel_engine::peers::{ProxyIdentity, View};
use evenkeel_engine::{Instant, record};

use crate::host::Host;

const BOARD: &str = "evenkeel/board";
const VIEW: &str = "evenkeel/view";
const LEASE: &str = "evenkeel/lease";
const IDENTITY: &str = "evenkeel/self";
const LAST_PEER_REQUEST: &str = "evenkeel/gossip";

/// Access to the values.
pub(super) struct SharedState<'h>(pub(super) &'h dyn Host);

impl SharedState<'_> {
    /// The load of all workers.
    pub(super) fn proxy_load(&self) -> ProxyLoad {
        let board = self.0.shared(BOARD).0.unwrap_or_default();
        Board::from_bytes(&board).total()
    }

    /// Writes the load of one worker, and returns that of all. None if other workers were faster each time.
    pub(super) fn write_load(
        &self,
        worker: WorkerId,
        load: MeasuredLoad,
        now: Instant,
    ) -> Option<ProxyLoad> {
        self.0.update_shared(BOARD, |held| {
            let mut board = Board::from_bytes(&held.unwrap_or_default());
            board.write(worker, load, now);
            Some((board.to_bytes(), board.total()))
        })
    }

    /// Takes part in the election of the leader. Returns the worker's lease if it leads.
    pub(super) fn renew_lease(&self, worker: WorkerId, now: Instant) -> Option<Lease> {
        self.0.update_shared(LEASE, |held| {
            let held = held.and_then(|held| Lease::from_bytes(&held));
            let lease = Lease::renew(held, worker, now)?;
            Some((lease.to_bytes(), lease))
        })
    }

    /// The reports about the peers.
    pub(super) fn view(&self) -> View {
        read_view(self.0.shared(VIEW).0)
    }

    /// Changes the reports about the peers. None if other workers were faster each time.
    pub(super) fn update_view<T>(&self, mut change: impl FnMut(&mut View) -> T) -> Option<T> {
        self.0.update_shared(VIEW, |held| {
            let mut view = read_view(held);
            let result = change(&mut view);
            Some((view.to_bytes(), result))
        })
    }

    /// When a peer last sent a request to this proxy.
    pub(super) fn last_peer_request(&self) -> Option<Instant> {
        let [at] = record::read(&self.0.shared(LAST_PEER_REQUEST).0?)?;
        Some(Instant::from_nanos(at))
    }

    /// Records that a peer sent a request. Of two workers that do so at once, either may be recorded.
    pub(super) fn record_peer_request(&self, now: Instant) {
        let (_, token) = self.0.shared(LAST_PEER_REQUEST);
        let at = record::write([now.as_nanos()]);
        self.0.share(LAST_PEER_REQUEST, &at, token);
    }

    /// The proxy's identity; `new` is stored if there is none.
    pub(super) fn identity(&self, new: impl FnOnce() -> ProxyIdentity) -> ProxyIdentity {
        let (held, token) = self.0.shared(IDENTITY);
        if let Some(held) = read_identity(held) {
            return held;
        }
        let new = new();
        self.0.share(IDENTITY, &new.to_bytes(), token);
        read_identity(self.0.shared(IDENTITY).0).unwrap_or(new)
    }

    /// A number for one more worker of the proxy. Workers that start at the same time may get the same.
    pub(super) fn number_worker(&self, new: impl Fn() -> ProxyIdentity) -> u64 {
        let number = self.0.update_shared(IDENTITY, |held| {
            let (number, next) = read_identity(held).unwrap_or_else(&new).number_worker();
            Some((next.to_bytes(), number))
        });
        number.unwrap_or_default()
    }
}

fn read_view(held: Option<Vec<u8>>) -> View {
    let view = held.and_then(|held| View::from_bytes(&held));
    view.unwrap_or_default()
}

fn read_identity(held: Option<Vec<u8>>) -> Option<ProxyIdentity> {
    held.and_then(|held| ProxyIdentity::from_bytes(&held))
}
