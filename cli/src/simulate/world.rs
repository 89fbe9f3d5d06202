//! The service on virtual time: pods, clients, and kube-proxy's choice between them.
//!
//! Time advances in ticks of the module. In each tick, planned events handle first (connections open, responses are sent,
//! messages arrive, pods start and stop), then each pod runs the module's tick.

use std::time::Duration;

use evenkeel_engine::peers::Rules;
use evenkeel_engine::{Bucket, Instant};
use evenkeel_policy::Policy;

use super::client::Client;
use super::gossip::{Gossip, Message};
use super::pod::{Pod, Stage};
use super::queue::Queue;
use super::random::Random;
use super::scenario::{Change, Scenario};
use super::setup::Setup;
use super::timeline::Timeline;

/// How often the module ticks.
const TICK: Duration = Duration::from_millis(100);
/// The number of ticks between two samples of a pod.
const TICKS_PER_SAMPLE: usize = 10;
/// The most connections that a tick closes.
const MAX_CLOSES: usize = 32;
/// The minimum time before the first change, for connections to open and for gossip to spread.
const BEFORE: Duration = Duration::from_secs(15);
/// The time between the opening of the last connection and the first change.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// The start of the simulation. The first pods started a day earlier.
const BEGIN: Instant = Instant::from_nanos(1_700_000_000_000_000_000);
const FIRST_PODS_START: Instant =
    Instant::from_nanos(1_700_000_000_000_000_000 - 86_400_000_000_000);
/// A scheduled event.
pub(super) enum Event {
    Change(Change),
    /// A pod receives connections from now on.
    Ready(usize),
    /// A terminating pod has ended.
    Removed(usize),
    /// A client opens its first connection, and schedules the next client.
    Open(u32),
    /// A client opens another connection.
    Connect(u32),
    /// A request on an expired connection of a client, with the generation of the connection.
    Request(u32, u32),
    /// The pod of a client closes the connection, which has this generation.
    Close(u32, u32),
    /// A message of a pod arrives at another one.
    Deliver(Box<Message>),
}

pub struct World<'a> {
    pub(super) setup: &'a Setup,
    pub(super) policy: &'a Policy,
    /// The budget of each pod.
    pub(super) bucket: Option<Bucket>,
    pub(super) now: Instant,
    /// Draws for clients and kube-proxy.
    pub(super) random: Random,
    /// Draws for gossip and engines: separate, so that clients begin alike under every policy.
    pub(super) pod_random: Random,
    pub(super) events: Queue<Event>,
    pub(super) pods: Vec<Pod>,
    /// The pods that receive connections.
    pub(super) ready: Vec<usize>,
    pub(super) clients: Vec<Client>,
    pub(super) gossip: Gossip,
    pub(super) timeline: Timeline,
}

impl<'a> World<'a> {
    pub fn new(setup: &'a Setup, policy: &'a Policy) -> Self {
        let mut random = Random::new(setup.seed);
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
                Scenario::HeavyTailed => random.pareto(),
                _ => 1.0,
            };
            Client::new(rate * part)
        });
        let clients = clients.collect();
        let every = policy
            .peers
            .as_ref()
            .map_or(Duration::ZERO, |peers| peers.interval);
        let before = BEFORE.max(setup.opened_over + SETTLE_TIME).max(every * 5);
        let first = BEGIN.after(Duration::from_secs(before.as_secs_f64().ceil() as u64));
        let last = changes
            .last()
            .map_or(Duration::ZERO, |(at, change)| *at + change.duration(setup));
        let mut world = Self {
            setup,
            policy,
            bucket: policy.budget.map(|budget| Bucket::new("", budget, false)),
            now: BEGIN,
            random,
            pod_random: Random::new(!setup.seed),
            events: Queue::new(),
            pods: Vec::new(),
            ready: Vec::new(),
            clients,
            gossip: Gossip::new(setup.pods + joining),
            timeline: Timeline::new(setup, first, first.after(last), setup.pods + joining),
        };
        for _ in 0..setup.pods {
            let pod = world.start(FIRST_PODS_START);
            world.ready(pod);
        }
        let opens = first.since(BEGIN) - setup.opened_over - SETTLE_TIME;
        world.events.schedule(BEGIN.after(opens), Event::Open(0));
        for (at, change) in changes {
            world
                .events
                .schedule(first.after(at), Event::Change(change));
        }
        world
    }

    /// Runs the simulation. Calls `progress` after each second with the elapsed and the total seconds.
    pub fn run(mut self, mut progress: impl FnMut(u64, u64)) -> Timeline {
        let end = self.timeline.first().after(self.setup.duration);
        let all = end.since(BEGIN).as_secs();
        let mut tick = 0_usize;
        self.timeline.sample(self.now, &self.pods, &self.clients);
        while self.now < end {
            tick += 1;
            let step = BEGIN.after(TICK * tick as u32);
            while let Some((at, event)) = self.events.next(step) {
                self.now = at;
                self.handle(event);
            }
            self.now = step;
            for pod in 0..self.pods.len() {
                self.tick(pod, pod % TICKS_PER_SAMPLE == tick % TICKS_PER_SAMPLE);
            }
            self.request_reports();
            if tick.is_multiple_of(TICKS_PER_SAMPLE) {
                self.timeline.sample(self.now, &self.pods, &self.clients);
                progress((tick / TICKS_PER_SAMPLE) as u64, all);
            }
        }
        self.timeline
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Change(change) => self.change(change),
            Event::Ready(pod) => self.ready(pod),
            Event::Removed(pod) => self.pods[pod].remove(),
            Event::Open(client) => self.open(client),
            Event::Connect(client) => self.connect(client),
            Event::Request(client, generation) => self.next_request(client, generation),
            Event::Close(client, generation) => self.end(client, generation),
            Event::Deliver(message) => self.deliver(*message),
        }
    }

    /// Runs the module's tick.
    fn tick(&mut self, index: usize, is_sampling: bool) {
        let pod = &mut self.pods[index];
        if pod.stage == Stage::Removed {
            return;
        }
        pod.engine.advance(self.now);
        if pod.engine.timers() > 0 {
            let bucket = self.bucket.as_ref();
            pod.engine.tick(MAX_CLOSES, |_| bucket, &mut pod.tokens);
        }
        if is_sampling {
            if let Some(rebalance) = &self.policy.rebalance {
                let seed = self.pod_random.seed();
                let rules = self.policy.peers.as_ref();
                let rules = rules.map(|peers| Rules::new(rebalance, peers));
                let peers = rules.map(|rules| self.gossip.loads(index, rules, self.now));
                self.pods[index].sample(self.policy, peers, seed);
            }
            self.count(index);
        }
        self.schedule_expired(index);
    }
}
