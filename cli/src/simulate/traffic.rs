//! Clients open connections, send requests on them, and are drained.
//!
//! Only the requests of an expired connection are simulated one by one, because they decide when it drains. All
//! others are drawn as a number and recorded in the engine together.

use std::rc::Rc;
use std::time::Duration;

use evenkeel_engine::{Activity, Connection, Decision, DrainPoint, Effect, Origin};
use evenkeel_policy::{Direction, Measure, Mode, Policy};

use super::client::{self, BYTES, Client, ClientState};
use super::world::{Event, World};

/// Seconds between two counts of the requests of a connection if no measure uses them. They keep the engine from
/// treating it as silent.
const COUNT_INTERVAL: u32 = 8;
/// How long a client waits if no pod is ready.
const NO_POD: Duration = Duration::from_secs(1);
const ORIGIN: Origin = Origin {
    policy: 0,
    direction: Direction::Inbound,
    port: 0,
};

impl World<'_> {
    /// Opens the first connection of a client, and schedules that of the next one.
    pub(super) fn open(&mut self, client: u32) {
        self.connect(client);
        let next = client + 1;
        if (next as usize) < self.clients.len() {
            let pause = self.setup.opened_over / self.clients.len() as u32;
            self.events
                .schedule(self.now.after(pause), Event::Open(next));
        }
    }

    /// Opens a connection for a client with a request. kube-proxy picks a random ready pod.
    pub(super) fn connect(&mut self, client: u32) {
        let Some(index) = self.random.pick(&self.ready) else {
            let later = self.now.after(NO_POD);
            self.events.schedule(later, Event::Connect(client));
            return;
        };
        let seed = self.random.seed();
        let pod = &mut self.pods[index];
        let entry = &mut self.clients[client as usize];
        entry.generation += 1;
        entry.state = ClientState::Open;
        entry.pod = index as u32;
        entry.slot = pod.clients.len() as u32;
        entry.requests = 0;
        pod.clients.push(client);
        pod.engine.advance(self.now);
        let rule = Some(Rc::clone(&self.policy.defaults));
        let id = client::connection_id(client, entry.generation);
        pod.engine.open(id, ORIGIN, rule, Mode::Enforce, seed);
        self.send_request(client);
    }

    /// Schedules the next requests of newly expired connections.
    pub(super) fn schedule_expired(&mut self, pod: usize) {
        while let Some(effect) = self.pods[pod].engine.poll() {
            if let Effect::DrainPending(id, _) = effect {
                self.schedule_request(client::client_of(id));
            }
        }
    }

    fn schedule_request(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        if entry.state == ClientState::Open {
            entry.state = ClientState::Expired;
            let next = self.now.after(self.random.exponential(entry.rate.into()));
            self.events
                .schedule(next, Event::Request(client, entry.generation));
        }
    }

    pub(super) fn next_request(&mut self, client: u32, generation: u32) {
        let entry = &mut self.clients[client as usize];
        if entry.state == ClientState::Expired && entry.generation == generation {
            entry.state = ClientState::Open;
            self.send_request(client);
        }
    }

    /// Sends a request and its response, at which the connection can drain.
    fn send_request(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        entry.requests += 1;
        entry.counted = self.now;
        let id = client::connection_id(client, entry.generation);
        let activity = |active| Activity {
            requests: entry.requests.into(),
            active,
            bytes: BYTES / 2,
            ..Activity::default()
        };
        let (requested, responded) = (activity(1), activity(0));
        let index = entry.pod as usize;
        let pod = &mut self.pods[index];
        pod.engine.advance(self.now);
        pod.engine.read(id, &requested);
        let bucket = self.bucket.as_ref();
        let (head, tokens) = (Some(DrainPoint::ResponseHead), &mut pod.tokens);
        let decision = pod
            .engine
            .wrote(id, &requested, || head, |_| bucket, tokens);
        if matches!(decision, Decision::Drain(_)) {
            self.timeline.record_drain(self.now);
            pod.engine.closed(id);
            self.detach(client);
            let again = self.random.duration_around(self.setup.reconnect_after);
            self.events
                .schedule(self.now.after(again), Event::Connect(client));
            return;
        }
        let end = Activity {
            bytes: 0,
            undelivered: 0,
            ..responded
        };
        pod.engine.wrote(id, &end, || None, |_| None, tokens);
        let connection = pod.engine.connection(id);
        if connection.is_some_and(Connection::needs_exact_time) {
            self.schedule_request(client);
        }
        self.schedule_expired(index);
    }

    /// Closes a connection of a pod that stops.
    pub(super) fn end(&mut self, client: u32, generation: u32) {
        let Client { state, pod, .. } = self.clients[client as usize];
        if state != ClientState::Disconnected
            && self.clients[client as usize].generation == generation
        {
            let id = client::connection_id(client, generation);
            self.pods[pod as usize].engine.closed(id);
            self.detach(client);
            self.events.schedule(self.now, Event::Connect(client));
        }
    }

    /// Removes the connection of a client.
    fn detach(&mut self, client: u32) {
        let entry = &mut self.clients[client as usize];
        entry.state = ClientState::Disconnected;
        let (pod, slot) = (entry.pod as usize, entry.slot);
        let clients = &mut self.pods[pod].clients;
        clients.swap_remove(slot as usize);
        if let Some(swapped) = clients.get(slot as usize) {
            self.clients[*swapped as usize].slot = slot;
        }
    }

    /// Records the requests of a pod's connections in its engine, as often as the policy needs it.
    pub(super) fn count(&mut self, pod: usize) {
        let all = match CountFrequency::of(self.policy) {
            CountFrequency::Never => return,
            CountFrequency::Periodically => false,
            CountFrequency::EverySecond => true,
        };
        let Self {
            pods,
            clients,
            pod_random,
            now,
            ..
        } = self;
        let pod = &mut pods[pod];
        let slot = (now.as_nanos() / 1_000_000_000 % u64::from(COUNT_INTERVAL)) as u32;
        let counted = pod.clients.iter();
        for &client in counted.filter(|client| all || **client % COUNT_INTERVAL == slot) {
            let entry = &mut clients[client as usize];
            if entry.state != ClientState::Open {
                continue;
            }
            let span = now.since(entry.counted).as_secs_f64();
            entry.counted = *now;
            let requests = pod_random.poisson(f64::from(entry.rate) * span);
            if requests == 0 {
                continue;
            }
            entry.requests = entry.requests.saturating_add(requests as u32);
            let id = client::connection_id(client, entry.generation);
            let responded = Activity {
                requests: entry.requests.into(),
                active: 0,
                bytes: requests * BYTES,
                ..Activity::default()
            };
            let tokens = &mut pod.tokens;
            pod.engine.wrote(id, &responded, || None, |_| None, tokens);
        }
    }
}

/// How often the requests of a connection are counted.
enum CountFrequency {
    Never,
    Periodically,
    EverySecond,
}

impl CountFrequency {
    /// Returns how often the policy needs the requests.
    fn of(policy: &Policy) -> Self {
        let by_requests = policy.defaults.max_requests_per_connection.is_some();
        match &policy.rebalance {
            Some(rebalance) if rebalance.measure != Measure::Connections => Self::EverySecond,
            _ if by_requests => Self::EverySecond,
            Some(_) => Self::Periodically,
            None => Self::Never,
        }
    }
}
