//! How pods tell each other what they carry: the module's own messages, of which some are lost and some late.

use std::time::Duration;

use evenkeel_engine::Instant;
use evenkeel_engine::peers::{FANOUT, Message as Told, View};
use evenkeel_policy::Trust;

use super::pod::Stage;
use super::world::{Event, World};

/// Up to so many pods each has a view of its own. If there are more, they share [`SHARED`] of them, pod by
/// pod in turn, each told by whichever of its pods is asked: a view is a sample of the pods either way, and
/// ten thousand pods would exchange sixty thousand messages a second.
const OWN: usize = 64;
const SHARED: usize = 64;

/// A message on its way.
pub struct Message {
    from: usize,
    to: usize,
    text: String,
    is_question: bool,
}

pub struct Gossip {
    views: Vec<View>,
    /// When each view's pod asks next.
    next: Vec<Instant>,
    shares: bool,
}

impl Gossip {
    /// Of a service that has so many pods over all the time.
    pub fn new(pods: usize) -> Self {
        let shares = pods > OWN;
        let views = if shares { SHARED } else { pods };
        Self {
            views: vec![View::default(); views],
            next: vec![Instant::default(); views],
            shares,
        }
    }

    pub fn view(&self, pod: usize) -> &View {
        &self.views[pod % self.views.len()]
    }
}

impl World<'_> {
    /// Lets those ask another pod whose time has come: any ready one, as Envoy's random load balancing has it.
    pub(super) fn ask_peers(&mut self) {
        let Some(peers) = &self.policy.peers else {
            return;
        };
        let turn = peers.interval / FANOUT;
        for view in 0..self.gossip.views.len() {
            let next = self.gossip.next[view];
            if next > self.now {
                continue;
            }
            let Some(from) = self.speaker(view) else {
                continue;
            };
            // As the module does: a turn that the tick was late for is made up for.
            self.gossip.next[view] = if self.now.since(next) < turn {
                next.after(turn)
            } else {
                self.now.after(self.aside.within(turn))
            };
            if let Some(to) = self.aside.pick(&self.ready) {
                let text = self.told_by(from);
                self.send(Message {
                    from,
                    to,
                    text,
                    is_question: true,
                });
            }
        }
    }

    /// One of the pods that have this view.
    fn speaker(&mut self, view: usize) -> Option<usize> {
        let views = self.gossip.views.len();
        let pods = self.pods.len().saturating_sub(view).div_ceil(views);
        // Where most are gone, a turn is missed now and then.
        (0..4.min(pods))
            .map(|_| view + views * self.aside.below(pods))
            .find(|&pod| self.pods[pod].stage != Stage::Gone)
    }

    fn told_by(&mut self, pod: usize) -> String {
        let asked = self.asked(pod);
        let own = self.pods[pod].own(self.policy, asked, self.now);
        let seed = self.aside.seed();
        self.gossip.view(pod).tell(&own, self.now, seed)
    }

    /// How long ago another pod asked it. Where views are shared only some of the questions are asked: the
    /// others would come as often, by chance.
    fn asked(&mut self, pod: usize) -> Option<Duration> {
        let Self { pods, policy, .. } = self;
        let pod = &pods[pod];
        if self.gossip.shares && pod.stage == Stage::Ready {
            let every = policy.peers.as_ref()?.interval.as_secs_f64();
            return Some(self.aside.until(f64::from(FANOUT) / every));
        }
        pod.asked.map(|asked| self.now.since(asked))
    }

    fn send(&mut self, message: Message) {
        if self.aside.happens(self.setup.gossip_loss) {
            return;
        }
        if self.setup.gossip_late.is_zero() {
            self.deliver(message);
            return;
        }
        let late = self.aside.within(self.setup.gossip_late);
        self.events
            .plan(self.now.after(late), Event::Deliver(Box::new(message)));
    }

    pub(super) fn deliver(&mut self, message: Message) {
        let Message {
            from,
            to,
            text,
            is_question,
        } = message;
        if self.pods[to].stage == Stage::Gone {
            return;
        }
        let Some(peers) = &self.policy.peers else {
            return;
        };
        // As the module does: of whoever may ask, only answers are believed.
        let is_believed = !is_question || peers.trust == Trust::SameIdentity;
        let every = peers.interval;
        if is_question {
            self.pods[to].asked = Some(self.now);
            let answer = self.told_by(to);
            if !is_believed {
                self.pods[to].asked = None;
            }
            self.send(Message {
                from: to,
                to: from,
                text: answer,
                is_question: false,
            });
        }
        let told = Told::parse(text.as_bytes());
        debug_assert!(told.is_ok(), "{told:?}: {text}");
        let (true, Ok(told)) = (is_believed, told) else {
            return;
        };
        let views = self.gossip.views.len();
        let view = &mut self.gossip.views[to % views];
        view.forget(self.now, every);
        let seed = self.aside.seed();
        view.hear(self.pods[to].peer(), &told, self.now, every, seed);
    }
}
