//! Which connections rebalancing drains.
//!
//! One search serves all requests: those of the service, and those of each upstream host with excess load. It visits the
//! connections once, in slices of [`SLICE`], and keeps the best of each request, up to [`MAX_SELECTED`].

use evenkeel_policy::{Measure, Mode};

use super::Engine;
use super::sample::SLICE;
use crate::connection::Connection;
use crate::hosts::UpstreamHostId;
use crate::limits::mix;
use crate::{ConnectionId, DrainReason, Effect, Instant, OrderedIds, PerMode, SortedMap};

/// The most connections that one search selects for a request.
const MAX_SELECTED: usize = 256;

/// How many times the connections that a request needs are kept: by the end of a search some may have closed, or have
/// started to drain.
const SPARE_FACTOR: f64 = 2.0;

/// After this many selections, a step of a search leaves the other requests to the next one.
const SELECTIONS: usize = 128;

/// The connections among which a selection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectionScope {
    /// Those by which a service's pods are compared.
    Service,
    /// Those that stay with an upstream host.
    Host(UpstreamHostId),
}

/// A request to select connections.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelectionRequest {
    /// The unit of `load`.
    pub measure: Measure,
    /// The load to drain.
    pub load: f64,
    /// The connections to select from.
    pub scope: SelectionScope,
    /// The reason of their drains.
    pub reason: DrainReason,
    /// The mode of their roots: each mode selects from its own.
    pub mode: Mode,
}

/// The requests for selections, and the search for the best connections.
#[derive(Debug, Default)]
pub(super) struct Selector {
    /// The number of samples so far.
    samples: u64,
    /// What the next search is for.
    requested: SortedMap<Key, Group>,
    search: Option<Search>,
    /// The load that searches in the service have selected, and that the caller has not taken yet.
    selected: PerMode<f64>,
}

type Key = (Mode, SelectionScope);

/// A search that is under way.
#[derive(Debug)]
struct Search {
    /// Where the next slice begins; None: all connections were visited.
    cursor: Option<usize>,
    /// The requests that were not served yet.
    groups: SortedMap<Key, Group>,
    /// One of them is of the service.
    has_service: bool,
    /// Policies whose connections may be selected, in their order.
    policies: Vec<u32>,
    seed: u64,
}

/// A request as of a sample. It is dropped unless each later sample confirms it: by the time a search of many connections
/// has ended, the pod or host may not be overloaded any more.
#[derive(Clone, Copy, Debug)]
struct Demand {
    request: SelectionRequest,
    sample: u64,
}

/// A request and the best connections for it so far.
#[derive(Debug)]
struct Group {
    demand: Demand,
    /// With their ranks.
    best: OrderedIds,
}

impl Group {
    /// The most connections to keep.
    fn capacity(&self) -> usize {
        let SelectionRequest { measure, load, .. } = self.demand.request;
        match measure {
            // Each connection is one. A cast from a float saturates.
            Measure::Connections => ((load * SPARE_FACTOR).ceil() as usize).clamp(1, MAX_SELECTED),
            Measure::Requests | Measure::Bytes => MAX_SELECTED,
        }
    }

    /// Keeps a connection if it is among the best: those with the lowest ranks, in random order within one rank.
    fn keep(&mut self, id: ConnectionId, rank: u8, random: u64) {
        let rank = (u64::from(rank) << 56) | (random >> 8);
        if self.best.len() >= self.capacity() {
            let worst = self.best.last_until(u64::MAX);
            let Some((number, worst)) = worst.filter(|worst| *worst > (rank, id.0)) else {
                return;
            };
            self.best.remove(number, worst);
        }
        self.best.insert(rank, id.0);
    }
}

impl SelectionScope {
    fn includes(self, connection: &Connection) -> bool {
        match self {
            Self::Service => connection.is_of_service(),
            Self::Host(host) => connection.fixed_host() == Some(host),
        }
    }
}

impl SelectionRequest {
    /// The load of a connection that may be selected; None of one that may not, or that carries more than requested.
    fn eligible_load(&self, connection: &Connection, now: Instant) -> Option<f64> {
        let load = connection.load().of(self.measure);
        let is_eligible = load <= self.load
            && connection.mode() == self.mode
            && self.scope.includes(connection)
            && connection.may_be_selected(now);
        is_eligible.then_some(load)
    }
}

impl Search {
    fn consider(&mut self, connection: &Connection, now: Instant) {
        if !connection.may_be_selected(now) {
            return;
        }
        let service = self.has_service.then_some(SelectionScope::Service);
        let host = connection.fixed_host().map(SelectionScope::Host);
        let id = connection.id();
        for scope in [service, host].into_iter().flatten() {
            let Some(group) = self.groups.get_mut(&(connection.mode(), scope)) else {
                continue;
            };
            let request = group.demand.request;
            if self
                .policies
                .binary_search(&connection.origin().policy)
                .is_ok()
                && request.eligible_load(connection, now).is_some()
            {
                let rank = connection.selection_rank(now);
                group.keep(id, rank, mix(self.seed ^ id.0));
            }
        }
    }
}

impl Selector {
    pub(super) fn start_sample(&mut self) {
        self.samples = self.samples.saturating_add(1);
    }

    pub(super) fn request(&mut self, request: SelectionRequest) {
        let key = (request.mode, request.scope);
        let demand = Demand {
            request,
            sample: self.samples,
        };
        let groups = self.search.as_mut().map(|search| &mut search.groups);
        match groups.and_then(|groups| groups.get_mut(&key)) {
            Some(group) => group.demand = demand,
            None => {
                let best = OrderedIds::default();
                self.requested.insert(key, Group { demand, best });
            }
        }
    }

    /// Drops what the current sample has not confirmed. Gives the requests for which a search is to start.
    fn confirmed(&mut self) -> SortedMap<Key, Group> {
        let sample = self.samples;
        if let Some(search) = &mut self.search {
            search
                .groups
                .retain(|_, group| group.demand.sample == sample);
        }
        self.search.take_if(|search| search.groups.is_empty());
        if self.search.is_some() {
            return SortedMap::default();
        }
        self.requested
            .retain(|_, group| group.demand.sample == sample);
        core::mem::take(&mut self.requested)
    }
}

impl Engine {
    /// The load that searches in the service have selected since the last call, never more than was requested.
    pub fn take_selected(&mut self, mode: Mode) -> f64 {
        core::mem::take(self.selector.selected.get_mut(mode))
    }

    /// Requests a selection from the next search. It replaces the request that a search under way has for the same mode
    /// and scope.
    pub fn request_selection(&mut self, request: SelectionRequest) {
        self.selector.request(request);
    }

    /// Starts a search for all requests, or continues the one that is under way; the next ticks continue it. Each selected
    /// connection drains at its next safe point, as rate and budget allow. `is_ours` gives which policies rebalance.
    pub fn run_selection(&mut self, is_ours: impl Fn(u32) -> bool, seed: u64) {
        let groups = self.selector.confirmed();
        if !groups.is_empty() {
            let policies = self.connections.policies();
            let has_service = groups
                .keys()
                .any(|(_, scope)| *scope == SelectionScope::Service);
            self.selector.search = Some(Search {
                cursor: Some(0),
                has_service,
                groups,
                policies: policies.filter(|policy| is_ours(*policy)).collect(),
                seed,
            });
        }
        self.continue_search();
    }

    /// Visits the next slice of a search that is under way; at its end, selects for as many requests as fit into a step.
    pub(super) fn continue_search(&mut self) {
        let Some(mut search) = self.selector.search.take() else {
            return;
        };
        let now = self.now;
        if let Some(cursor) = search.cursor {
            let mut visited = 0_u64;
            search.cursor = self.connections.slice(cursor, SLICE, |connection| {
                visited = visited.saturating_add(1);
                search.consider(connection, now);
            });
            self.visits = self.visits.saturating_add(visited);
        }
        // Each selection is an effect.
        let most = self.effects.len().saturating_add(SELECTIONS);
        while search.cursor.is_none() && self.effects.len() < most {
            let Some(((mode, scope), group)) = search.groups.pop_first() else {
                return;
            };
            if group.demand.sample != self.selector.samples {
                continue;
            }
            let selected = self.select_best(group);
            if scope == SelectionScope::Service {
                *self.selector.selected.get_mut(mode) += selected;
            }
        }
        self.selector.search = Some(search);
    }

    fn select_best(&mut self, group: Group) -> f64 {
        let now = self.now;
        let mut rest = group.demand.request;
        let mut selected = 0.0;
        for (_, id) in group.best.after(None) {
            let id = ConnectionId(id);
            // Each connection is one: no further one is eligible.
            if rest.measure == Measure::Connections && rest.load < 1.0 {
                break;
            }
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            // Since it was visited it may have started to drain, or become more active.
            let Some(load) = rest.eligible_load(connection, now) else {
                continue;
            };
            rest.load -= load;
            selected += load;
            connection.select(rest.reason, now);
            connection.schedule(&mut self.timers);
            let effect = Effect::DrainPending(id, rest.reason);
            self.effects.push_back(effect);
        }
        selected
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn kept(measure: Measure, load: f64) -> Vec<u64> {
        let request = SelectionRequest {
            measure,
            load,
            scope: SelectionScope::Service,
            reason: DrainReason::Rebalance,
            mode: Mode::Enforce,
        };
        let mut group = Group {
            demand: Demand { request, sample: 1 },
            best: OrderedIds::default(),
        };
        for id in 0..1000 {
            group.keep(ConnectionId(id), u8::from(id < 500), mix(id));
        }
        let numbers = group.best.after(None);
        numbers.map(|(_, id)| id).collect()
    }

    #[test]
    fn search_keeps_twice_the_connections_that_it_needs() {
        let mut expected: Vec<_> = (500..1000).collect();
        expected.sort_by_key(|id| mix(*id) >> 8);
        for (load, count) in [(0.1, 1), (1.0, 2), (2.5, 5), (100.0, 200), (1e9, 256)] {
            assert_eq!(kept(Measure::Connections, load), expected[..count]);
        }
        // How many requests or bytes a connection has differs.
        assert_eq!(kept(Measure::Requests, 1.0), expected[..256]);
    }
}
