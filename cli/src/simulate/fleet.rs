//! Pods start, become ready, terminate and crash.

use std::time::Duration;

use evenkeel_engine::Instant;
use evenkeel_engine::peers::PeerId;

use super::client::ClientState;
use super::pod::{Pod, Stage};
use super::scenario::Change;
use super::setup::Setup;
use super::world::{Event, World};

/// The time in which a terminating pod closes its connections.
const TERMINATION_TIME: Duration = Duration::from_secs(5);
/// The time in which clients detect that their pod crashed.
const DETECTION_TIME: Duration = Duration::from_secs(1);

impl Change {
    /// The time from its beginning to its end.
    pub(super) fn duration(self, setup: &Setup) -> Duration {
        match self {
            Self::Start(_) => setup.ready_after,
            Self::StopOldest(_) | Self::StopNewest(_) => TERMINATION_TIME,
            Self::Crash(_) => DETECTION_TIME,
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
                    self.events.schedule(ready, Event::Ready(pod));
                }
            }
            Change::StopOldest(count) => {
                let terminating = self.running().take(count).collect();
                self.terminate(terminating);
            }
            Change::StopNewest(count) => {
                let terminating = self.running().rev().take(count).collect();
                self.terminate(terminating);
            }
            Change::Crash(count) => {
                for _ in 0..count.min(self.ready.len()) {
                    let lost = self.random.index_below(self.ready.len());
                    let pod = self.ready.swap_remove(lost);
                    self.crash(pod);
                }
            }
        }
    }

    /// Starts a pod.
    pub(super) fn start(&mut self, started_at: Instant) -> usize {
        let id = PeerId(self.random.seed());
        self.pods.push(Pod::new(id, started_at));
        self.pods.len() - 1
    }

    /// Makes a pod receive connections.
    pub(super) fn ready(&mut self, pod: usize) {
        if self.pods[pod].stage == Stage::Starting {
            self.pods[pod].stage = Stage::Ready;
            self.ready.push(pod);
        }
    }

    /// The pods that do not terminate, in the order in which they started.
    fn running(&self) -> impl DoubleEndedIterator<Item = usize> {
        let running = |pod: &usize| matches!(self.pods[*pod].stage, Stage::Starting | Stage::Ready);
        (0..self.pods.len()).filter(running)
    }

    fn terminate(&mut self, terminating: Vec<usize>) {
        for pod in terminating {
            self.pods[pod].stage = Stage::Terminating;
            for at in 0..self.pods[pod].clients.len() {
                let client = self.pods[pod].clients[at];
                let generation = self.clients[client as usize].generation;
                let end = self.now.after(self.random.duration_below(TERMINATION_TIME));
                self.events.schedule(end, Event::Close(client, generation));
            }
            self.events
                .schedule(self.now.after(TERMINATION_TIME), Event::Removed(pod));
        }
        let pods = &self.pods;
        self.ready.retain(|pod| pods[*pod].stage == Stage::Ready);
    }

    fn crash(&mut self, pod: usize) {
        for client in std::mem::take(&mut self.pods[pod].clients) {
            self.clients[client as usize].state = ClientState::Disconnected;
            let noticed = self.now.after(self.random.duration_below(DETECTION_TIME));
            self.events.schedule(noticed, Event::Connect(client));
        }
        self.pods[pod].remove();
    }
}
