//! One pod: what the module keeps in its proxy, with one worker.

use std::time::Duration;

use evenkeel_engine::balance::{PodRebalancer, PodSample};
use evenkeel_engine::board::MeasuredLoad;
use evenkeel_engine::peers::{OwnReport, PeerId, Rules, View};
use evenkeel_engine::{BucketId, BucketStore, Engine, Instant};
use evenkeel_policy::{Measure, Policy, Weight};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Starting,
    /// kube-proxy sends connections to it, and other pods ask it.
    Ready,
    /// It takes no connections any more and ends those it has.
    Leaving,
    Gone,
}

#[derive(Debug)]
pub struct Pod {
    pub stage: Stage,
    pub engine: Engine,
    pub tokens: Tokens,
    /// Whose connections it has.
    pub clients: Vec<u32>,
    /// When another pod last sent it a request.
    pub asked: Option<Instant>,
    id: PeerId,
    born: Instant,
    balance: PodRebalancer,
    carried: MeasuredLoad,
}

impl Pod {
    pub fn new(id: PeerId, born: Instant) -> Self {
        Self {
            stage: Stage::Starting,
            engine: Engine::default(),
            tokens: Tokens::default(),
            clients: Vec::new(),
            asked: None,
            id,
            born,
            balance: PodRebalancer::default(),
            carried: MeasuredLoad::default(),
        }
    }

    /// Removes the pod with its connections.
    pub fn vanish(&mut self) {
        self.stage = Stage::Gone;
        self.engine = Engine::default();
        self.clients = Vec::new();
    }

    /// Returns the report that it sends to its peers.
    pub fn own(&self, policy: &Policy, asked: Option<Duration>, now: Instant) -> OwnReport {
        let weight = match policy.rebalance.unwrap_or_default().weight {
            Weight::Fixed(weight) => weight,
            Weight::Workers => 1.0,
        };
        OwnReport {
            id: self.id,
            load: self.carried.load,
            weight,
            uptime: now.since(self.born),
            asked,
        }
    }

    /// Once a second, as the module does: adds up what it carries, and chooses what has to go. `view` is
    /// what it knows of the others.
    pub fn look(&mut self, policy: &Policy, view: &View, seed: u64) {
        let now = self.engine.now();
        let rebalance = policy.rebalance.as_ref();
        let follows = rebalance.is_some_and(|rebalance| rebalance.measure != Measure::Connections);
        self.engine.track_rates(follows);
        let looked = self.engine.take_sample(self.balance.is_rebalancing());
        self.carried = MeasuredLoad {
            load: looked.load,
            dry_run_drained: looked.dry_run_drained,
        };
        let (Some(rebalance), Some(peers)) = (&policy.rebalance, &policy.peers) else {
            return;
        };
        let own = self.own(policy, None, now);
        let rules = Rules::new(rebalance, peers);
        let estimate = view.estimate(&own, rules, now);
        let scene = PodSample {
            worker: &looked,
            pod: self.carried,
            weight: rules.weigh(&own),
            estimate: estimate.as_ref(),
        };
        let mode = policy.mode;
        self.balance
            .update(&mut self.engine, rebalance, mode, &scene);
        self.engine.run_selection(|_| true, seed);
    }

    pub fn peer(&self) -> PeerId {
        self.id
    }
}

/// The state of a proxy's one bucket, which its workers share.
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
