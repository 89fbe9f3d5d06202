//! One pod in the module, and three that the test simulates.

use std::time::Duration;

use evenkeel_test_host::{Connection, HttpCall};
use evenkeel_test_module::pods::{Pod, message, peers};

use super::SECOND;

/// Three other pods.
pub const OTHERS: [u64; 3] = [7, 8, 9];

/// The load of the four pods together.
pub const ALL: u64 = 160;

/// A pod with 100 of the 160 connections of four pods, and its clients.
pub struct Service {
    pub pod: Pod,
    pub clients: Vec<Connection>,
    /// The drain signals of each second.
    pub drained: Vec<usize>,
}

impl Service {
    pub fn new(keys: &str) -> Self {
        let pod = Pod::start("shop-1", 1, &peers(keys));
        let clients = pod.open(0, 100);
        Self {
            pod,
            clients,
            drained: Vec::new(),
        }
    }

    /// Advances the time by a second, in which each client sends a request, and the other pods report their own load and
    /// the drained connections that they got.
    pub fn second(&mut self) {
        let others = OTHERS.len() as u64;
        self.others_carry((ALL - self.clients.len() as u64) / others);
    }

    /// As [`Service::second`], where each of the others has this many connections.
    pub fn others_carry(&mut self, connections: u64) {
        self.second_with_responses(|now| message(now, OTHERS.map(|id| (id, connections))));
    }

    /// As [`Service::second`], where `respond` writes every response, for the given time.
    pub fn second_with_responses(&mut self, mut respond: impl FnMut(Duration) -> String) {
        self.pass(|call, now| call.respond(&[(":status", "200")], respond(now)));
    }

    /// As [`Service::second`], where no pod responds.
    pub fn silence(&mut self) {
        self.pass(|call, _| call.fail());
    }

    fn pass(&mut self, mut respond: impl FnMut(HttpCall, Duration)) {
        let before = self.clients.len();
        let Self { pod, clients, .. } = self;
        for tenth in 0..10 {
            pod.pass(SECOND / 10, |call| respond(call, pod.host.now()));
            // A drained client closes.
            clients
                .retain(|client| client.id() % 10 != tenth || !pod.workers[0].is_drained(client));
        }
        self.drained.push(before - self.clients.len());
    }

    pub fn run(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.second();
        }
    }

    pub fn by_rebalance(&self, metric: &str) -> u64 {
        self.pod.metric(&format!(
            "drain_reason=.=rebalance;.;evenkeel_{metric}_total"
        ))
    }
}
