//! Pods that exchange reports with each other.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_test_host::{Connection, HttpCall};

use super::{Pod, message_of};
use crate::TICK;

/// Pods that exchange reports with each other.
#[derive(Default)]
pub struct Fleet {
    /// The running pods, in the order of their start.
    pub pods: Vec<Pod>,
    lines: BTreeMap<(usize, usize), Connection>,
    turn: usize,
}

impl Fleet {
    /// Starts a pod.
    pub fn join(&mut self, pod: Pod) {
        self.pods.push(pod);
    }

    /// Stops the last pod at once.
    pub fn lose(&mut self) -> Option<Pod> {
        let pod = self.pods.pop();
        let left = self.pods.len();
        self.lines
            .retain(|(from, to), _| *from < left && *to < left);
        pod
    }

    /// Advances the time of all of them.
    pub fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / TICK.as_millis() {
            for from in 0..self.pods.len() {
                self.pods[from].host.advance(TICK);
                for call in self.pods[from].host.http_calls() {
                    self.carry(from, call);
                }
            }
        }
    }

    /// Forwards a request to each of the others in turn, as Envoy's load balancer does.
    fn carry(&mut self, from: usize, call: HttpCall) {
        let others = self.pods.len() - 1;
        if others == 0 {
            call.fail();
            return;
        }
        self.turn += 1;
        let to = (from + 1 + self.turn % others) % self.pods.len();
        let proxy = &self.pods[to].workers[0];
        let line = self.lines.entry((from, to));
        let line = line.or_insert_with(|| proxy.network.connect());
        let (_, response) = proxy.peer_request(line, &message_of(&call));
        let response = response.expect("a pod responds to a pod");
        call.respond(&[(":status", "200")], response.body);
    }
}
