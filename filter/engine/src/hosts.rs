//! Upstream hosts: which there are, and what is carried to each.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use core::num::NonZeroU64;
use core::time::Duration;

use crate::load::Flow;
use crate::{Instant, Load, PerMode, Rebalancer};

/// The most hosts that are told apart; what is carried to further ones is not counted by host.
pub const MAX_HOSTS: usize = 1024;

/// A host to which nothing is carried for so long is taken to be gone.
const FORGET: Duration = Duration::from_secs(60);

/// How often hosts that are gone are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// An upstream host, for as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamHostId(NonZeroU64);

/// A host and what is carried to it.
#[derive(Debug)]
pub struct UpstreamHost {
    address: Rc<[u8]>,
    cluster: Rc<[u8]>,
    /// As the last look found it. `connections` are those that stay with it: raw TCP, WebSockets.
    load: Load,
    /// The part of it that has been chosen to go, is being drained, or would be elsewhere.
    going: PerMode<Load>,
    requests: u64,
    active: u32,
    flow: Flow,
    /// When something was last carried to it.
    seen: Instant,
    known: Instant,
    pub(crate) rebalance: PerMode<Rebalancer>,
}

impl UpstreamHost {
    /// `upstream.address`
    pub fn address(&self) -> &[u8] {
        &self.address
    }

    /// The cluster that it is one of.
    pub fn cluster(&self) -> &Rc<[u8]> {
        &self.cluster
    }

    /// What is carried to it, as of the last look.
    pub fn load(&self) -> Load {
        self.load
    }

    pub(crate) fn going(&self) -> PerMode<Load> {
        self.going
    }

    /// When it was first heard of.
    pub(crate) fn known(&self) -> Instant {
        self.known
    }
}

/// The hosts of one worker.
#[derive(Debug, Default)]
pub struct UpstreamHosts {
    ids: HashMap<Rc<[u8]>, Vec<UpstreamHostId>>,
    hosts: BTreeMap<UpstreamHostId, UpstreamHost>,
    /// How many there have ever been.
    known: u64,
    swept: Instant,
}

impl UpstreamHosts {
    /// Those that are known.
    pub fn iter(&self) -> impl Iterator<Item = (UpstreamHostId, &UpstreamHost)> {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    pub(crate) fn get_mut(&mut self, id: UpstreamHostId) -> Option<&mut UpstreamHost> {
        self.hosts.get_mut(&id)
    }

    /// The host at `address` in `cluster`; None when there are too many to tell it apart.
    pub fn find(&mut self, cluster: &[u8], address: &[u8], now: Instant) -> Option<UpstreamHostId> {
        let known = self.ids.get(address).into_iter().flatten().find(|id| {
            let host = self.hosts.get(id);
            host.is_some_and(|host| *host.cluster == *cluster)
        });
        if let Some(id) = known.copied() {
            if let Some(host) = self.hosts.get_mut(&id) {
                host.seen = now;
            }
            return Some(id);
        }
        if self.hosts.len() >= MAX_HOSTS {
            self.forget_gone(now);
        }
        if self.hosts.len() >= MAX_HOSTS {
            return None;
        }
        let id = UpstreamHostId(NonZeroU64::MIN.saturating_add(self.known));
        self.known = self.known.saturating_add(1);
        let address: Rc<[u8]> = address.into();
        // One name a cluster, however many hosts it has.
        let cluster = self
            .hosts
            .values()
            .map(|host| &host.cluster)
            .find(|known| ***known == *cluster)
            .map_or_else(|| cluster.into(), Rc::clone);
        self.ids.entry(Rc::clone(&address)).or_default().push(id);
        let host = UpstreamHost {
            address,
            cluster,
            load: Load::default(),
            going: PerMode::default(),
            requests: 0,
            active: 0,
            flow: Flow::new(now),
            seen: now,
            known: now,
            rebalance: PerMode::default(),
        };
        self.hosts.insert(id, host);
        Some(id)
    }

    /// The host has begun to answer a request.
    pub fn request_started(&mut self, id: UpstreamHostId) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.requests = host.requests.saturating_add(1);
            host.active = host.active.saturating_add(1);
        }
    }

    /// Bytes went over a connection to the host.
    pub(crate) fn carry(&mut self, id: UpstreamHostId, bytes: u64) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.flow.carry(bytes);
        }
    }

    /// A request that the host had begun to answer is over.
    pub fn request_ended(&mut self, id: UpstreamHostId) {
        if let Some(host) = self.hosts.get_mut(&id) {
            host.active = host.active.saturating_sub(1);
        }
    }

    /// Takes what the connections carry to the hosts, and forgets those to which nothing is. `carried` gives what
    /// connections carry that stay with a host, and the part of it that goes; `has_rates` when it knows their bytes.
    pub(crate) fn look(
        &mut self,
        carried: impl Fn(UpstreamHostId) -> (Load, PerMode<Load>),
        has_rates: bool,
        now: Instant,
    ) {
        for (id, host) in &mut self.hosts {
            let (carried, going) = carried(*id);
            host.going = going;
            host.flow.fold(host.requests, now);
            host.load = Load {
                requests: host.flow.requests(),
                bytes: if has_rates && carried.connections > 0.0 {
                    carried.bytes
                } else {
                    host.flow.bytes()
                },
                active: carried.active + f64::from(host.active),
                ..carried
            };
            if host.active > 0 || carried.connections > 0.0 || host.load.requests > 0.01 {
                host.seen = now;
            }
        }
        self.forget_gone(now);
    }

    /// Forgets hosts to which nothing was carried for a while; looks at most once a second.
    fn forget_gone(&mut self, now: Instant) {
        if now.since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        let before = self.hosts.len();
        self.hosts.retain(|_, host| {
            let is_idle = host.active == 0 && host.load.connections == 0.0;
            !is_idle || now.since(host.seen) <= FORGET
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
