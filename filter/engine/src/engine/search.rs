//! Which connections go when too much is carried.
//!
//! One search serves all that is wanted: the whole service, and each upstream host with too much. It visits the
//! connections once, in slices of [`SLICE`], and keeps the best of each group in a heap of a fixed size.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use evenkeel_policy::Mode;

use super::look::SLICE;
use super::{Engine, SelectionRequest, SelectionScope};
use crate::connection::{Connection, Kind, State};
use crate::limits::mix;
use crate::{ConnectionId, Effect, Instant};

/// The most connections that one search chooses in a group.
const MOST: usize = 256;

/// A search that is under way.
#[derive(Debug)]
pub(super) struct Search {
    cursor: usize,
    groups: BTreeMap<(Mode, SelectionScope), Group>,
    /// Policies whose connections may be chosen.
    policies: BTreeSet<u32>,
    seed: u64,
}

/// What is wanted, as of a sample. It is dropped unless each later sample wants it, too: by the time a search of
/// many connections has come to its end, the host may be overloaded no longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    wanted: SelectionRequest,
    sample: u64,
}

/// Those from which a part has to go.
#[derive(Debug)]
struct Group {
    demand: Demand,
    /// The worst on top: it goes out first, and the best stay.
    best: BinaryHeap<(u8, u64, ConnectionId)>,
}

impl Search {
    fn consider(&mut self, id: ConnectionId, connection: &Connection, now: Instant) {
        let host = connection
            .host
            .filter(|_| connection.kind != Kind::Http)
            .map(SelectionScope::UpstreamHost);
        for among in [Some(SelectionScope::Service), host].into_iter().flatten() {
            let Some(group) = self.groups.get_mut(&(connection.mode, among)) else {
                continue;
            };
            let SelectionRequest { measure, load, .. } = group.demand.wanted;
            if connection.load().of(measure) <= load
                && connection.may_go(among, now)
                && self.policies.contains(&connection.origin.policy)
            {
                let rank = (connection.rank(now), mix(self.seed ^ id.0), id);
                group.best.push(rank);
                if group.best.len() > MOST {
                    group.best.pop();
                }
            }
        }
    }
}

impl Engine {
    /// Chooses connections to go: each goes at its next good moment, budget permitting. `is_ours` tells whose policy
    /// wants it. With many connections the next ticks go on with it.
    ///
    /// Gives how much has been chosen since it was last asked, which is never more than was wanted.
    pub fn select(
        &mut self,
        wanted: &SelectionRequest,
        is_ours: impl Fn(u32) -> bool,
        seed: u64,
    ) -> f64 {
        self.request_selection(*wanted);
        self.run_selection(is_ours, seed);
        self.take_selected(wanted.mode)
    }

    /// How much searches in the service have chosen since it was last asked.
    pub fn take_selected(&mut self, mode: Mode) -> f64 {
        core::mem::take(self.chosen.get_mut(mode))
    }

    /// The next search chooses from these, too. A search that is under way takes the newest number.
    pub fn request_selection(&mut self, wanted: SelectionRequest) {
        let key = (wanted.mode, wanted.scope);
        let demand = Demand {
            wanted,
            sample: self.sample,
        };
        let groups = self.search.as_mut().map(|search| &mut search.groups);
        match groups.and_then(|groups| groups.get_mut(&key)) {
            Some(group) => group.demand = demand,
            None => {
                self.wanted.insert(key, demand);
            }
        }
    }

    /// Begins to search for all that is wanted, unless a search is under way. `is_ours` tells whose policy wants it.
    pub fn run_selection(&mut self, is_ours: impl Fn(u32) -> bool, seed: u64) {
        let sample = self.sample;
        if let Some(search) = &mut self.search {
            search
                .groups
                .retain(|_, group| group.demand.sample == sample);
        }
        self.search.take_if(|search| search.groups.is_empty());
        if self.search.is_none() {
            let mut wanted = core::mem::take(&mut self.wanted);
            wanted.retain(|_, demand| demand.sample == sample);
            if wanted.is_empty() {
                return;
            }
            let group = |demand| Group {
                demand,
                best: BinaryHeap::new(),
            };
            let groups = wanted.into_iter();
            let policies = self.connections.policies();
            self.search = Some(Search {
                cursor: 0,
                groups: groups.map(|(key, demand)| (key, group(demand))).collect(),
                policies: policies.filter(|policy| is_ours(*policy)).collect(),
                seed,
            });
        }
        self.continue_search();
    }

    /// Visits the next slice of a search that is under way, and chooses at its end.
    pub(super) fn continue_search(&mut self) {
        let Some(mut search) = self.search.take() else {
            return;
        };
        let now = self.now;
        let mut visited = 0_u64;
        let next = self
            .connections
            .slice_mut(search.cursor, SLICE, |id, connection| {
                visited = visited.saturating_add(1);
                search.consider(id, connection, now);
            });
        self.visits = self.visits.saturating_add(visited);
        match next {
            Some(cursor) => self.search = Some(Search { cursor, ..search }),
            None => {
                for ((mode, among), group) in search.groups {
                    if group.demand.sample != self.sample {
                        continue;
                    }
                    let chosen = self.take_best(group);
                    if among == SelectionScope::Service {
                        *self.chosen.get_mut(mode) += chosen;
                    }
                }
            }
        }
    }

    fn take_best(&mut self, group: Group) -> f64 {
        let now = self.now;
        let SelectionRequest {
            measure,
            load: mut left,
            scope: among,
            reason,
            mode,
        } = group.demand.wanted;
        let mut chosen = 0.0;
        for (_, _, id) in group.best.into_sorted_vec() {
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            let load = connection.load().of(measure);
            // Since it was visited it may have begun to drain, or become busier.
            if load > left || connection.mode != mode || !connection.may_go(among, now) {
                continue;
            }
            left -= load;
            chosen += load;
            connection.state = State::Due {
                reason,
                since: now,
                queued: false,
                refused: false,
                put_off: false,
            };
            self.effects.push_back(Effect::DrainPending(id, reason));
            self.rearm(id);
        }
        chosen
    }
}
