//! Upstream hosts, how their loads are compared, and how fast rebalancing drains.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Measure, Mode, Rebalance as Rule};

use super::{Engine, SelectionRequest, SelectionScope};
use crate::hosts::{UpstreamHost, UpstreamHostId};
use crate::{ConnectionId, DrainReason, Instant, Load, LoadComparison, SortedMap};

/// How far a drain may be late and still be made up for: safe points can come in bursts.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// The longest time between two drains, however much a connection carries.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// The hosts of one cluster together.
#[derive(Debug, Default)]
struct Cluster {
    hosts: f64,
    load: f64,
    highest: f64,
    /// When the newest host was first seen.
    newest: Instant,
}

/// How fast rebalancing drains: evenly, and drains that were late because there was no safe point are made up for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DrainRate {
    measure: Measure,
    per_second: f64,
    /// When the next drain is allowed.
    next: Instant,
}

impl DrainRate {
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.per_second > 0.0 && now >= self.next
    }

    /// A connection with this load is drained.
    pub(super) fn record_drain(&mut self, load: Load, now: Instant) {
        let interval = load.of(self.measure) / self.per_second;
        let interval = Duration::try_from_secs_f64(interval)
            .unwrap_or(MAX_INTERVAL)
            .min(MAX_INTERVAL);
        let earliest = now.before(MAX_DELAY.max(interval));
        self.next = self.next.max(earliest).after(interval);
    }
}

impl Engine {
    /// Compares the upstream hosts of each cluster by the connections that stay with them, and requests selections from
    /// those with excess load. Call it between [`Engine::take_sample`] and [`Engine::run_selection`].
    pub fn rebalance_hosts(&mut self, rule: &Rule, mode: Mode) -> bool {
        let now = self.now;
        let mut clusters: SortedMap<Rc<[u8]>, Cluster> = SortedMap::default();
        for (_, host) in self.hosts.iter() {
            if host.load().connections > 0.0 {
                let cluster = clusters.get_or_default(Rc::clone(host.cluster()));
                let load = host.load().of(rule.measure);
                cluster.hosts += 1.0;
                cluster.load += load;
                cluster.highest = cluster.highest.max(load);
                cluster.newest = cluster.newest.max(host.first_seen());
            }
        }
        let (mut rebalances, mut rate) = (false, 0.0);
        for (id, host) in self.hosts.iter_mut() {
            let Some(cluster) = clusters.get(host.cluster()) else {
                continue;
            };
            let comparison = LoadComparison {
                own: host.load().of(rule.measure),
                fair_share: cluster.load / cluster.hosts,
                highest: cluster.highest,
                connections: host.load().connections,
                worker_fraction: 1.0,
                selected: host.leaving(mode).of(rule.measure),
                is_stable: now.since(cluster.newest) >= rule.stabilization_window,
            };
            let rebalancer = host.rebalancer_mut(mode);
            let quota = rebalancer.update(rule, comparison);
            rebalances |= rebalancer.is_rebalancing();
            rate += quota.rate;
            if quota.select > 0.0 {
                self.selector.request(SelectionRequest {
                    measure: rule.measure,
                    load: quota.select,
                    scope: SelectionScope::Host(id),
                    reason: DrainReason::Rebalance,
                    mode,
                });
            }
        }
        self.set_drain_rate(mode, rule.measure, rate);
        rebalances
    }

    /// Limits the load that rebalancing drains a second.
    pub fn set_drain_rate(&mut self, mode: Mode, measure: Measure, per_second: f64) {
        let rate = self.rates.get_mut(mode);
        rate.measure = measure;
        rate.per_second = per_second;
    }

    /// The upstream host at `address` in `cluster`; None when there are too many to tell it apart.
    pub fn find_upstream_host(&mut self, cluster: &[u8], address: &[u8]) -> Option<UpstreamHostId> {
        self.hosts.find(cluster, address, self.now)
    }

    /// The known upstream hosts.
    pub fn upstream_hosts(&self) -> impl Iterator<Item = &UpstreamHost> {
        self.hosts.iter().map(|(_, host)| host)
    }

    /// An upstream host has started to respond to a request.
    pub fn upstream_request_started(&mut self, host: UpstreamHostId) {
        self.hosts.request_started(host);
    }

    /// A request to which an upstream host had started to respond has ended.
    pub fn upstream_request_ended(&mut self, host: UpstreamHostId) {
        self.hosts.request_ended(host);
    }

    /// A connection stays with an upstream host, or got its last response from it.
    pub fn set_upstream_host(&mut self, id: ConnectionId, host: UpstreamHostId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.set_upstream_host(host);
        }
    }

    /// A request of the connection was an exchange between peers, which is not load.
    pub fn record_peer_exchange(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.record_peer_exchange();
            self.meter.subtract_request();
        }
    }
}
