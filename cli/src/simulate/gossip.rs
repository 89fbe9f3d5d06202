//! Gossip between pods: the module's own load reports, of which some are lost and some are delayed.

use std::time::Duration;

use evenkeel_engine::Instant;
use evenkeel_engine::peers::{FANOUT, Message as Reports, PeerLoads, Rules, View};
use evenkeel_policy::Trust;

use super::pod::Stage;
use super::world::{Event, World};

/// Up to this many pods, each has its own view. More pods share [`SHARED_VIEWS`] views in interval, and any pod of a view
/// reports for it: a view is a sample of the pods either way, and ten thousand pods would exchange sixty thousand
/// messages per second.
const MAX_OWN_VIEWS: usize = 64;
const SHARED_VIEWS: usize = 64;

/// A message in transit.
pub struct Message {
    from: usize,
    to: usize,
    text: String,
    is_request: bool,
}

pub struct Gossip {
    views: Vec<View>,
    /// The loads of each view at a time. Pods with one view share them.
    loads: Vec<Option<(Instant, PeerLoads)>>,
    /// When each view's pod sends its next request.
    next: Vec<Instant>,
    is_shared: bool,
}

impl Gossip {
    /// Creates the views of a service with this many pods over the whole time.
    pub fn new(pods: usize) -> Self {
        let is_shared = pods > MAX_OWN_VIEWS;
        let views = if is_shared { SHARED_VIEWS } else { pods };
        Self {
            views: vec![View::default(); views],
            loads: (0..views).map(|_| None).collect(),
            next: vec![Instant::default(); views],
            is_shared,
        }
    }

    /// The index of the view that a pod has.
    fn index(&self, pod: usize) -> usize {
        pod % self.views.len()
    }

    fn view(&self, pod: usize) -> &View {
        &self.views[self.index(pod)]
    }

    /// The loads of the peers of a pod.
    pub fn loads(&mut self, pod: usize, rules: Rules, now: Instant) -> &PeerLoads {
        let view = self.index(pod);
        let loads = &mut self.loads[view];
        if loads.as_ref().is_none_or(|(at, _)| *at != now) {
            *loads = None;
        }
        let (_, loads) = loads.get_or_insert_with(|| (now, self.views[view].loads(rules, now)));
        loads
    }
}

impl World<'_> {
    /// Sends the requests of pods whose interval it is, to a random ready pod as Envoy's random load balancing.
    pub(super) fn request_reports(&mut self) {
        let Some(peers) = &self.policy.peers else {
            return;
        };
        let interval = peers.interval / FANOUT;
        for view in 0..self.gossip.views.len() {
            let next = self.gossip.next[view];
            if next > self.now {
                continue;
            }
            let Some(from) = self.sender(view) else {
                continue;
            };
            // As in the module, a request for which the tick was late is made up.
            self.gossip.next[view] = if self.now.since(next) < interval {
                next.after(interval)
            } else {
                self.now.after(self.pod_random.duration_below(interval))
            };
            if let Some(to) = self.pod_random.pick(&self.ready) {
                let text = self.reports_of(from);
                self.send(Message {
                    from,
                    to,
                    text,
                    is_request: true,
                });
            }
        }
    }

    /// Picks a pod with this view.
    fn sender(&mut self, view: usize) -> Option<usize> {
        let views = self.gossip.views.len();
        let pods = self.pods.len().saturating_sub(view).div_ceil(views);
        // If most pods are gone, a turn is sometimes missed.
        (0..4.min(pods))
            .map(|_| view + views * self.pod_random.index_below(pods))
            .find(|&pod| self.pods[pod].stage != Stage::Removed)
    }

    fn reports_of(&mut self, pod: usize) -> String {
        let requested = self.since_request(pod);
        let own = self.pods[pod].own_report(self.policy, requested, self.now);
        let seed = self.pod_random.seed();
        self.gossip.view(pod).write_message(&own, self.now, seed)
    }

    /// Returns the time since the last request of another pod. With shared views only some requests are simulated:
    /// the time is random with the same rate.
    fn since_request(&mut self, pod: usize) -> Option<Duration> {
        let Self { pods, policy, .. } = self;
        let pod = &pods[pod];
        if self.gossip.is_shared && pod.stage == Stage::Ready {
            let every = policy.peers.as_ref()?.interval.as_secs_f64();
            return Some(self.pod_random.exponential(f64::from(FANOUT) / every));
        }
        pod.last_peer_request.map(|at| self.now.since(at))
    }

    fn send(&mut self, message: Message) {
        if self.pod_random.bool(self.setup.gossip_loss) {
            return;
        }
        if self.setup.gossip_delay.is_zero() {
            self.deliver(message);
            return;
        }
        let delay = self.pod_random.duration_below(self.setup.gossip_delay);
        self.events
            .schedule(self.now.after(delay), Event::Deliver(Box::new(message)));
    }

    pub(super) fn deliver(&mut self, message: Message) {
        let Message {
            from,
            to,
            text,
            is_request,
        } = message;
        if self.pods[to].stage == Stage::Removed {
            return;
        }
        let Some(peers) = &self.policy.peers else {
            return;
        };
        // As in the module: without authenticated peers only responses are trusted.
        let is_trusted = !is_request || peers.trust == Trust::SameIdentity;
        let every = peers.interval;
        if is_request {
            self.pods[to].last_peer_request = Some(self.now);
            let response = self.reports_of(to);
            if !is_trusted {
                self.pods[to].last_peer_request = None;
            }
            self.send(Message {
                from: to,
                to: from,
                text: response,
                is_request: false,
            });
        }
        let reports = Reports::parse(text.as_bytes());
        debug_assert!(reports.is_ok(), "{reports:?}: {text}");
        let (true, Ok(reports)) = (is_trusted, reports) else {
            return;
        };
        let index = self.gossip.index(to);
        self.gossip.loads[index] = None;
        let view = &mut self.gossip.views[index];
        view.forget(self.now, every);
        let seed = self.pod_random.seed();
        view.receive(self.pods[to].peer(), &reports, self.now, every, seed);
    }
}
