//! What this proxy carries, beside the other pods of its service, and what is done about it.
//!
//! The workers of a proxy meet in the host's shared data: each writes what it carries on the board, and one
//! of them, by a lease, asks the peers for all.

use core::time::Duration;

use evenkeel_engine::balance::{PodRebalancer, PodSample};
use evenkeel_engine::board::{Board, MeasuredLoad, ProxyLoad, WorkerId};
use evenkeel_engine::leader::Lease;
use evenkeel_engine::peers::{ExchangeSchedule, OwnReport, PeerId, ProxyIdentity, Rules, View};
use evenkeel_engine::{Instant, LoadSample, PerMode, mix};
use evenkeel_metrics::Metric;
use evenkeel_policy::{Measure, Mode, Policy};

use super::Worker;
use crate::peers::Question;
use crate::policies::{Policies, RootId};

/// How often a worker adds up.
const LOOK: Duration = Duration::from_secs(1);

/// How often a worker tries again when another one was faster.
pub(super) const TRIES: usize = 8;

const BOARD: &str = "evenkeel/board";
pub(super) const VIEW: &str = "evenkeel/view";
const LEASED: &str = "evenkeel/lease";
const SELF: &str = "evenkeel/self";
pub(super) const ASKED: &str = "evenkeel/asked";

#[derive(Debug, Default)]
pub(crate) struct Pod {
    worker: Option<WorkerId>,
    looked: Instant,
    balance: PerMode<PodRebalancer>,
    rebalances_hosts: PerMode<bool>,
    /// It has opened a connection. The host's main thread has a worker that never does.
    serves: bool,
    /// What all workers carried when this one last sampled.
    pub(super) proxy: ProxyLoad,
    /// The lease under which this worker is the leader.
    lease: Option<Lease>,
    schedule: ExchangeSchedule,
}

impl Pod {
    /// This worker sends the gossip requests for all.
    fn is_leader(&self, now: Instant) -> bool {
        self.lease.is_some_and(|lease| lease.is_valid(now))
    }

    fn is_rebalancing(&self) -> PerMode<bool> {
        PerMode {
            enforced: self.balance.enforced.is_rebalancing() || self.rebalances_hosts.enforced,
            dry_run: self.balance.dry_run.is_rebalancing() || self.rebalances_hosts.dry_run,
        }
    }
}

impl Worker {
    /// Adds up what is carried, and chooses what has to go. Does nothing if it did so within a second.
    pub(super) fn look(&mut self, now: Instant) {
        if now.since(self.pod.looked) < LOOK {
            return;
        }
        self.pod.looked = now;
        self.update_log_level();
        let by_rate = |policy: &Policy| {
            let rebalance = policy.rebalance.as_ref();
            rebalance.is_some_and(|rebalance| rebalance.measure != Measure::Connections)
        };
        let follows = self.policies.find(by_rate).is_some();
        self.engine.track_rates(follows);
        let looked = self.engine.take_sample(self.pod.is_rebalancing());
        self.measure(&looked);
        let wants = |policy: &Policy| policy.rebalance.is_some() || policy.peers.is_some();
        if self.policies.find(wants).is_none() {
            return;
        }
        self.write(&looked, now);
        let shares = |policy: &Policy| policy.peers.is_some();
        let view = self.policies.find(shares).is_some().then(|| {
            self.lease(now);
            self.view().0
        });
        self.show_peers(view.as_ref(), now);
        for mode in [Mode::Enforce, Mode::DryRun] {
            self.rebalance(mode, &looked, view.as_ref(), now);
        }
        let policies = &self.policies;
        let seed = self.seed ^ now.as_nanos();
        self.engine
            .run_selection(|root| rebalances(policies, root), seed);
        let PerMode { enforced, dry_run } = self.pod.is_rebalancing();
        self.metrics.gauge(
            Metric::Rebalancing,
            f64::from(u8::from(enforced || dry_run)),
        );
    }

    /// Shows what is known of the peers.
    fn show_peers(&mut self, view: Option<&View>, now: Instant) {
        let policy = self.policies.find(|policy| policy.peers.is_some());
        let (Some(view), Some(policy)) = (view, policy) else {
            return;
        };
        let rebalance = policy.rebalance.unwrap_or_default();
        let shown = policy.peers.as_ref().filter(|_| self.pod.is_leader(now));
        let shown = shown.and_then(|peers| {
            let own = self.own(self.pod.proxy.weight(&rebalance), now);
            let measure = Measure::Connections;
            let rules = Rules {
                measure,
                ..Rules::new(&rebalance, peers)
            };
            view.estimate(&own, rules, now)
        });
        let (known, mean) = shown.map_or((0, 0.0), |shown| (shown.peers, shown.mean));
        self.metrics.gauge(Metric::Peers, known as f64);
        self.metrics.gauge(Metric::PeersMean, mean);
    }

    /// Wants connections to go under policies of one mode: what a dry run finds, and has found before, is nothing to
    /// those that are enforced.
    fn rebalance(&mut self, mode: Mode, looked: &LoadSample, view: Option<&View>, now: Instant) {
        let rebalances = |policy: &Policy| policy.mode == mode && policy.rebalance.is_some();
        let policy = self.policies.find(rebalances).cloned();
        let rebalance = policy.as_ref().and_then(|policy| policy.rebalance.as_ref());
        let peers = policy.as_ref().and_then(|policy| policy.peers.as_ref());
        let (Some(rebalance), Some(peers), Some(view)) = (rebalance, peers, view) else {
            *self.pod.balance.get_mut(mode) = PodRebalancer::default();
            let rebalances =
                rebalance.is_some_and(|rebalance| self.engine.rebalance_hosts(rebalance, mode));
            *self.pod.rebalances_hosts.get_mut(mode) = rebalances;
            return;
        };
        *self.pod.rebalances_hosts.get_mut(mode) = false;
        if !self.pod.serves {
            return;
        }
        let own = self.own(self.pod.proxy.weight(rebalance), now);
        let rules = Rules::new(rebalance, peers);
        let estimate = view.estimate(&own, rules, now);
        let scene = PodSample {
            worker: looked,
            pod: self.pod.proxy.carried,
            weight: rules.weigh(&own),
            estimate: estimate.as_ref(),
        };
        let balance = self.pod.balance.get_mut(mode);
        balance.update(&mut self.engine, rebalance, mode, &scene);
    }

    /// Shows what this worker carries; the host adds the workers up.
    fn measure(&mut self, looked: &LoadSample) {
        let load = looked.load;
        // Not when it is rejected: Envoy tries each configuration in a VM that it throws away.
        let rejected = self.policies.rejected();
        self.metrics.gauge(Metric::PolicyRejected, rejected as f64);
        self.metrics
            .gauge(Metric::ConnectionsAge, looked.total_age.as_secs_f64());
        self.metrics
            .gauge(Metric::LoadConnections, load.connections);
        self.metrics.gauge(Metric::LoadActive, load.active);
        self.metrics.gauge(Metric::LoadRequests, load.requests);
        self.metrics.gauge(Metric::LoadBytes, load.bytes);
        let hosts = self.engine.upstream_hosts();
        self.metrics
            .carried(hosts.map(|host| (host.address(), host.load())));
    }

    /// Writes this worker's line on the board, and adds up the whole proxy.
    fn write(&mut self, looked: &LoadSample, now: Instant) {
        let worker = self.worker(now);
        self.pod.serves |= !self.engine.is_empty();
        let carried = MeasuredLoad {
            load: looked.load,
            dry_run_drained: looked.dry_run_drained,
        };
        for _ in 0..TRIES {
            let (bytes, token) = self.host.shared(BOARD);
            let mut board = Board::from_bytes(&bytes.unwrap_or_default());
            if self.pod.serves {
                board.write(worker, carried, now);
            }
            self.pod.proxy = board.total();
            if !self.pod.serves || self.host.share(BOARD, &board.to_bytes(), token) {
                return;
            }
        }
    }

    /// Takes part in the election of the leader.
    fn lease(&mut self, now: Instant) {
        let worker = self.worker(now);
        let (held, token) = self.host.shared(LEASED);
        let held = held.and_then(|held| Lease::from_bytes(&held));
        let lease = Lease::renew(held, worker, now);
        self.pod.lease = lease.filter(|lease| self.host.share(LEASED, &lease.to_bytes(), token));
    }

    pub(super) fn own(&self, weight: f64, now: Instant) -> OwnReport {
        let identity = self.identity(now).0;
        let asked = self.host.shared(ASKED).0.and_then(|at| at.try_into().ok());
        let asked = asked.map(|at| now.since(Instant::from_nanos(u64::from_le_bytes(at))));
        OwnReport {
            id: identity.id,
            load: self.pod.proxy.carried.load,
            weight,
            uptime: identity.uptime(now),
            asked,
        }
    }

    /// This worker's name among those of the proxy.
    fn worker(&mut self, now: Instant) -> WorkerId {
        if let Some(worker) = self.pod.worker {
            return worker;
        }
        let mut number = 0;
        for _ in 0..TRIES {
            let (identity, token) = self.identity(now);
            let next;
            (number, next) = identity.number_worker();
            if self.host.share(SELF, &next.to_bytes(), token) {
                break;
            }
        }
        // Those who set the first identity at the same time may have one number, but not one chance.
        let worker = WorkerId(mix(self.seed ^ now.as_nanos()) ^ mix(number));
        self.pod.worker = Some(worker);
        worker
    }

    /// The proxy's name among its peers. Workers that begin at the same time may each set it; all take what
    /// stays, the next time.
    pub(super) fn identity(&self, now: Instant) -> (ProxyIdentity, u32) {
        let (held, token) = self.host.shared(SELF);
        if let Some(held) = held.and_then(|held| ProxyIdentity::from_bytes(&held)) {
            return (held, token);
        }
        let node = self.host.property_or_empty(&["xds", "node", "id"]);
        let id = PeerId(mix(self.chance(&node) ^ now.as_nanos()));
        let identity = ProxyIdentity::new(id, now);
        self.host.share(SELF, &identity.to_bytes(), token);
        (identity, self.host.shared(SELF).1)
    }

    /// What to ask a peer, if it is time and this worker's task.
    pub(super) fn question(&mut self, now: Instant) -> Option<Question> {
        if !self.pod.is_leader(now) {
            return None;
        }
        let policy = self
            .policies
            .find(|policy| policy.peers.is_some())
            .cloned()?;
        let peers = policy.peers.as_ref()?;
        if !self.pod.schedule.is_due(peers.interval, now) {
            return None;
        }
        Some(Question {
            cluster: peers.cluster.clone(),
            timeout: peers.interval,
            message: self.message(&policy, peers, now),
        })
    }

    /// What the workers of this proxy know together of the others.
    pub(super) fn view(&self) -> (View, u32) {
        let (bytes, token) = self.host.shared(VIEW);
        let view = bytes.and_then(|bytes| View::from_bytes(&bytes));
        (view.unwrap_or_default(), token)
    }
}

/// The policy of a connection that came in there rebalances.
fn rebalances(policies: &Policies, root: RootId) -> bool {
    let policy = policies.get(root);
    policy.is_some_and(|policy| policy.rebalance.is_some())
}
