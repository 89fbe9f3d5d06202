//! Pods that exchange what they know as proxies do: each asks a random endpoint of the service [`FANOUT`]
//! times per `every` (itself, too, if it so happens), and some messages are lost.

use super::*;
use crate::peers::chance::Chance;

/// In so many steps each pod asks once.
const STEPS: u32 = 10;

/// Of a hundred messages.
const LOST: usize = 5;

pub(super) struct Pod {
    pub(super) id: PeerId,
    pub(super) load: f64,
    view: View,
    born: Instant,
    asked: Option<Instant>,
    /// It is among the endpoints.
    pub(super) ready: bool,
    /// It asks and answers.
    pub(super) runs: bool,
}

impl Pod {
    fn own(&self, now: Instant) -> OwnReport {
        OwnReport {
            id: self.id,
            load: connections(self.load),
            weight: 1.0,
            uptime: now.since(self.born),
            asked: self.asked.map(|asked| now.since(asked)),
        }
    }
}

pub(super) struct Fleet {
    pub(super) pods: Vec<Pod>,
    now: Instant,
    step: usize,
    chance: Chance,
    /// Every request gets a response, and its report is not used, as with `"trust": "anyone"`.
    only_answers: bool,
}

impl Fleet {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            pods: Vec::new(),
            now: NOON,
            step: 0,
            chance: Chance::new(seed),
            only_answers: false,
        }
    }

    /// The same pods, which believe answers only.
    pub(super) fn only_answers(self) -> Self {
        Self {
            only_answers: true,
            ..self
        }
    }

    /// Pods that carry `load` each, and know each other.
    pub(super) fn of(pods: usize, load: f64, seed: u64) -> Self {
        let mut fleet = Self::new(seed);
        fleet.start(pods, load);
        fleet.pass(6.0);
        fleet
    }

    pub(super) fn start(&mut self, pods: usize, load: f64) {
        for _ in 0..pods {
            let id = PeerId(self.chance.draw());
            self.pods.push(Pod {
                id,
                load,
                view: View::default(),
                born: self.now,
                asked: None,
                ready: true,
                runs: true,
            });
        }
    }

    /// Lets so many times `every` pass.
    pub(super) fn pass(&mut self, times: f64) {
        let end = self.now.after(EVERY.mul_f64(times));
        while self.now < end {
            self.now = self.now.after(EVERY / FANOUT / STEPS);
            self.step += 1;
            for asker in 0..self.pods.len() {
                if asker % STEPS as usize == self.step % STEPS as usize && self.pods[asker].runs {
                    self.ask(asker);
                }
            }
        }
    }

    fn ask(&mut self, asker: usize) {
        self.pods[asker].view.forget(self.now, EVERY);
        let ready: Vec<_> = (0..self.pods.len())
            .filter(|&pod| self.pods[pod].ready)
            .collect();
        if ready.is_empty() {
            return;
        }
        let asked = ready[self.chance.below(ready.len())];
        let question = self.told_by(asker);
        if asked == asker || !self.pods[asked].runs || self.is_lost() {
            return;
        }
        self.pods[asked].asked = Some(self.now);
        let answer = self.told_by(asked);
        if self.only_answers {
            // Nothing of the question is kept.
            self.pods[asked].asked = None;
        } else {
            self.hears(asked, &question);
        }
        if !self.is_lost() {
            self.hears(asker, &answer);
        }
    }

    fn told_by(&mut self, pod: usize) -> String {
        let seed = self.chance.draw();
        let pod = &self.pods[pod];
        pod.view.write_message(&pod.own(self.now), self.now, seed)
    }

    fn hears(&mut self, pod: usize, message: &str) {
        let seed = self.chance.draw();
        let pod = &mut self.pods[pod];
        let message = Message::parse(message.as_bytes()).unwrap();
        let heard = pod.view.receive(pod.id, &message, self.now, EVERY, seed);
        assert_eq!(heard.dropped, 0);
    }

    fn is_lost(&mut self) -> bool {
        self.chance.below(100) < LOST
    }

    /// What each pod estimates that serves.
    pub(super) fn estimates(&self) -> Vec<Option<Estimate>> {
        let serving = self.pods.iter().filter(|pod| pod.runs && pod.ready);
        serving
            .map(|pod| pod.view.estimate(&pod.own(self.now), RULES, self.now))
            .collect()
    }

    /// How far off each one's mean is from the truth, as a part of it; 1 where nothing is known.
    pub(super) fn errors(&self) -> Vec<f64> {
        let serving = || self.pods.iter().filter(|pod| pod.runs && pod.ready);
        let truth = serving().map(|pod| pod.load).sum::<f64>() / serving().count() as f64;
        self.estimates()
            .iter()
            .map(|known| known.map_or(1.0, |known| (known.mean / truth - 1.0).abs()))
            .collect()
    }
}
