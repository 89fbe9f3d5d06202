//! Lives of connections, told on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

mod bounds;
mod budget;
mod cost;
mod demands;
mod drain_points;
mod draining;
mod dry_run;
mod fairness;
mod leaving;
mod limits;
mod load;
mod policy;
mod rebalance;
mod streams;
mod tcp;
mod turns;
mod websocket;

use std::collections::BTreeMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Direction, Mode, Policy, Rebalance, Rule};
use evenkeel_wire::h2::{Conditions, Tolerance, UNKNOWN};

use crate::{
    Activity, Bucket, BucketId, BucketStore, ConnectionEnd, ConnectionId, Decision, DrainPoint,
    DrainReason, Effect, Engine, Http2Client, Instant, Origin, StreamId,
};

const NOON: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const ORIGIN: Origin = Origin {
    policy: 1,
    direction: Direction::Inbound,
    port: 0,
};

/// The shared map of a proxy, and how often another worker is faster.
#[derive(Default)]
struct Map {
    /// The state of each bucket and its token.
    states: BTreeMap<BucketId, (u64, u32)>,
    lost_races: u32,
}

impl BucketStore for Map {
    fn load(&mut self, bucket: BucketId) -> (Option<u64>, u32) {
        match self.states.get(&bucket) {
            Some((state, token)) => (Some(*state), *token),
            None => (None, 0),
        }
    }

    fn store(&mut self, bucket: BucketId, state: u64, token: u32) -> bool {
        let held = self.states.get_mut(&bucket);
        if let Some((_, token)) = held
            && self.lost_races > 0
        {
            self.lost_races -= 1;
            *token += 1;
        }
        let held = self.states.get(&bucket).map(|(_, token)| *token);
        if held.is_some_and(|held| held != token) {
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
    map: Map,
    start: Instant,
}

impl Story {
    fn new(policy: &str) -> Self {
        let mut engine = Engine::default();
        engine.advance(NOON);
        Self {
            engine,
            policy: Policy::parse(policy.as_bytes()).unwrap(),
            map: Map::default(),
            start: NOON,
        }
    }

    /// A policy whose defaults are `rule`, without jitter or budget.
    fn rule(rule: &str) -> Self {
        Self::new(&format!(
            r#"{{"version": 1, "budget": "off", "defaults": {{"jitter": 0, {rule}}}}}"#
        ))
    }

    /// What its moves are taken from.
    fn bucket(&self) -> Option<Bucket> {
        let dry_run = self.policy.mode == Mode::DryRun;
        let budget = self.policy.budget?;
        Some(Bucket::new("evenkeel", budget, dry_run))
    }

    fn defaults(&self) -> Rc<Rule> {
        Rc::clone(&self.policy.defaults)
    }

    fn route(&self, name: &str) -> Rc<Rule> {
        Rc::clone(
            &self
                .policy
                .routes
                .iter()
                .find(|route| route.name == name)
                .unwrap()
                .rule,
        )
    }

    fn open(&mut self, id: u64) -> ConnectionId {
        let (id, rule) = (ConnectionId(id), self.defaults());
        let mode = self.policy.mode;
        self.engine.open(id, ORIGIN, Some(rule), mode, id.0);
        id
    }

    fn open_tcp(&mut self, id: u64) -> ConnectionId {
        let id = self.open(id);
        let rule = self.policy.tcp.first().map(|rule| Rc::clone(&rule.rule));
        self.engine.set_tcp(id, 5432, rule);
        id
    }

    /// Lets time pass, ticking every 100 ms.
    fn pass(&mut self, span: Duration) {
        let end = self.engine.now().after(span);
        while self.engine.now() < end {
            let next = self.engine.now().after(Duration::from_millis(100)).min(end);
            self.engine.advance(next);
            let bucket = self.bucket();
            self.engine.tick(32, |_| bucket.as_ref(), &mut self.map);
        }
    }

    fn at(&mut self, seconds: u64) {
        let to = self.start.after(Duration::from_secs(seconds));
        self.pass(to.since(self.engine.now()));
    }

    fn read(&mut self, id: ConnectionId, requests: u64, active: u32) {
        self.engine.read(id, activity(requests, active));
    }

    fn write(
        &mut self,
        id: ConnectionId,
        requests: u64,
        active: u32,
        point: DrainPoint,
    ) -> Decision {
        let bucket = self.bucket();
        self.engine.wrote(
            id,
            activity(requests, active),
            Some(point),
            bucket.as_ref(),
            &mut self.map,
        )
    }

    /// An HTTP/1 request and its answer.
    fn exchange(&mut self, id: ConnectionId, request: u64) -> Decision {
        self.read(id, request, 1);
        let decision = self.write(id, request, 1, DrainPoint::ResponseHead);
        self.engine
            .wrote(id, activity(request, 0), None, None, &mut self.map);
        decision
    }

    /// Compares upstream hosts, as a worker does after each sample.
    fn compare_hosts(&mut self, rebalance: &Rebalance, seed: u64) -> bool {
        let rebalances = self.engine.rebalance_hosts(rebalance, self.policy.mode);
        self.engine.run_selection(|_| true, seed);
        rebalances
    }

    fn effects(&mut self) -> Vec<Effect> {
        core::iter::from_fn(|| self.engine.poll()).collect()
    }
}

fn activity(requests: u64, active: u32) -> Activity {
    Activity {
        requests,
        active,
        bytes: 0,
        undelivered: 0,
    }
}

/// An HTTP/2 client with this tolerance, which has sent one request at a time and no body.
const fn client(tolerance: Tolerance) -> Http2Client {
    Http2Client {
        tolerance,
        multiplexes: false,
        has_bodies: false,
    }
}

/// A client that is drained at the end of its last stream under these conditions, and otherwise when idle.
const fn at_end(conditions: Conditions) -> Tolerance {
    Tolerance {
        at_end: conditions,
        ..Tolerance::WHEN_IDLE
    }
}

const ANY_TIME: Http2Client = client(Tolerance::ANY_TIME);
const WHEN_IDLE: Http2Client = client(Tolerance::WHEN_IDLE);
const AFTER_SLOW_RESPONSE: Http2Client =
    client(at_end(Conditions::SLOW.and(Conditions::SEQUENTIAL)));
const SETTLED: Http2Client = client(Tolerance {
    when_active: Conditions::SETTLED,
    ..at_end(Conditions::SETTLED)
});
/// A client that may discard responses that it has not read, and has had several streams open at once.
const UNREAD_RESPONSES: Http2Client = Http2Client {
    multiplexes: true,
    ..client(at_end(Conditions::ALONE))
};

/// The end of the last active stream, which was alone.
fn stream_end(client: Http2Client) -> DrainPoint {
    DrainPoint::Idle {
        ends_stream: true,
        was_alone: true,
        client,
    }
}

/// A write of the proxy's own, such as a PING, while no stream is active.
fn idle(client: Http2Client) -> DrainPoint {
    DrainPoint::Idle {
        ends_stream: false,
        was_alone: true,
        client,
    }
}

/// A frame boundary while streams are active.
fn active(client: Http2Client) -> DrainPoint {
    DrainPoint::Active { client }
}
