//! One pod in the module, and three that the test plays.

use std::time::Duration;

use evenkeel_test_host::{Connection, HttpCall};
use evenkeel_test_module::pods::{Pod, message, peers};

use super::SECOND;

/// Three other pods.
pub const OTHERS: [u64; 3] = [7, 8, 9];

/// What the four pods carry together.
pub const ALL: u64 = 160;

/// A pod that carries 100 of the 160 connections of four, and its clients.
pub struct Scene {
    pub pod: Pod,
    pub clients: Vec<Connection>,
    /// How many were told in each second.
    pub told: Vec<usize>,
}

impl Scene {
    pub fn new(keys: &str) -> Self {
        let pod = Pod::start("shop-1", 1, &peers(keys));
        let clients = pod.open(0, 100);
        Self {
            pod,
            clients,
            told: Vec::new(),
        }
    }

    /// Passes a second, in which each client asks once and the others tell of themselves and of those whom
    /// they took over.
    pub fn second(&mut self) {
        let others = OTHERS.len() as u64;
        self.others_carry((ALL - self.clients.len() as u64) / others);
    }

    /// As [`Scene::second`], in which each of the others carries so many.
    pub fn others_carry(&mut self, connections: u64) {
        self.hear(|now| message(now, OTHERS.map(|id| (id, connections))));
    }

    /// As [`Scene::second`], in which every question is answered so; it is told the time.
    pub fn hear(&mut self, mut answer: impl FnMut(Duration) -> String) {
        self.pass(|question, now| question.answer(&[(":status", "200")], answer(now)));
    }

    /// As [`Scene::second`], in which nobody answers.
    pub fn silence(&mut self) {
        self.pass(|question, _| question.fail());
    }

    fn pass(&mut self, mut answer: impl FnMut(HttpCall, Duration)) {
        let before = self.clients.len();
        let Self { pod, clients, .. } = self;
        for tenth in 0..10 {
            pod.pass(SECOND / 10, |question| answer(question, pod.host.now()));
            // Who is told goes.
            clients
                .retain(|client| client.id() % 10 != tenth || !pod.workers[0].is_announced(client));
        }
        self.told.push(before - self.clients.len());
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
