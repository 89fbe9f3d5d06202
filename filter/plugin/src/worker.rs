//! The state of one VM, and so of one worker thread.
//!
//! Each callback is one method call: of the network role `opened`, `identified`, `read`, `wrote` and `closed`
//! (`worker/connection.rs`), of the HTTP role `request_started`, `response_started` and `request_ended`
//! (`worker/request.rs`), and of the roots `configure`, `tick` and `peer_responded`. A connection may be in both
//! roles; Envoy's `connection.id` joins them.

mod connection;
mod effects;
mod gossip;
mod log;
mod policies;
mod recycle;
mod request;
mod sample;
mod shared;
mod shutdown;
mod tick;

use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::upstream::Upstreams;
use evenkeel_engine::{ConnectionId, Engine, IdTable, Instant};
use evenkeel_policy::Direction;

use crate::host::Host;
use crate::metrics::Metrics;
use crate::policies::{Policies, RootId};
use crate::vm::ContextId;
pub(crate) use effects::Action;
use effects::Pending;
use gossip::Gossip;
use log::Log;
pub(crate) use request::Request;
use sample::Rebalancing;
use shutdown::Shutdowns;

/// The interval between two ticks.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Envoy's `TrafficDirection::OUTBOUND`.
const OUTBOUND: u64 = 2;

#[derive(Debug)]
pub(crate) struct Worker {
    host: Rc<dyn Host>,
    log: Log,
    metrics: Metrics,
    engine: Engine,
    policies: Policies,
    upstreams: Upstreams,
    /// The network contexts of the open connections.
    contexts: IdTable<ContextId>,
    pending: Pending,
    shutdowns: Shutdowns,
    rebalancing: Rebalancing,
    gossip: Gossip,
    /// Makes random choices differ between proxies and workers.
    seed: u64,
    is_sidecar: Option<bool>,
    ticked: Instant,
    /// Since the last tick, the host was asked for the connection of a stream: the newest connection that is known
    /// is not much older than that.
    has_located_stream: bool,
}

impl Worker {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        Self {
            log: Log::new(Rc::clone(&host)),
            metrics: Metrics::new(Rc::clone(&host)),
            host,
            engine: Engine::default(),
            policies: Policies::default(),
            upstreams: Upstreams::default(),
            contexts: IdTable::default(),
            pending: Pending::default(),
            shutdowns: Shutdowns::default(),
            rebalancing: Rebalancing::default(),
            gossip: Gossip::default(),
            seed: 0,
            is_sidecar: None,
            ticked: Instant::default(),
            has_located_stream: false,
        }
    }

    /// The host, for a callback that reads or changes bytes while it calls the worker.
    pub(crate) fn host(&self) -> Rc<dyn Host> {
        Rc::clone(&self.host)
    }

    /// The time on the host's monotonic clock; the last one that is known if the host gives none.
    fn now(&self) -> Instant {
        self.host
            .monotonic_time()
            .unwrap_or_else(|_| self.engine.now())
    }

    /// The connection of the current context. It may not be the one that was read last: a filter before the module
    /// may have made a request wait.
    fn connection_id(&self) -> Option<ConnectionId> {
        self.host.number(&["connection", "id"]).map(ConnectionId)
    }

    /// The direction of the listener of a root and of its contexts. Only a sidecar has outbound ones: Envoy marks a gateway's
    /// listeners as outbound too, but their clients are elsewhere.
    fn direction(&mut self, root: RootId) -> Direction {
        let host = &*self.host;
        let node_id = || host.property_or_empty(&["xds", "node", "id"]);
        let is_sidecar = *self
            .is_sidecar
            .get_or_insert_with(|| node_id().starts_with(b"sidecar~"));
        let configured = self.policies.direction(root);
        let direction = || configured.or_else(|| host.number(&["xds", "listener_direction"]));
        if is_sidecar && direction() == Some(OUTBOUND) {
            Direction::Outbound
        } else {
            Direction::Inbound
        }
    }

    /// A seed for the random choices about something that is no downstream connection.
    fn seed_for(&self, name: &[u8]) -> u64 {
        name.iter().fold(self.seed, |seed, byte| {
            seed.wrapping_mul(0x100_0000_01b3) ^ u64::from(*byte)
        })
    }
}
