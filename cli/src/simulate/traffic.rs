//! Clients open connections, ask on them, and are told to go.
//!
//! Only the requests of a connection that is due are played one by one, for they decide when it is told. All
//! others are drawn in number and told to the engine together, once in a while.

use std::rc::Rc;
use std::time::Duration;

use evenkeel_engine::{Activity, Decision, Effect, Moment, Origin};
use evenkeel_policy::{Direction, Measure, Policy};

use super::client::{self, BYTES, Client, Link};
use super::world::{Event, World};

/// Every so many seconds the requests of a connection are counted where nobody compares them: often enough
/// for the engine to know that it is not silent.
const SELDOM: u32 = 8;
/// How long a client waits that found no pod.
const NO_POD: Duration = Duration::from_secs(1);
const ORIGIN: Origin = Origin {
    policy: 0,
    direction: Direction::Inbound,
    port: 0,
};

impl World<'_> {
    /// The clients open their first connections one after the other.
    pub(super) fn open(&mut self, client: u32) {
        self.connect(client);
        let next = client + 1;
        if (next as usize) < self.clients.len() {
            let pause = self.setup.opened_over / self.clients.len() as u32;
            self.events.plan(self.now.after(pause), Event::Open(next));
        }
    }

    /// A client opens a connection, because it has something to ask. kube-proxy gives it any ready pod.
    pub(super) fn connect(&mut self, client: u32) {
        let Some(index) = self.chance.pick(&self.ready) else {
            let later = self.now.after(NO_POD);
            self.events.plan(later, Event::Connect(client));
            return;
        };
        let seed = self.chance.seed();
        let pod = &mut self.pods[index];
        let held = &mut self.clients[client as usize];
        held.generation += 1;
        held.link = Link::Open;
        held.pod = index as u32;
        held.slot = pod.clients.len() as u32;
        held.requests = 0;
        pod.clients.push(client);
        pod.engine.advance(self.now);
        let rule = Some(Rc::clone(&self.policy.defaults));
        let id = client::id(client, held.generation);
        pod.engine.open(id, ORIGIN, rule, false, seed);
        self.ask(client);
    }

    /// Plans the next requests of those that have become due.
    pub(super) fn plan_due(&mut self, pod: usize) {
        while let Some(effect) = self.pods[pod].engine.poll() {
            if let Effect::Due(id, _) = effect {
                self.plan_ask(client::of(id));
            }
        }
    }

    fn plan_ask(&mut self, client: u32) {
        let held = &mut self.clients[client as usize];
        if held.link == Link::Open {
            held.link = Link::Due;
            let next = self.now.after(self.chance.until(held.rate.into()));
            self.events.plan(next, Event::Ask(client, held.generation));
        }
    }

    pub(super) fn ask_again(&mut self, client: u32, generation: u32) {
        let held = &mut self.clients[client as usize];
        if held.link == Link::Due && held.generation == generation {
            held.link = Link::Open;
            self.ask(client);
        }
    }

    /// A request on a connection, and its answer: the moment at which it can be told to go.
    fn ask(&mut self, client: u32) {
        let held = &mut self.clients[client as usize];
        held.requests += 1;
        held.counted = self.now;
        let id = client::id(client, held.generation);
        let activity = |active| Activity {
            requests: held.requests.into(),
            active,
            bytes: BYTES / 2,
            undelivered: 0,
        };
        let (asks, answered) = (activity(1), activity(0));
        let index = held.pod as usize;
        let pod = &mut self.pods[index];
        pod.engine.advance(self.now);
        pod.engine.read(id, asks);
        let bucket = self.bucket.as_ref();
        let (head, tokens) = (Some(Moment::Head), &mut pod.tokens);
        let decision = pod.engine.wrote(id, asks, head, bucket, tokens);
        if matches!(decision, Decision::Announce(_)) {
            self.timeline.close(self.now);
            pod.engine.closed(id);
            self.detach(client);
            let again = self.chance.about(self.setup.reconnect_after);
            self.events
                .plan(self.now.after(again), Event::Connect(client));
            return;
        }
        let end = Activity {
            bytes: 0,
            undelivered: 0,
            ..answered
        };
        pod.engine.wrote(id, end, None, None, tokens);
        if pod.engine.is_moving(id) {
            self.plan_ask(client);
        }
        self.plan_due(index);
    }

    /// A pod that leaves ends a connection.
    pub(super) fn end(&mut self, client: u32, generation: u32) {
        let Client { link, pod, .. } = self.clients[client as usize];
        if link != Link::Away && self.clients[client as usize].generation == generation {
            let id = client::id(client, generation);
            self.pods[pod as usize].engine.closed(id);
            self.detach(client);
            self.events.plan(self.now, Event::Connect(client));
        }
    }

    /// A client has no connection any more.
    fn detach(&mut self, client: u32) {
        let held = &mut self.clients[client as usize];
        held.link = Link::Away;
        let (pod, slot) = (held.pod as usize, held.slot);
        let clients = &mut self.pods[pod].clients;
        clients.swap_remove(slot as usize);
        if let Some(moved) = clients.get(slot as usize) {
            self.clients[*moved as usize].slot = slot;
        }
    }

    /// Tells a pod's engine what its connections have carried: of each, or of those whose turn it is.
    pub(super) fn count(&mut self, pod: usize) {
        let all = match Count::of(self.policy) {
            Count::Never => return,
            Count::Seldom => false,
            Count::Always => true,
        };
        let Self {
            pods,
            clients,
            aside,
            now,
            ..
        } = self;
        let pod = &mut pods[pod];
        let turn = (now.as_nanos() / 1_000_000_000 % u64::from(SELDOM)) as u32;
        let in_turn = pod.clients.iter();
        for &client in in_turn.filter(|client| all || **client % SELDOM == turn) {
            let held = &mut clients[client as usize];
            if held.link != Link::Open {
                continue;
            }
            let span = now.since(held.counted).as_secs_f64();
            held.counted = *now;
            let requests = aside.times(f64::from(held.rate) * span);
            if requests == 0 {
                continue;
            }
            held.requests = held.requests.saturating_add(requests as u32);
            let id = client::id(client, held.generation);
            let answered = Activity {
                requests: held.requests.into(),
                active: 0,
                bytes: requests * BYTES,
                undelivered: 0,
            };
            let tokens = &mut pod.tokens;
            pod.engine.wrote(id, answered, None, None, tokens);
        }
    }
}

/// How often the requests of a connection are counted.
enum Count {
    Never,
    Seldom,
    Always,
}

impl Count {
    /// As often as a policy makes use of it.
    fn of(policy: &Policy) -> Self {
        let by_number = policy.defaults.max_requests_per_connection.is_some();
        match &policy.rebalance {
            Some(rebalance) if rebalance.measure != Measure::Connections => Self::Always,
            _ if by_number => Self::Always,
            Some(_) => Self::Seldom,
            None => Self::Never,
        }
    }
}
