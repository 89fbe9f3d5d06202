//! Clients open connections, send requests on them, and are drained.
//!
//! Only the requests of an expired connection are simulated one by one, because they decide when it drains. All
//! others are drawn as a number and recorded in the engine together.

use std::rc::Rc;
use std::time::Duration;

use evenkeel_engine::{Activity, Decision, DrainPoint, Effect, Origin};
use evenkeel_policy::{Direction, Measure, Mode, Policy};

use super::client::{self, BYTES, Client, Link};
use super::world::{Event, World};

/// Seconds between two counts of the requests of a connection if no measure uses them: often enough for the
/// engine to see that it is not silent.
const SELDOM: u32 = 8;
/// How long a client waits if no pod is ready.
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

    /// Opens a connection for a client with a request. kube-proxy picks a random ready pod.
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
        pod.engine.open(id, ORIGIN, rule, Mode::Enforce, seed);
        self.send_request(client);
    }

    /// Plans the next requests of newly expired connections.
    pub(super) fn plan_expired(&mut self, pod: usize) {
        while let Some(effect) = self.pods[pod].engine.poll() {
            if let Effect::DrainPending(id, _) = effect {
                self.plan_request(client::of(id));
            }
        }
    }

    fn plan_request(&mut self, client: u32) {
        let held = &mut self.clients[client as usize];
        if held.link == Link::Open {
            held.link = Link::Expired;
            let next = self.now.after(self.chance.until(held.rate.into()));
            self.events
                .plan(next, Event::Request(client, held.generation));
        }
    }

    pub(super) fn next_request(&mut self, client: u32, generation: u32) {
        let held = &mut self.clients[client as usize];
        if held.link == Link::Expired && held.generation == generation {
            held.link = Link::Open;
            self.send_request(client);
        }
    }

    /// Sends a request and its response, at which the connection can drain.
    fn send_request(&mut self, client: u32) {
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
        let (requested, responded) = (activity(1), activity(0));
        let index = held.pod as usize;
        let pod = &mut self.pods[index];
        pod.engine.advance(self.now);
        pod.engine.read(id, requested);
        let bucket = self.bucket.as_ref();
        let (head, tokens) = (Some(DrainPoint::ResponseHead), &mut pod.tokens);
        let decision = pod.engine.wrote(id, requested, head, bucket, tokens);
        if matches!(decision, Decision::Drain(_)) {
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
            ..responded
        };
        pod.engine.wrote(id, end, None, None, tokens);
        if pod.engine.needs_exact_time(id) {
            self.plan_request(client);
        }
        self.plan_expired(index);
    }

    /// Closes a connection of a pod that stops.
    pub(super) fn end(&mut self, client: u32, generation: u32) {
        let Client { link, pod, .. } = self.clients[client as usize];
        if link != Link::Disconnected && self.clients[client as usize].generation == generation {
            let id = client::id(client, generation);
            self.pods[pod as usize].engine.closed(id);
            self.detach(client);
            self.events.plan(self.now, Event::Connect(client));
        }
    }

    /// Removes the connection of a client.
    fn detach(&mut self, client: u32) {
        let held = &mut self.clients[client as usize];
        held.link = Link::Disconnected;
        let (pod, slot) = (held.pod as usize, held.slot);
        let clients = &mut self.pods[pod].clients;
        clients.swap_remove(slot as usize);
        if let Some(swapped) = clients.get(slot as usize) {
            self.clients[*swapped as usize].slot = slot;
        }
    }

    /// Records the requests of a pod's connections in its engine: of all, or of those whose turn it is.
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
            let responded = Activity {
                requests: held.requests.into(),
                active: 0,
                bytes: requests * BYTES,
                undelivered: 0,
            };
            let tokens = &mut pod.tokens;
            pod.engine.wrote(id, responded, None, None, tokens);
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
    /// As often as the policy needs it.
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
