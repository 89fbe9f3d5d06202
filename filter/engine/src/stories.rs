//! Connections from their opening to their end, on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

mod bounds;
mod budget;
mod cost;
mod delivery;
mod demands;
mod drain_points;
mod draining;
mod dry_run;
mod fairness;
mod http2;
mod ignored_signal;
mod limits;
mod load;
mod policy;
mod queues;
mod rebalance;
mod sessions;
mod streams;
mod tcp;
mod websocket;

use std::collections::BTreeMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Direction, Measure, Mode, Policy, Rebalance, Rule};
use evenkeel_wire::h2::{Conditions, IdleTime, Tolerance, UNKNOWN};
use serde_json::{Value, json};

use crate::{
    Activity, Bucket, BucketId, BucketStore, ConnectionEnd, ConnectionId, Decision, DrainPoint,
    DrainReason, Effect, Engine, Http2Client, Instant, Origin, SelectionRequest, SelectionScope,
    StreamId, TcpTraffic,
};
use http2::*;

const NOON: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const TICK: Duration = Duration::from_millis(100);

const PASS: Decision = Decision::PassThrough;
const DRAIN_BY_AGE: Decision = Decision::Drain(DrainReason::MaxConnectionAge);
const DRAIN_BY_REQUESTS: Decision = Decision::Drain(DrainReason::MaxRequestsPerConnection);
const DRAIN_BY_STREAM_AGE: Decision = Decision::Drain(DrainReason::MaxStreamAge);
const DRAIN_BY_REBALANCING: Decision = Decision::Drain(DrainReason::Rebalance);

/// The shared data of a proxy.
#[derive(Default)]
struct Store {
    /// The state of each bucket and its version.
    states: BTreeMap<BucketId, (u64, u32)>,
    /// How often another worker changes the state first.
    lost_races: u32,
}

impl BucketStore for Store {
    fn load(&mut self, bucket: BucketId) -> (Option<u64>, u32) {
        match self.states.get(&bucket) {
            Some((state, version)) => (Some(*state), *version),
            None => (None, 0),
        }
    }

    fn store(&mut self, bucket: BucketId, state: u64, version: u32) -> bool {
        let held = self.states.get_mut(&bucket);
        if let Some((_, version)) = held
            && self.lost_races > 0
        {
            self.lost_races -= 1;
            *version += 1;
        }
        let held = self.states.get(&bucket).map(|(_, version)| *version);
        if held.is_some_and(|held| held != version) {
            return false;
        }
        let next = held.unwrap_or_default() + 1;
        self.states.insert(bucket, (state, next));
        true
    }
}

/// One worker with one policy.
struct Story {
    engine: Engine,
    policy: Policy,
    store: Store,
    start: Instant,
}

impl Story {
    /// A worker whose policy has these keys.
    fn new(keys: Value) -> Self {
        let mut engine = Engine::default();
        engine.advance(NOON);
        Self {
            engine,
            policy: parse(keys),
            store: Store::default(),
            start: NOON,
        }
    }

    /// A worker whose policy has these defaults, without jitter and budget.
    fn rule(defaults: Value) -> Self {
        let defaults = merge(json!({"jitter": 0}), defaults);
        Self::new(json!({"budget": "off", "defaults": defaults}))
    }

    /// The worker, with an open connection.
    fn with_connection(mut self) -> (Self, ConnectionId) {
        let id = self.open(1);
        (self, id)
    }

    fn bucket(&self) -> Option<Bucket> {
        bucket(&self.policy)
    }

    fn defaults(&self) -> Rc<Rule> {
        Rc::clone(&self.policy.defaults)
    }

    fn route(&self, name: &str) -> Rc<Rule> {
        let route = self.policy.routes.iter().find(|route| route.name == name);
        Rc::clone(&route.unwrap().rule)
    }

    fn open(&mut self, id: u64) -> ConnectionId {
        self.open_under(1, self.policy.mode, id)
    }

    /// Opens a connection under another root.
    fn open_under(&mut self, policy: u32, mode: Mode, id: u64) -> ConnectionId {
        let (id, rule) = (ConnectionId(id), self.defaults());
        self.engine.open(id, origin(policy), Some(rule), mode, id.0);
        id
    }

    fn open_tcp(&mut self, id: u64) -> ConnectionId {
        let id = self.open(id);
        self.become_tcp(id);
        id
    }

    fn become_tcp(&mut self, id: ConnectionId) {
        let rule = self.policy.tcp.first().map(|rule| Rc::clone(&rule.rule));
        self.engine.set_tcp(id, 5432, rule, TcpTraffic::Raw);
    }

    fn open_websocket(&mut self, id: u64) -> ConnectionId {
        let id = self.open(id);
        assert!(self.engine.upgrade_to_websocket(id));
        id
    }

    /// Starts a request that matches a route.
    fn start_request(&mut self, id: ConnectionId, route: &str) -> Rc<Rule> {
        let rule = self.route(route);
        self.engine.apply_rule(id, &rule);
        self.engine.request_started(id, &rule);
        rule
    }

    /// A changed policy has this rule for all connections.
    fn replace_rule(&mut self, rule: &Rc<Rule>) {
        let rule = |_, _, _: Option<&Rule>| Some(Rc::clone(rule));
        self.engine.apply_policy(1, Mode::Enforce, rule);
    }

    fn set_drain_rate(&mut self, per_second: f64) {
        let engine = &mut self.engine;
        engine.set_drain_rate(Mode::Enforce, Measure::Connections, per_second);
    }

    /// Lets time pass, without a tick.
    fn advance(&mut self, span: Duration) {
        self.engine.advance(self.engine.now().after(span));
    }

    /// Lets time pass, with a tick every 100 ms.
    fn pass(&mut self, span: Duration) {
        let end = self.engine.now().after(span);
        while self.engine.now() < end {
            let next = self.engine.now().after(TICK).min(end);
            self.engine.advance(next);
            self.tick();
        }
    }

    fn tick(&mut self) {
        let bucket = self.bucket();
        self.engine.tick(32, |_| bucket.as_ref(), &mut self.store);
    }

    /// Lets time pass until so many seconds after the start.
    fn at(&mut self, seconds: u64) {
        let to = self.start.after(Duration::from_secs(seconds));
        self.pass(to.since(self.engine.now()));
    }

    fn read(&mut self, id: ConnectionId, requests: u64, active: u32) {
        self.engine.read(id, &activity(requests, active));
    }

    fn write(
        &mut self,
        id: ConnectionId,
        requests: u64,
        active: u32,
        point: DrainPoint,
    ) -> Decision {
        let bucket = self.bucket();
        let activity = activity(requests, active);
        let store = &mut self.store;
        self.engine
            .wrote(id, &activity, || Some(point), |_| bucket.as_ref(), store)
    }

    /// The client of a WebSocket sends a message.
    fn send_message(&mut self, id: ConnectionId) {
        let activity = Activity {
            has_message: true,
            ..activity(0, 1)
        };
        self.engine.read(id, &activity);
    }

    /// The server writes bytes in which no drain signal fits.
    fn write_no_point(&mut self, id: ConnectionId, requests: u64, active: u32) {
        let activity = activity(requests, active);
        self.engine
            .wrote(id, &activity, || None, |_| None, &mut self.store);
    }

    /// An HTTP/1 request and its response.
    fn exchange(&mut self, id: ConnectionId, request: u64) -> Decision {
        self.read(id, request, 1);
        let decision = self.write(id, request, 1, DrainPoint::ResponseHead);
        self.write_no_point(id, request, 0);
        decision
    }

    /// A request every millisecond, each on another one of the connections; those that are drained with it are removed.
    /// Gives how many these are.
    fn exchange_all_the_time(&mut self, ids: &mut Vec<ConnectionId>, seconds: u64) -> usize {
        let before = ids.len();
        for millisecond in 0..1000 * seconds {
            self.advance(Duration::from_millis(1));
            if millisecond % 100 == 0 {
                self.tick();
            }
            if self.exchange(ids[0], 1 + millisecond) == PASS {
                ids.rotate_left(1);
            } else {
                ids.remove(0);
            }
        }
        before - ids.len()
    }

    /// A request over TCP and its response.
    fn exchange_tcp(&mut self, id: ConnectionId) {
        self.read(id, 0, 0);
        self.write_no_point(id, 0, 0);
    }

    /// Selects connections. Gives the load that was selected since the last call.
    fn select(&mut self, request: SelectionRequest, seed: u64) -> f64 {
        self.engine.request_selection(request);
        self.engine.run_selection(|_| true, seed);
        self.engine.take_selected(request.mode)
    }

    /// Compares upstream hosts, as a worker does after each sample.
    fn compare_hosts(&mut self, rebalance: &Rebalance, seed: u64) -> bool {
        let rebalances = self.engine.rebalance_hosts(rebalance, self.policy.mode);
        self.engine.run_selection(|_| true, seed);
        rebalances
    }

    /// The effects since the last call.
    fn effects(&mut self) -> Vec<Effect> {
        core::iter::from_fn(|| self.engine.poll()).collect()
    }

    /// The connections closed since the last call, in order.
    fn closed(&mut self) -> Vec<ConnectionId> {
        let closed = |effect| match effect {
            Effect::Close { id, .. } => Some(id),
            _ => None,
        };
        self.effects().into_iter().filter_map(closed).collect()
    }

    /// How many effects since the last call are of this kind.
    fn count(&mut self, is_counted: impl Fn(&Effect) -> bool) -> usize {
        self.effects().iter().filter(|it| is_counted(it)).count()
    }

    /// How many connections ticks and samples visit during `act`.
    fn visits(&mut self, act: impl FnOnce(&mut Self)) -> u64 {
        let before = self.engine.visits();
        act(self);
        self.engine.visits() - before
    }
}

/// Builds a policy from its keys.
fn parse(keys: Value) -> Policy {
    let text = merge(json!({"version": 1}), keys).to_string();
    Policy::parse(text.as_bytes()).unwrap()
}

/// `base` with the keys of `more`, which replace those of `base`.
fn merge(mut base: Value, more: Value) -> Value {
    match (base.as_object_mut(), more) {
        (Some(keys), Value::Object(more)) => {
            for (key, value) in more {
                let held = keys.remove(&key).unwrap_or_default();
                keys.insert(key, merge(held, value));
            }
            base
        }
        (_, more) => more,
    }
}

fn bucket(policy: &Policy) -> Option<Bucket> {
    let is_dry_run = policy.mode == Mode::DryRun;
    Some(Bucket::new("evenkeel", policy.budget?, is_dry_run))
}

const fn origin(policy: u32) -> Origin {
    Origin {
        policy,
        direction: Direction::Inbound,
        port: 0,
    }
}

fn activity(requests: u64, active: u32) -> Activity {
    Activity {
        requests,
        active,
        ..Activity::default()
    }
}

/// A connection has reached its age.
fn expired(id: ConnectionId) -> Effect {
    Effect::DrainPending(id, DrainReason::MaxConnectionAge)
}

fn close(id: ConnectionId, reason: DrainReason, aborted: u32) -> Effect {
    Effect::Close {
        id,
        reason,
        aborted,
    }
}

fn is_close(effect: &Effect) -> bool {
    matches!(effect, Effect::Close { .. })
}

fn is_deferred(effect: &Effect) -> bool {
    matches!(effect, Effect::Deferred(..))
}

fn is_dry_run(effect: &Effect) -> bool {
    matches!(effect, Effect::DryRunDrain(..))
}

/// A request of rebalancing to select so many connections of the service.
fn selection(load: f64) -> SelectionRequest {
    SelectionRequest {
        measure: Measure::Connections,
        load,
        scope: SelectionScope::Service,
        reason: DrainReason::Rebalance,
        mode: Mode::Enforce,
    }
}
