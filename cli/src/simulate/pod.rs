//! A pod: the state of the module in its proxy, with one worker.

use std::time::Duration;

use evenkeel_engine::balance::{PodRebalancer, PodSample};
use evenkeel_engine::board::MeasuredLoad;
use evenkeel_engine::peers::{OwnReport, PeerId, PeerLoads};
use evenkeel_engine::{BucketId, BucketStore, Engine, Instant};
use evenkeel_policy::{Measure, Policy, Weight};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Starting,
    /// It receives connections from kube-proxy and requests from other pods.
    Ready,
    /// It receives no new connections and closes its open ones.
    Terminating,
    Removed,
}

#[derive(Debug)]
pub struct Pod {
    pub stage: Stage,
    pub engine: Engine,
    pub tokens: Tokens,
    /// The clients that are connected to it.
    pub clients: Vec<u32>,
    /// When another pod last sent it a request.
    pub last_peer_request: Option<Instant>,
    id: PeerId,
    started_at: Instant,
    balance: PodRebalancer,
    load: MeasuredLoad,
}

impl Pod {
    pub fn new(id: PeerId, started_at: Instant) -> Self {
        Self {
            stage: Stage::Starting,
            engine: Engine::default(),
            tokens: Tokens::default(),
            clients: Vec::new(),
            last_peer_request: None,
            id,
            started_at,
            balance: PodRebalancer::default(),
            load: MeasuredLoad::default(),
        }
    }

    /// Removes the pod with its connections.
    pub fn remove(&mut self) {
        self.stage = Stage::Removed;
        self.engine = Engine::default();
        self.clients = Vec::new();
    }

    /// Returns the report that it sends to its peers.
    pub fn own_report(
        &self,
        policy: &Policy,
        since_peer_request: Option<Duration>,
        now: Instant,
    ) -> OwnReport {
        let weight = match policy.rebalance.unwrap_or_default().weight {
            Weight::Fixed(weight) => weight,
            Weight::Workers => 1.0,
        };
        OwnReport {
            id: self.id,
            load: self.load.load,
            weight,
            uptime: now.since(self.started_at),
            since_peer_request,
        }
    }

    /// Samples the load once a second, as the module does, and selects connections to drain. `peers` are the loads of the
    /// other pods.
    pub fn sample(&mut self, policy: &Policy, peers: Option<&PeerLoads>, seed: u64) {
        let now = self.engine.now();
        let rebalance = policy.rebalance.as_ref();
        let needs_rates =
            rebalance.is_some_and(|rebalance| rebalance.measure != Measure::Connections);
        self.engine.track_rates(needs_rates);
        let worker = self.engine.take_sample(self.balance.is_rebalancing());
        self.load = MeasuredLoad {
            load: worker.load,
            dry_run_drained: worker.dry_run_drained,
        };
        let (Some(rebalance), Some(peers)) = (&policy.rebalance, peers) else {
            return;
        };
        let own = self.own_report(policy, None, now);
        let estimate = peers.estimate(&own);
        let sample = PodSample {
            worker: &worker,
            pod: self.load,
            weight: peers.rules().effective_weight(&own),
            estimate: estimate.as_ref(),
        };
        let mode = policy.mode;
        self.balance
            .update(&mut self.engine, rebalance, mode, &sample);
        self.engine.run_selection(|_| true, seed);
    }

    pub fn peer(&self) -> PeerId {
        self.id
    }
}

/// The state of a proxy's bucket, which its workers share.
#[derive(Debug, Default)]
pub struct Tokens(Option<u64>);

impl BucketStore for Tokens {
    fn load(&mut self, _: BucketId) -> (Option<u64>, u32) {
        (self.0, 0)
    }

    fn store(&mut self, _: BucketId, state: u64, _: u32) -> bool {
        self.0 = Some(state);
        true
    }
}
