//! Pods that exchange what they know as proxies do: each asks one of the service's endpoints at random,
//! three times per `every`, and some messages are lost.

use super::*;
use crate::peers::chance::Chance;

/// A moment of the simulation: a pod asks at one in ten of them.
const STEP: Duration = Duration::from_nanos(EVERY.as_nanos() as u64 / 30);

/// Of a hundred messages.
const LOST: usize = 5;

pub(super) struct Pod {
    pub(super) id: PeerId,
    pub(super) load: f64,
    pub(super) view: View,
    born: Instant,
    asked: Option<Instant>,
    /// It is among the endpoints.
    pub(super) ready: bool,
    /// It still runs.
    pub(super) runs: bool,
}

impl Pod {
    pub(super) fn own(&self, now: Instant) -> Own {
        Own {
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
    pub(super) now: Instant,
    pub(super) chance: Chance,
    steps: usize,
    /// Bytes of the longest message.
    pub(super) longest: usize,
}

impl Fleet {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            pods: Vec::new(),
            now: NOON,
            chance: Chance::new(seed),
            steps: 0,
            longest: 0,
        }
    }

    /// Starts pods that carry `load` each.
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

    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        while self.now < end {
            self.now = self.now.after(STEP);
            self.steps += 1;
            for asker in 0..self.pods.len() {
                self.pods[asker].view.forget(self.now, EVERY);
                if asker % 10 == self.steps % 10 && self.pods[asker].runs {
                    self.ask(asker);
                }
            }
        }
    }

    fn ask(&mut self, asker: usize) {
        let ready: Vec<_> = (0..self.pods.len())
            .filter(|&pod| pod != asker && self.pods[pod].ready)
            .collect();
        if ready.is_empty() {
            return;
        }
        let asked = ready[self.chance.below(ready.len())];
        let question = self.told_by(asker);
        if self.is_lost() {
            return;
        }
        self.pods[asked].asked = Some(self.now);
        let answer = self.told_by(asked);
        self.hears(asked, &question);
        if !self.is_lost() {
            self.hears(asker, &answer);
        }
    }

    fn told_by(&mut self, pod: usize) -> String {
        let seed = self.chance.draw();
        let pod = &self.pods[pod];
        let message = pod.view.tell(&pod.own(self.now), self.now, seed);
        self.longest = self.longest.max(message.len());
        message
    }

    fn hears(&mut self, pod: usize, message: &str) {
        let seed = self.chance.draw();
        let pod = &mut self.pods[pod];
        let heard = pod.view.hear(pod.id, message.as_bytes(), self.now, seed);
        assert_eq!(heard.unwrap().dropped, 0);
    }

    fn is_lost(&mut self) -> bool {
        self.chance.below(100) < LOST
    }

    /// What each pod that runs estimates.
    pub(super) fn estimates(&self) -> impl Iterator<Item = Option<Estimate>> {
        let running = self.pods.iter().filter(|pod| pod.runs);
        running.map(|pod| pod.view.estimate(&pod.own(self.now), RULES, self.now))
    }

    /// How far off the pods' means are, as a part of `truth`, the worst last; 1 where nothing is known.
    pub(super) fn errors(&self, truth: f64) -> Vec<f64> {
        let mut errors: Vec<_> = self
            .estimates()
            .map(|estimate| estimate.map_or(1.0, |known| (known.mean / truth - 1.0).abs()))
            .collect();
        errors.sort_unstable_by(f64::total_cmp);
        errors
    }
}
