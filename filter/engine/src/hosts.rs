//! The upstream hosts, and the load of each.

use std::rc::Rc;

use core::num::NonZeroU64;
use core::time::Duration;

use evenkeel_policy::Mode;

use crate::load::Flow;
use crate::{Instant, Load, PerMode, Rebalancer, SortedMap};

/// The most hosts that are distinguished. The load of further ones is not counted by host.
pub const MAX_HOSTS: usize = 1024;

/// A host without load is forgotten after this time.
const FORGET: Duration = Duration::from_secs(60);

/// How often hosts without load are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Names an upstream host for as long as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamHostId(NonZeroU64);

/// An upstream host and its load.
#[derive(Debug, Default)]
pub struct UpstreamHost {
    address: Rc<[u8]>,
    cluster: Rc<[u8]>,
    /// The load as of the last sample. `connections` are those that stay with the host: raw TCP, WebSockets.
    load: Load,
    /// The part of it that is selected, drains, or would have been drained by a dry run.
    leaving: PerMode<Load>,
    requests: u64,
    active: u32,
    flow: Flow,
    last_seen: Instant,
    first_seen: Instant,
    rebalancers: PerMode<Rebalancer>,
}

impl UpstreamHost {
    /// The `upstream.address` of Envoy.
    pub fn address(&self) -> &[u8] {
        &self.address
    }

    /// The cluster that the host belongs to.
    pub fn cluster(&self) -> &Rc<[u8]> {
        &self.cluster
    }

    /// The load of the host, as of the last sample.
    pub fn load(&self) -> Load {
        self.load
    }

    pub(crate) fn leaving(&self, mode: Mode) -> Load {
        self.leaving.leaving(mode)
    }

    pub(crate) fn first_seen(&self) -> Instant {
        self.first_seen
    }

    pub(crate) fn rebalancer_mut(&mut self, mode: Mode) -> &mut Rebalancer {
        self.rebalancers.get_mut(mode)
    }
}

/// The hosts of one worker.
#[derive(Debug, Default)]
pub struct UpstreamHosts {
    ids: SortedMap<Rc<[u8]>, Vec<UpstreamHostId>>,
    hosts: SortedMap<UpstreamHostId, UpstreamHost>,
    /// How many there have been so far.
    count: u64,
    swept: Instant,
}

impl UpstreamHosts {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (UpstreamHostId, &UpstreamHost)> {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (UpstreamHostId, &mut UpstreamHost)> {
        self.hosts.iter_mut().map(|(id, host)| (*id, host))
    }

    /// The host at `address` in `cluster`; None when there are too many to tell it apart.
    pub(crate) fn find(
        &mut self,
        cluster: &[u8],
        address: &[u8],
        now: Instant,
    ) -> Option<UpstreamHostId> {
        let known = self.ids.get(address).into_iter().flatten().find(|id| {
            let host = self.hosts.get(id);
            host.is_some_and(|host| *host.cluster == *cluster)
        });
        if let Some(id) = known.copied() {
            if let Some(host) = self.hosts.get_mut(&id) {
                host.last_seen = now;
            }
            return Some(id);
        }
        if self.hosts.len() >= MAX_HOSTS {
            self.forget_unused(now);
        }
        if self.hosts.len() >= MAX_HOSTS {
            return None;
        }
        let id = UpstreamHostId(NonZeroU64::MIN.saturating_add(self.count));
        self.count = self.count.saturating_add(1);
        let address: Rc<[u8]> = address.into();
        // One name a cluster, however many hosts it has.
        let cluster = self
            .hosts
            .values()
            .map(|host| &host.cluster)
            .find(|known| ***known == *cluster)
            .map_or_else(|| cluster.into(), Rc::clone);
        self.ids.get_or_default(Rc::clone(&address)).push(id);
        let host = UpstreamHost {
            address,
            cluster,
            flow: Flow::new(now),
            last_seen: now,
            first_seen: now,
            ..UpstreamHost::default()
        };
        self.hosts.insert(id, host);
        Some(id)
    }

    pub(crate) fn request_started(&mut self, id: UpstreamHostId) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.requests = host.requests.saturating_add(1);
            host.active = host.active.saturating_add(1);
        }
    }

    pub(crate) fn add_bytes(&mut self, id: UpstreamHostId, bytes: u64) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.flow.add_bytes(bytes);
        }
    }

    pub(crate) fn request_ended(&mut self, id: UpstreamHostId) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.active = host.active.saturating_sub(1);
        }
    }

    /// Updates the loads, and forgets hosts without load. `remaining` gives the load of connections that stay with a host,
    /// and the part of it that leaves; `has_rates` when it includes bytes.
    pub(crate) fn take_sample(
        &mut self,
        remaining: impl Fn(UpstreamHostId) -> (Load, PerMode<Load>),
        has_rates: bool,
        now: Instant,
    ) {
        for (id, host) in self.hosts.iter_mut() {
            let (remaining, leaving) = remaining(*id);
            host.leaving = leaving;
            host.flow.update(host.requests, now);
            host.load = Load {
                requests: host.flow.requests(),
                bytes: if has_rates && remaining.connections > 0.0 {
                    remaining.bytes
                } else {
                    host.flow.bytes()
                },
                active: remaining.active + f64::from(host.active),
                ..remaining
            };
            if host.active > 0 || remaining.connections > 0.0 || host.load.requests > 0.01 {
                host.last_seen = now;
            }
        }
        self.forget_unused(now);
    }

    /// Forgets hosts that have had no load for a while, at most once a second.
    fn forget_unused(&mut self, now: Instant) {
        if now.since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        let before = self.hosts.len();
        self.hosts.retain(|_, host| {
            let is_idle = host.active == 0 && host.load.connections == 0.0;
            !is_idle || now.since(host.last_seen) <= FORGET
        });
        if self.hosts.len() < before {
            let hosts = &self.hosts;
            self.ids.retain(|_, ids| {
                ids.retain(|id| hosts.contains_key(id));
                !ids.is_empty()
            });
        }
    }
}
