//! Pods come and go.

use std::time::Duration;

use evenkeel_engine::Instant;
use evenkeel_engine::peers::PeerId;

use super::client::Link;
use super::pod::{Pod, Stage};
use super::scenario::Change;
use super::setup::Setup;
use super::world::{Event, World};

/// In which a pod that leaves ends its connections.
const LEAVES: Duration = Duration::from_secs(5);
/// In which the clients of a pod that is lost notice.
const NOTICED: Duration = Duration::from_secs(1);

impl Change {
    /// How long it takes from its beginning to its end.
    pub(super) fn takes(self, setup: &Setup) -> Duration {
        match self {
            Self::Start(_) => setup.ready_after,
            Self::LeaveOldest(_) | Self::LeaveNewest(_) => LEAVES,
            Self::Die(_) => NOTICED,
        }
    }
}

impl World<'_> {
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Start(count) => {
                for _ in 0..count {
                    let pod = self.start(self.now);
                    let ready = self.now.after(self.setup.ready_after);
                    self.events.plan(ready, Event::Ready(pod));
                }
            }
            Change::LeaveOldest(count) => {
                let leaving = self.living().take(count).collect();
                self.leave(leaving);
            }
            Change::LeaveNewest(count) => {
                let leaving = self.living().rev().take(count).collect();
                self.leave(leaving);
            }
            Change::Die(count) => {
                for _ in 0..count.min(self.ready.len()) {
                    let lost = self.chance.below(self.ready.len());
                    let pod = self.ready.swap_remove(lost);
                    self.lose(pod);
                }
            }
        }
    }

    /// A pod begins.
    pub(super) fn start(&mut self, born: Instant) -> usize {
        let id = PeerId(self.chance.seed());
        self.pods.push(Pod::new(id, born));
        self.pods.len() - 1
    }

    /// Connections are sent to a pod from now on.
    pub(super) fn ready(&mut self, pod: usize) {
        if self.pods[pod].stage == Stage::Starting {
            self.pods[pod].stage = Stage::Ready;
            self.ready.push(pod);
        }
    }

    /// Those that are not on their way out, in the order in which they began.
    fn living(&self) -> impl DoubleEndedIterator<Item = usize> {
        let living = |pod: &usize| matches!(self.pods[*pod].stage, Stage::Starting | Stage::Ready);
        (0..self.pods.len()).filter(living)
    }

    fn leave(&mut self, leaving: Vec<usize>) {
        for pod in leaving {
            self.pods[pod].stage = Stage::Leaving;
            for at in 0..self.pods[pod].clients.len() {
                let client = self.pods[pod].clients[at];
                let generation = self.clients[client as usize].generation;
                let end = self.now.after(self.chance.within(LEAVES));
                self.events.plan(end, Event::End(client, generation));
            }
            self.events.plan(self.now.after(LEAVES), Event::Gone(pod));
        }
        let pods = &self.pods;
        self.ready.retain(|pod| pods[*pod].stage == Stage::Ready);
    }

    fn lose(&mut self, pod: usize) {
        for client in std::mem::take(&mut self.pods[pod].clients) {
            self.clients[client as usize].link = Link::Disconnected;
            let noticed = self.now.after(self.chance.within(NOTICED));
            self.events.plan(noticed, Event::Connect(client));
        }
        self.pods[pod].vanish();
    }
}
