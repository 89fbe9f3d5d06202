//! What all connections carry together, and which of them go when it is too much.

use std::collections::HashMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{CloseCode, Direction, Measure, Mode, Rebalance as Rule};

use super::Engine;
use crate::connection::{Connection, Kind, State};
use crate::hosts::{UpstreamHost, UpstreamHostId};
use crate::totals::Part;
use crate::{ConnectionId, DrainReason, Instant, Load, LoadComparison, PerMode};

/// How long a connection that was chosen waits for a moment to be told, before another one is chosen.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Turns of so long are made up for: answers can come in bursts.
const LATE: Duration = Duration::from_secs(1);

/// However much one carries, the next may go after that.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadSample {
    /// What a service's pods are compared by: what inbound connections under a rule carry, without those
    /// that have been told to go and those that serve exchanges between peers alone.
    pub load: Load,
    /// How many connections that is, by the mode of their roots.
    pub connections: PerMode<f64>,
    /// The part of it that has been chosen to go or is being drained; in dry run, that would be.
    pub selected: PerMode<Load>,
    /// Observe: the part of it that would be elsewhere by now.
    pub dry_run_drained: Load,
    /// The ages of all connections, added up.
    pub total_age: Duration,
}

/// Which connections to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectionScope {
    /// Those by which a service's pods are compared.
    Service,
    /// Those that stay with an upstream host.
    UpstreamHost(UpstreamHostId),
}

/// What is to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelectionRequest {
    /// The unit of `load`.
    pub measure: Measure,
    /// How much.
    pub load: f64,
    /// From where.
    pub scope: SelectionScope,
    /// Why.
    pub reason: DrainReason,
    /// Whose connections: each mode chooses from its own.
    pub mode: Mode,
}

impl Engine {
    /// Compares the upstream hosts of each cluster by the connections that stay with them, and wants connections to
    /// go from those that carry more than their share. Ask after [`Engine::look`], and [`Engine::search`] then.
    pub fn rebalance_hosts(&mut self, rule: &Rule, mode: Mode) -> bool {
        let now = self.now;
        let mut clusters: HashMap<Rc<[u8]>, Cluster> = HashMap::new();
        for (_, host) in self
            .hosts
            .iter()
            .filter(|(_, host)| host.load().connections > 0.0)
        {
            let cluster = clusters.entry(Rc::clone(host.cluster())).or_default();
            cluster.hosts += 1.0;
            cluster.load += host.load().of(rule.measure);
            cluster.most = cluster.most.max(host.load().of(rule.measure));
            cluster.youngest = cluster.youngest.max(host.known());
        }
        let ids: Vec<UpstreamHostId> = self.hosts.iter().map(|(id, _)| id).collect();
        let (mut rebalances, mut pace) = (false, 0.0);
        for id in ids {
            let Some(host) = self.hosts.get_mut(id) else {
                continue;
            };
            let Some(cluster) = clusters.get(host.cluster()) else {
                continue;
            };
            // What a dry run would have drained is there.
            let chosen = match mode {
                Mode::Enforce => host.going().enforced,
                Mode::DryRun => host.going().enforced.plus(host.going().dry_run),
            };
            let look = LoadComparison {
                own: host.load().of(rule.measure),
                fair_share: cluster.load / cluster.hosts,
                highest: cluster.most,
                connections: host.load().connections,
                worker_fraction: 1.0,
                selected: chosen.of(rule.measure),
                settled: now.since(cluster.youngest) >= rule.stabilization_window,
            };
            let rebalance = host.rebalance.get_mut(mode);
            let quota = rebalance.update(rule, look);
            rebalances |= rebalance.is_rebalancing();
            pace += quota.rate;
            if quota.select > 0.0 {
                let wanted = SelectionRequest {
                    measure: rule.measure,
                    load: quota.select,
                    scope: SelectionScope::UpstreamHost(id),
                    reason: DrainReason::Rebalance,
                    mode,
                };
                self.request_selection(wanted);
            }
        }
        self.set_drain_rate(mode, rule.measure, pace);
        rebalances
    }

    /// From now on, at most so much of what is chosen to be rebalanced goes a second.
    pub fn set_drain_rate(&mut self, mode: Mode, measure: Measure, per_second: f64) {
        let pace = self.pace.get_mut(mode);
        pace.measure = measure;
        pace.per_second = per_second;
    }

    /// The upstream host at `address` in `cluster`; None when there are too many to tell it apart.
    pub fn find_upstream_host(&mut self, cluster: &[u8], address: &[u8]) -> Option<UpstreamHostId> {
        self.hosts.find(cluster, address, self.now)
    }

    /// The upstream hosts that are known.
    pub fn upstream_hosts(&self) -> impl Iterator<Item = &UpstreamHost> {
        self.hosts.iter().map(|(_, host)| host)
    }

    /// An upstream host has begun to respond to a request.
    pub fn upstream_request_started(&mut self, host: UpstreamHostId) {
        self.hosts.request_started(host);
    }

    /// A request to which an upstream host had begun to respond has ended.
    pub fn upstream_request_ended(&mut self, host: UpstreamHostId) {
        self.hosts.request_ended(host);
    }

    /// A connection stays with an upstream host, or was last answered by it.
    pub fn set_upstream_host(&mut self, id: ConnectionId, host: UpstreamHostId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.host = Some(host);
        }
    }

    /// A request on it was an exchange between peers.
    pub fn record_peer_exchange(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.exchanges = connection.exchanges.saturating_add(1);
            // It was counted when it was read.
            self.requests = self.requests.saturating_sub(1);
        }
    }
}

/// The hosts of one cluster together.
#[derive(Debug, Default)]
struct Cluster {
    hosts: f64,
    load: f64,
    most: f64,
    youngest: Instant,
}

/// How fast what is chosen to be rebalanced may go: evenly, and turns that were late for want of answers are made
/// up for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    measure: Measure,
    per_second: f64,
    /// The next may go then.
    next: Instant,
}

impl Pace {
    /// When the next may go, or it is worth asking again.
    pub(super) fn turn(&self, now: Instant) -> Instant {
        if self.per_second > 0.0 {
            self.next
        } else {
            now.after(LATE)
        }
    }

    /// One goes that carries so much.
    pub(super) fn goes(&mut self, load: Load, now: Instant) {
        let wait = load.of(self.measure) / self.per_second;
        let wait = Duration::try_from_secs_f64(wait)
            .unwrap_or(LONGEST_WAIT)
            .min(LONGEST_WAIT);
        self.next = self.next.max(now.before(LATE.max(wait))).after(wait);
    }
}

impl Connection {
    /// It has been chosen to go, or is on its way. A client that ignores the drain signal stays.
    pub(super) fn goes(&self) -> bool {
        !matches!(self.state, State::Serving | State::Unmanaged) && !self.stays()
    }

    /// It is being drained, and its client ignores that.
    fn stays(&self) -> bool {
        self.is_draining() && self.evidence.ignores_signal()
    }

    /// What it carries. One that is being drained is no connection that another pod could get, unless its client
    /// ignores the drain signal; but what is in flight on it goes on, perhaps for hours. Of one that is not understood
    /// nothing more is known than that it is open.
    pub(super) fn load(&self) -> Load {
        match self.state {
            _ if self.stays() => self.full_load(),
            State::Closing { .. } => Load::default(),
            State::Unmanaged => Load {
                connections: 1.0,
                ..Load::default()
            },
            State::Draining { .. } | State::Lingering { .. } | State::DrainedByProxy => Load {
                connections: 0.0,
                ..self.full_load()
            },
            State::Serving | State::Due { .. } => self.full_load(),
        }
    }

    fn full_load(&self) -> Load {
        Load {
            connections: 1.0,
            active: f64::from(self.active),
            requests: self.flow.requests(),
            bytes: self.flow.bytes(),
        }
    }

    /// What it adds to the totals.
    pub(crate) fn part(&self) -> Part {
        let load = self.load();
        Part {
            is_of_service: self.counts(),
            is_connection: load.connections > 0.0,
            mode: self.mode,
            goes: self.goes(),
            left: self.left,
            is_selected: matches!(
                self.state,
                State::Due {
                    reason: DrainReason::Rebalance,
                    ..
                }
            ),
            active: load.active as u32,
            host: self.host.filter(|_| self.kind != Kind::Http),
        }
    }

    /// A service's pods are compared by it.
    pub(super) fn counts(&self) -> bool {
        self.rule.is_some()
            && self.origin.direction == Direction::Inbound
            && (self.exchanges == 0 || self.exchanges < self.requests)
    }

    pub(super) fn may_go(&self, scope: SelectionScope, now: Instant) -> bool {
        let is_asked = match scope {
            SelectionScope::Service => self.counts(),
            SelectionScope::UpstreamHost(host) => {
                self.host == Some(host) && self.kind != Kind::Http
            }
        };
        let Some(rule) = self.rule.as_ref().filter(|_| is_asked) else {
            return false;
        };
        let is_told = match self.kind {
            Kind::Http => self.requests > 0,
            Kind::WebSocket => rule.websocket.close_code != CloseCode::Off,
            Kind::Tcp => true,
        };
        is_told
            && self.state == State::Serving
            && !self.left
            && !self.open_requests.has_protected()
            && now >= self.spared
            && now.since(self.renewed) >= rule.min_connection_age
    }

    /// Who goes first: 0 before 2. An idle connection is harmed least by going; but one that has said
    /// nothing for a while will probably not be told soon.
    pub(super) fn rank(&self, now: Instant) -> u8 {
        let speaks = now.since(self.touched) < PATIENCE;
        match self.kind {
            Kind::Tcp => u8::from(self.asked),
            Kind::Http | Kind::WebSocket if !speaks => 2,
            Kind::Http | Kind::WebSocket => u8::from(self.active > 0),
        }
    }
}
