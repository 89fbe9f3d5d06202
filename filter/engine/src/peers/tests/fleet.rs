//! A simulated service: each pod sends a request to a random endpoint (which may be itself) [`FANOUT`] times per
//! interval, and some messages are lost.

use super::*;
use crate::peers::random::SeededRandom;

/// Each pod sends one request in so many steps.
const STEPS: u32 = 10;

/// Lost messages, of a hundred.
const LOST: usize = 5;

pub(super) struct Pod {
    pub(super) id: PeerId,
    pub(super) load: f64,
    view: View,
    started: Instant,
    last_peer_request: Option<Instant>,
    /// It is among the endpoints.
    pub(super) ready: bool,
    /// It sends requests and responses.
    pub(super) runs: bool,
}

impl Pod {
    fn own(&self, now: Instant) -> OwnReport {
        OwnReport {
            id: self.id,
            load: connections(self.load),
            weight: 1.0,
            uptime: now.since(self.started),
            since_peer_request: self.last_peer_request.map(|at| now.since(at)),
        }
    }
}

pub(super) struct Fleet {
    pub(super) pods: Vec<Pod>,
    now: Instant,
    step: usize,
    random: SeededRandom,
    /// Reports in requests are not used, as with `"trust": "anyone"`.
    uses_only_responses: bool,
}

impl Fleet {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            pods: Vec::new(),
            now: NOON,
            step: 0,
            random: SeededRandom::new(seed),
            uses_only_responses: false,
        }
    }

    /// The same pods, which use the reports in responses only.
    pub(super) fn using_only_responses(self) -> Self {
        Self {
            uses_only_responses: true,
            ..self
        }
    }

    /// Pods with this load each, which know each other.
    pub(super) fn of(pods: usize, load: f64, seed: u64) -> Self {
        let mut fleet = Self::new(seed);
        fleet.start(pods, load);
        fleet.pass(6.0);
        fleet
    }

    pub(super) fn start(&mut self, pods: usize, load: f64) {
        for _ in 0..pods {
            let id = PeerId(self.random.draw());
            self.pods.push(Pod {
                id,
                load,
                view: View::default(),
                started: self.now,
                last_peer_request: None,
                ready: true,
                runs: true,
            });
        }
    }

    /// Advances the time by this number of intervals.
    pub(super) fn pass(&mut self, times: f64) {
        let end = self.now.after(INTERVAL.mul_f64(times));
        while self.now < end {
            self.now = self.now.after(INTERVAL / FANOUT / STEPS);
            self.step += 1;
            for requester in 0..self.pods.len() {
                if requester % STEPS as usize == self.step % STEPS as usize
                    && self.pods[requester].runs
                {
                    self.exchange(requester);
                }
            }
        }
    }

    fn exchange(&mut self, requester: usize) {
        self.pods[requester].view.forget(self.now, INTERVAL);
        let ready: Vec<_> = (0..self.pods.len())
            .filter(|&pod| self.pods[pod].ready)
            .collect();
        if ready.is_empty() {
            return;
        }
        let responder = ready[self.random.below(ready.len())];
        let request = self.message_of(requester);
        if responder == requester || !self.pods[responder].runs || self.is_lost() {
            return;
        }
        self.pods[responder].last_peer_request = Some(self.now);
        let response = self.message_of(responder);
        if self.uses_only_responses {
            self.pods[responder].last_peer_request = None;
        } else {
            self.receive(responder, &request);
        }
        if !self.is_lost() {
            self.receive(requester, &response);
        }
    }

    fn message_of(&mut self, pod: usize) -> String {
        let seed = self.random.draw();
        let pod = &self.pods[pod];
        pod.view.write_message(&pod.own(self.now), self.now, seed)
    }

    fn receive(&mut self, pod: usize, message: &str) {
        let seed = self.random.draw();
        let pod = &mut self.pods[pod];
        let message = Message::parse(message.as_bytes()).unwrap();
        let received = pod.view.receive(pod.id, &message, self.now, INTERVAL, seed);
        assert_eq!(received.dropped, 0);
    }

    fn is_lost(&mut self) -> bool {
        self.random.below(100) < LOST
    }

    /// The estimate of each serving pod.
    pub(super) fn estimates(&self) -> Vec<Option<Estimate>> {
        let serving = self.pods.iter().filter(|pod| pod.runs && pod.ready);
        serving
            .map(|pod| pod.view.estimate(&pod.own(self.now), RULES, self.now))
            .collect()
    }

    /// The relative error of each pod's mean; 1 where it has none.
    pub(super) fn errors(&self) -> Vec<f64> {
        let serving = || self.pods.iter().filter(|pod| pod.runs && pod.ready);
        let truth = serving().map(|pod| pod.load).sum::<f64>() / serving().count() as f64;
        self.estimates()
            .iter()
            .map(|estimate| estimate.map_or(1.0, |estimate| (estimate.mean / truth - 1.0).abs()))
            .collect()
    }
}
