//! All connections of one worker.

mod adopt;
mod decide;
mod draining;
mod look;
mod rebalance;
mod search;
mod streams;
mod tick;
mod websocket;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Mode, Rule};

use crate::budget::Buckets;
use crate::connection::{Connection, Kind, State};
use crate::connections::Connections;
use crate::evidence::Evidence;
use crate::hosts::UpstreamHosts;
use crate::limits::{Draw, Limits};
use crate::load::Flow;
use crate::open_requests::OpenRequests;
use crate::timers::{Timers, Wake};
use crate::{
    Activity, Bucket, BucketStore, ConnectionEnd, ConnectionId, Decision, DrainPoint, DrainReason,
    Effect, Instant, Origin, PerMode,
};
use look::{Summed, Sweep};
use rebalance::Pace;
pub use rebalance::{LoadSample, SelectionRequest, SelectionScope};
use search::{Demand, Search};

/// The least time that a connection is said to be served. Node's http.Agent takes what is said as the timeout
/// of its requests, too, so with less it aborts responses near the end of a connection's life. It is no
/// false promise: an idle HTTP/1 connection stays open until it carries one more request.
const LEAST_HINT: Duration = Duration::from_secs(60);

/// The connections of one worker and what is decided about them.
#[derive(Debug, Default)]
pub struct Engine {
    now: Instant,
    connections: Connections,
    timers: Timers,
    effects: VecDeque<Effect>,
    /// Where connections lead.
    hosts: UpstreamHosts,
    /// What it remembers about the buckets of the budgets.
    buckets: Buckets,
    /// How fast what has to be rebalanced goes.
    pace: PerMode<Pace>,
    /// Rebalancing does not go by the rates of single connections.
    ignores_rates: bool,
    /// Rates as of the last complete sweep, and the one that is under way.
    rates: Summed,
    sweep: Option<Sweep>,
    /// How many samples have been taken.
    sample: u64,
    /// What is to be chosen by the next search, and the search that is under way.
    wanted: BTreeMap<(Mode, SelectionScope), Demand>,
    search: Option<Search>,
    /// What searches in the service have chosen, and the caller has not been told yet.
    chosen: PerMode<f64>,
    /// Requests and bytes on all connections by which the service is compared.
    requests: u64,
    flow: Option<Flow>,
    /// How many connections ticks and samples have looked at, ever.
    visits: u64,
}

impl Engine {
    /// The time it was last told.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Tells the time, which never goes back.
    pub fn advance(&mut self, now: Instant) {
        self.now = now;
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// No connection is open.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many connections wait for a point in time or their turn.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    /// How many connections ticks and samples have looked at since the engine began: what they cost.
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// A connection opened. Without a rule it is only counted. `seed` is its chance: different for each
    /// connection and each proxy.
    pub fn open(
        &mut self,
        id: ConnectionId,
        origin: Origin,
        rule: Option<Rc<Rule>>,
        mode: Mode,
        seed: u64,
    ) {
        let mut connection = Connection {
            origin,
            kind: Kind::Http,
            state: State::Serving,
            opened: self.now,
            renewed: self.now,
            touched: self.now,
            asked: false,
            answered: None,
            requested: None,
            spoken: self.now,
            streams: None,
            next_end: Instant::default(),
            draw: Draw::new(seed),
            rule,
            mode,
            matched: false,
            limits: Limits::default(),
            requests: 0,
            carried: 0,
            active: 0,
            open_requests: OpenRequests::default(),
            evidence: Evidence::default(),
            flow: Flow::new(self.now),
            host: None,
            exchanges: 0,
            spared: Instant::default(),
            left: false,
            timer: Wake::Never,
        };
        self.flow.get_or_insert_with(|| Flow::new(self.now));
        connection.limit();
        let wants = connection.wants();
        self.timers.set(id, &mut connection.timer, wants);
        if let Some(mut old) = self.connections.insert(id, connection) {
            self.timers.set(id, &mut old.timer, Wake::Never);
            self.rearm(id);
        }
    }

    /// Where a connection came in; None if it is not known here.
    pub fn origin(&self, id: ConnectionId) -> Option<Origin> {
        self.connections
            .get(&id)
            .map(|connection| connection.origin)
    }

    /// A request on it is governed by `rule`. The first replaces the rule it was opened with; a further
    /// one can only bring its end nearer.
    pub fn apply_rule(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.matched
            && connection
                .rule
                .as_ref()
                .is_some_and(|held| Rc::ptr_eq(held, rule))
        {
            return;
        }
        connection.put_under(rule);
        let Some(own) = connection.own_limits() else {
            return;
        };
        if connection.matched {
            connection.limits.tighten(own);
        } else {
            connection.limits = own;
            connection.matched = true;
        }
        self.rearm(id);
    }

    /// The rule that governs a connection.
    pub fn rule(&self, id: ConnectionId) -> Option<&Rc<Rule>> {
        self.connections
            .get(&id)
            .and_then(|connection| connection.rule.as_ref())
    }

    /// The connection's bytes are not HTTP; `rule` is the one for the listener's `port`, if there is one.
    pub fn set_tcp(&mut self, id: ConnectionId, port: u16, rule: Option<Rc<Rule>>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.kind = Kind::Tcp;
        connection.origin.port = port;
        connection.rule = rule;
        connection.limit();
        self.rearm(id);
    }

    /// The connection is not understood (any more): it is never announced, nor closed.
    pub fn bypass(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.state = State::Unmanaged;
        self.rearm(id);
    }

    /// The proxy drains the connection by itself: with a GOAWAY or a `connection: close` of its own. What is in
    /// flight still counts as load, the connection does not. One that is already drained here stays so.
    pub fn record_proxy_drain(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let State::Serving | State::Due { .. } = connection.state {
            connection.state = State::DrainedByProxy;
            self.rearm(id);
        }
    }

    /// A request under `rule` has begun on it.
    pub fn request_started(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.open_requests.began(rule);
        if connection.is_draining() {
            self.rearm(id);
        }
    }

    /// A request under `rule` has ended.
    pub fn request_ended(&mut self, id: ConnectionId, rule: &Rc<Rule>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.open_requests.ended(rule);
        if rule.protect || connection.is_draining() {
            self.rearm(id);
        }
    }

    /// The client sent something. Wants the exact time of a connection past a limit, as [`Engine::wrote`].
    /// False when it is not to be passed on: the client ignores the drain signal, and is closed.
    pub fn read(&mut self, id: ConnectionId, activity: Activity) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return true;
        };
        if connection.refuses_requests() {
            return false;
        }
        let settled = connection.state;
        connection.touched = now;
        connection.asked = true;
        if activity.requests > connection.requests {
            let is_due = matches!(connection.state, State::Due { .. });
            connection.requested = is_due.then_some(now);
        }
        // The client has reset a stream, and may be about to open another.
        if activity.active < connection.active {
            connection.answered = Some(now);
        }
        let is_delivery = connection.evidence.update(activity.undelivered);
        let ignores = connection.heard(activity, now);
        let carried = connection.carry(activity);
        carried.count(&mut self.requests, self.flow.as_mut(), &mut self.hosts);
        connection.settle(now);
        if connection.state != settled || (is_delivery && connection.closes_on_delivery()) {
            self.rearm(id);
        }
        if let Some(reason) = ignores {
            self.effects.push_back(Effect::SignalIgnored(id, reason));
        }
        true
    }

    /// True when [`Engine::wrote`] wants the exact time: the connection is past a limit.
    pub fn needs_exact_time(&self, id: ConnectionId) -> bool {
        let state = self.connections.get(&id).map(|connection| connection.state);
        !matches!(
            state,
            None | Some(
                State::Serving | State::Unmanaged | State::DrainedByProxy | State::Closing { .. }
            )
        )
    }

    /// The server writes: what is owed after the write, and the best moment in it to announce, if any. A move is
    /// taken from `bucket`; None where the policy has no budget.
    pub fn wrote(
        &mut self,
        id: ConnectionId,
        activity: Activity,
        point: Option<DrainPoint>,
        bucket: Option<&Bucket>,
        shared: &mut impl BucketStore,
    ) -> Decision {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else {
            return Decision::PassThrough;
        };
        let answered = activity.active < connection.active;
        connection.evidence.update(activity.undelivered);
        connection.touched = now;
        connection.asked = false;
        let carried = connection.carry(activity);
        carried.count(&mut self.requests, self.flow.as_mut(), &mut self.hosts);
        if let Some(reason) = connection.fall_due(now) {
            self.effects.push_back(Effect::DrainPending(id, reason));
        }
        let decision = match (connection.state, point) {
            (State::Due { .. }, Some(point)) => self.decide(id, point, bucket, shared),
            (State::Draining { .. } | State::Lingering { .. }, Some(DrainPoint::ResponseHead)) => {
                Decision::RepeatSignal
            }
            (State::Draining { since, .. } | State::Lingering { since, .. }, Some(point)) => {
                connection.refuse(point, since, now)
            }
            _ => Decision::PassThrough,
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            if answered {
                connection.answered = Some(now);
            }
            let settled = connection.state;
            connection.settle(now);
            // TCP: an answer begins a rest that may end it.
            let rests = connection.kind == Kind::Tcp;
            if rests || decision != Decision::PassThrough || settled != connection.state {
                self.rearm(id);
            }
        }
        decision
    }

    /// Takes a move from the budget, if one is left. Without a budget there always is.
    pub fn take_token(&mut self, bucket: Option<&Bucket>, shared: &mut impl BucketStore) -> bool {
        self.buckets.take(bucket, self.now, shared)
    }

    /// Takes a move from the budget, or tells once that there is none.
    fn afford(
        &mut self,
        id: ConnectionId,
        bucket: Option<&Bucket>,
        shared: &mut impl BucketStore,
    ) -> bool {
        if !self.is_its_turn(id) {
            return false;
        }
        if self.take_token(bucket, shared) {
            self.took_its_turn(id);
            return true;
        }
        self.tell_refused(id);
        false
    }

    /// The budget has nothing left for a connection: told once a move.
    fn tell_refused(&mut self, id: ConnectionId) {
        let connection = self.connections.get_mut(&id);
        if let Some(State::Due { refused, .. }) = connection.map(|it| &mut it.state)
            && !core::mem::replace(refused, true)
        {
            self.effects.push_back(Effect::BudgetExhausted(id));
        }
    }

    /// A connection to be rebalanced goes when the pace allows.
    fn is_its_turn(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return true;
        };
        let is_ready = self.now >= self.pace.get(connection.mode).turn(self.now);
        match &mut connection.state {
            State::Due {
                reason: DrainReason::Rebalance,
                queued,
                ..
            } => {
                *queued |= !is_ready;
                is_ready
            }
            _ => true,
        }
    }

    fn took_its_turn(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(&id)
            && let State::Due {
                reason: DrainReason::Rebalance,
                ..
            } = connection.state
        {
            let pace = self.pace.get_mut(connection.mode);
            pace.goes(connection.load(), self.now);
        }
    }

    /// The next thing to do or to tell.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The connection is no more. None if it was not known.
    pub fn closed(&mut self, id: ConnectionId) -> Option<ConnectionEnd> {
        let mut connection = self.connections.remove(&id)?;
        self.timers.set(id, &mut connection.timer, Wake::Never);
        Some(match connection.state {
            State::Draining { reason, .. } | State::Lingering { reason, .. } => {
                ConnectionEnd::AfterSignal(reason)
            }
            State::Closing { reason } => ConnectionEnd::ClosedByEngine(reason),
            State::Serving | State::Due { .. } | State::Unmanaged | State::DrainedByProxy => {
                ConnectionEnd::NotDrained
            }
        })
    }

    /// How long, at least a minute, and for how many more requests a connection will be served; None
    /// where nothing limits it.
    pub fn remaining(&self, id: ConnectionId) -> (Option<Duration>, Option<u64>) {
        let Some(Connection {
            state: State::Serving,
            limits,
            requests,
            ..
        }) = self.connections.get(&id)
        else {
            return (None, None);
        };
        let age = limits.deadline.map(|(at, _)| at.since(self.now));
        (
            age.map(|age| age.max(LEAST_HINT)),
            limits
                .requests
                .map(|last| last.get().saturating_sub(*requests)),
        )
    }

    fn rearm(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let wants = connection.wants();
        self.timers.set(id, &mut connection.timer, wants);
    }
}
