//! The service on virtual time: pods, clients, and kube-proxy's choice between them.
//!
//! Time advances in ticks of the module. In each tick, planned events happen first (connections open, responses are sent,
//! messages arrive, pods start and stop), then each pod runs the module's tick.

use std::time::Duration;

use evenkeel_engine::{Bucket, Instant};
use evenkeel_policy::Policy;

use super::chance::Chance;
use super::client::Client;
use super::gossip::{Gossip, Message};
use super::pod::{Pod, Stage};
use super::queue::Queue;
use super::scenario::{Change, Scenario};
use super::setup::Setup;
use super::timeline::Timeline;

/// How often the module ticks.
const TICK: Duration = Duration::from_millis(100);
/// The number of ticks between two samples of a pod.
const LOOK: usize = 10;
/// The most connections that a tick closes.
const CLOSES: usize = 32;
/// Time before the first change, at least: for connections to open, and pods to hear of each other.
const BEFORE: Duration = Duration::from_secs(15);
/// Between the last connection's opening and the first change.
const REST: Duration = Duration::from_secs(1);
/// When it begins. The first pods are a day older.
const BEGIN: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const BORN: Instant = Instant::from_nanos(1_700_000_000_000_000_000 - 86_400_000_000_000);
/// What is planned.
pub(super) enum Event {
    Change(Change),
    /// Connections are sent to the pod from now on.
    Ready(usize),
    /// A pod has left.
    Gone(usize),
    /// This client opens its first connection, and then the next one does.
    Open(u32),
    /// A client opens another connection.
    Connect(u32),
    /// A request on an expired connection of a client, with the generation of the connection.
    Request(u32, u32),
    /// Its pod ends it.
    End(u32, u32),
    /// A message of a pod arrives at another one.
    Deliver(Box<Message>),
}

pub struct World<'a> {
    pub(super) setup: &'a Setup,
    pub(super) policy: &'a Policy,
    /// The budget of each pod.
    pub(super) bucket: Option<Bucket>,
    pub(super) now: Instant,
    /// Of clients and kube-proxy.
    pub(super) chance: Chance,
    /// Of what goes on between pods: apart, so that all begins alike under every policy.
    pub(super) aside: Chance,
    pub(super) events: Queue<Event>,
    pub(super) pods: Vec<Pod>,
    /// The pods that connections are sent to.
    pub(super) ready: Vec<usize>,
    pub(super) clients: Vec<Client>,
    pub(super) gossip: Gossip,
    pub(super) timeline: Timeline,
}

impl<'a> World<'a> {
    pub fn new(setup: &'a Setup, policy: &'a Policy) -> Self {
        let mut chance = Chance::new(setup.seed);
        let changes = setup.scenario.changes(setup.pods, setup.after);
        let joining: usize = changes
            .iter()
            .map(|(_, change)| match change {
                Change::Start(count) => *count,
                _ => 0,
            })
            .sum();
        let rate = 1.0 / setup.request_every.as_secs_f64();
        let clients = (0..setup.connections).map(|_| {
            let part = match setup.scenario {
                Scenario::HeavyTailed => chance.heavy_tailed(),
                _ => 1.0,
            };
            Client::new(rate * part)
        });
        let clients = clients.collect();
        let every = policy
            .peers
            .as_ref()
            .map_or(Duration::ZERO, |peers| peers.interval);
        let before = BEFORE.max(setup.opened_over + REST).max(every * 5);
        let first = BEGIN.after(Duration::from_secs(before.as_secs_f64().ceil() as u64));
        let last = changes
            .last()
            .map_or(Duration::ZERO, |(at, change)| *at + change.takes(setup));
        let mut world = Self {
            setup,
            policy,
            bucket: policy.budget.map(|budget| Bucket::new("", budget, false)),
            now: BEGIN,
            chance,
            aside: Chance::new(!setup.seed),
            events: Queue::new(),
            pods: Vec::new(),
            ready: Vec::new(),
            clients,
            gossip: Gossip::new(setup.pods + joining),
            timeline: Timeline::new(setup, first, first.after(last), setup.pods + joining),
        };
        for _ in 0..setup.pods {
            let pod = world.start(BORN);
            world.ready(pod);
        }
        let opens = first.since(BEGIN) - setup.opened_over - REST;
        world.events.plan(BEGIN.after(opens), Event::Open(0));
        for (at, change) in changes {
            world.events.plan(first.after(at), Event::Change(change));
        }
        world
    }

    /// Lets it all happen. Tells `progress` each second that has passed, of how many.
    pub fn run(mut self, mut progress: impl FnMut(u64, u64)) -> Timeline {
        let end = self.timeline.first().after(self.setup.lasts);
        let all = end.since(BEGIN).as_secs();
        let mut tick = 0_usize;
        self.timeline.sample(self.now, &self.pods, &self.clients);
        while self.now < end {
            tick += 1;
            let step = BEGIN.after(TICK * tick as u32);
            while let Some((at, event)) = self.events.next(step) {
                self.now = at;
                self.happen(event);
            }
            self.now = step;
            for pod in 0..self.pods.len() {
                self.tick(pod, pod % LOOK == tick % LOOK);
            }
            self.request_reports();
            if tick.is_multiple_of(LOOK) {
                self.timeline.sample(self.now, &self.pods, &self.clients);
                progress((tick / LOOK) as u64, all);
            }
        }
        self.timeline
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Change(change) => self.change(change),
            Event::Ready(pod) => self.ready(pod),
            Event::Gone(pod) => self.pods[pod].vanish(),
            Event::Open(client) => self.open(client),
            Event::Connect(client) => self.connect(client),
            Event::Request(client, generation) => self.next_request(client, generation),
            Event::End(client, generation) => self.end(client, generation),
            Event::Deliver(message) => self.deliver(*message),
        }
    }

    /// What the module does in a tick.
    fn tick(&mut self, index: usize, looks: bool) {
        let pod = &mut self.pods[index];
        if pod.stage == Stage::Gone {
            return;
        }
        pod.engine.advance(self.now);
        if pod.engine.timers() > 0 {
            let bucket = self.bucket.as_ref();
            pod.engine.tick(CLOSES, |_| bucket, &mut pod.tokens);
        }
        if looks {
            if self.policy.rebalance.is_some() {
                let (view, seed) = (self.gossip.view(index), self.aside.seed());
                self.pods[index].look(self.policy, view, seed);
            }
            self.count(index);
        }
        self.plan_expired(index);
    }
}
