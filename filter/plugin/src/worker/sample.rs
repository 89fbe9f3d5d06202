//! The sample that a worker takes once per second: its load, the proxy's load, and the rebalancing that follows.

use core::time::Duration;

use evenkeel_engine::balance::{PodRebalancer, PodSample};
use evenkeel_engine::board::{MeasuredLoad, ProxyLoad};
use evenkeel_engine::peers::{OwnReport, Rules, View};
use evenkeel_engine::{Instant, LoadSample, PerMode};
use evenkeel_metrics::{Metric, VERSION, mode_name};
use evenkeel_policy::{Measure, Mode, Policy};

use super::Worker;
use super::shared::SharedState;
use crate::policies::{Policies, RootId};

/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// The state of rebalancing between samples.
#[derive(Debug, Default)]
pub(super) struct Rebalancing {
    sampled: Instant,
    /// Against the other pods of the service.
    pods: PerMode<PodRebalancer>,
    /// Among upstream hosts: a gateway is draining the excess of one.
    drains_hosts: PerMode<bool>,
    /// The worker has opened a connection. The host's main thread has a worker that never does.
    serves: bool,
    /// The load of all workers at the last sample.
    pub(super) proxy: ProxyLoad,
}

impl Rebalancing {
    fn is_active(&self) -> PerMode<bool> {
        PerMode {
            enforced: self.pods.enforced.is_rebalancing() || self.drains_hosts.enforced,
            dry_run: self.pods.dry_run.is_rebalancing() || self.drains_hosts.dry_run,
        }
    }
}

impl Worker {
    /// Takes a sample, and selects the connections to drain, unless the last sample is less than a second old.
    #[inline(never)]
    pub(super) fn sample(&mut self, now: Instant) {
        if now.since(self.rebalancing.sampled) < INTERVAL {
            return;
        }
        self.rebalancing.sampled = now;
        self.log.update_level();
        let by_rate = |policy: &Policy| {
            let rebalance = policy.rebalance.as_ref();
            rebalance.is_some_and(|rebalance| rebalance.measure != Measure::Connections)
        };
        let tracks_rates = self.policies.find(by_rate).is_some();
        self.engine.track_rates(tracks_rates);
        let sample = self.engine.take_sample(self.rebalancing.is_active());
        self.publish_policies();
        self.publish_load(&sample);
        let has_peers = self.peers_policy().is_some();
        let rebalances = |policy: &Policy| policy.rebalance.is_some();
        if !has_peers && self.policies.find(rebalances).is_none() {
            return;
        }
        self.share_load(&sample, now);
        let peers = has_peers.then(|| {
            self.elect_leader(now);
            (SharedState(&*self.host).view(), self.own_report(now))
        });
        let peers = peers.as_ref().map(|(view, own)| (view, *own));
        self.publish_peers(peers, now);
        for mode in [Mode::Enforce, Mode::DryRun] {
            self.rebalance(mode, &sample, peers, now);
        }
        let policies = &self.policies;
        let seed = self.seed ^ now.as_nanos();
        self.engine
            .run_selection(|root| rebalances_root(policies, root), seed);
        let PerMode { enforced, dry_run } = self.rebalancing.is_active();
        let is_active = f64::from(u8::from(enforced || dry_run));
        self.metrics.set_gauge(Metric::Rebalancing, is_active);
    }

    /// Publishes the policies of this worker. Not when they are configured: Envoy tries each configuration in a VM that
    /// it discards at once.
    fn publish_policies(&mut self) {
        let rejected = self.policies.rejected() as f64;
        self.metrics.set_gauge(Metric::PolicyRejected, rejected);
        let active = self.policies.active();
        for mode in [Mode::Enforce, Mode::DryRun] {
            let active = *active.get(mode) as f64;
            self.metrics
                .set_labeled_gauge(Metric::PolicyInfo, mode_name(mode), active);
        }
        self.metrics
            .set_labeled_gauge(Metric::BuildInfo, VERSION, 1.0);
    }

    /// Publishes the load of this worker; Envoy adds up the workers.
    #[inline(never)]
    fn publish_load(&mut self, sample: &LoadSample) {
        let load = sample.load;
        for (gauge, value) in [
            (Metric::ConnectionsActive, self.engine.len() as f64),
            (Metric::ConnectionsAge, sample.total_age.as_secs_f64()),
            (Metric::LoadConnections, load.connections),
            (Metric::LoadActive, load.active),
            (Metric::LoadRequests, load.requests),
            (Metric::LoadBytes, load.bytes),
        ] {
            self.metrics.set_gauge(gauge, value);
        }
        let hosts = self.engine.upstream_hosts();
        self.metrics
            .set_upstream_loads(hosts.map(|host| (host.address(), host.load())));
    }

    /// Shares the load of this worker with the others, and reads that of the whole proxy.
    #[inline(never)]
    fn share_load(&mut self, sample: &LoadSample, now: Instant) {
        let worker = self.worker_id(now);
        self.rebalancing.serves |= !self.engine.is_empty();
        let shared = SharedState(&*self.host);
        let proxy = if self.rebalancing.serves {
            let load = MeasuredLoad {
                load: sample.load,
                dry_run_drained: sample.dry_run_drained,
            };
            shared.write_load(worker, load, now)
        } else {
            Some(shared.proxy_load())
        };
        self.rebalancing.proxy = proxy.unwrap_or(self.rebalancing.proxy);
    }

    /// Publishes what is known about the peers. The leader does so for all workers.
    #[inline(never)]
    fn publish_peers(&mut self, peers: Option<(&View, OwnReport)>, now: Instant) {
        let (Some((view, own)), Some(policy)) = (peers, self.peers_policy()) else {
            return;
        };
        let rebalance = policy.rebalance.unwrap_or_default();
        let rule = policy.peers.as_ref().filter(|_| self.gossip.is_leader(now));
        let estimate = rule.and_then(|rule| {
            let own = self.weighted(own, &rebalance);
            let rules = Rules {
                measure: Measure::Connections,
                ..Rules::new(&rebalance, rule)
            };
            view.estimate(&own, rules, now)
        });
        let (peers, mean) = estimate.map_or((0, 0.0), |it| (it.peers, it.mean));
        self.metrics.set_gauge(Metric::Peers, peers as f64);
        self.metrics.set_gauge(Metric::PeersMean, mean);
    }

    /// Requests the selection of connections under policies of one mode. The modes do not affect each other.
    #[inline(never)]
    fn rebalance(
        &mut self,
        mode: Mode,
        sample: &LoadSample,
        peers: Option<(&View, OwnReport)>,
        now: Instant,
    ) {
        let rebalances = |policy: &Policy| policy.mode == mode && policy.rebalance.is_some();
        let policy = self.policies.find(rebalances).cloned();
        let rebalance = policy.as_ref().and_then(|policy| policy.rebalance.as_ref());
        let rule = policy.as_ref().and_then(|policy| policy.peers.as_ref());
        let (Some(rebalance), Some(rule), Some((view, own))) = (rebalance, rule, peers) else {
            *self.rebalancing.pods.get_mut(mode) = PodRebalancer::default();
            let drains_hosts =
                rebalance.is_some_and(|rebalance| self.engine.rebalance_hosts(rebalance, mode));
            *self.rebalancing.drains_hosts.get_mut(mode) = drains_hosts;
            return;
        };
        *self.rebalancing.drains_hosts.get_mut(mode) = false;
        if !self.rebalancing.serves {
            return;
        }
        let own = self.weighted(own, rebalance);
        let rules = Rules::new(rebalance, rule);
        let estimate = view.estimate(&own, rules, now);
        let pod = PodSample {
            worker: sample,
            pod: self.rebalancing.proxy.measured,
            weight: rules.effective_weight(&own),
            estimate: estimate.as_ref(),
        };
        let rebalancer = self.rebalancing.pods.get_mut(mode);
        rebalancer.update(&mut self.engine, rebalance, mode, &pod);
    }
}

/// The connections of a root are rebalanced.
fn rebalances_root(policies: &Policies, root: RootId) -> bool {
    let policy = policies.get(root);
    policy.is_some_and(|policy| policy.rebalance.is_some())
}
