//! More pods than any of them can know.

use super::*;
use crate::peers::chance::Chance;

const PODS: usize = 10_000;

/// Ten thousand views would take minutes. So only some pods keep one, and any other that they meet tells of
/// itself, and what one of those views would tell: as all pods do the same, their views are alike.
const WITNESSES: usize = 100;

struct Crowd {
    views: Vec<View>,
    now: Instant,
    chance: Chance,
}

impl Crowd {
    fn own(&mut self, pod: usize) -> Own {
        Own {
            id: PeerId(1 + pod as u64),
            load: connections(if pod.is_multiple_of(2) { 0.0 } else { 100.0 }),
            weight: 1.0,
            uptime: self.now.since(NOON),
            asked: Some(EVERY.mul_f64(self.chance.below(1000) as f64 / 1000.0)),
        }
    }

    /// What a random pod tells.
    fn said(&mut self) -> String {
        let pod = self.chance.below(PODS);
        let own = self.own(pod);
        let view = &self.views[self.chance.below(WITNESSES)];
        view.tell(&own, self.now, self.chance.draw())
    }

    /// Each asks one, and is asked by one.
    fn round(&mut self) {
        self.now = self.now.after(EVERY / FANOUT);
        for pod in 0..WITNESSES {
            for message in [self.said(), self.said()] {
                let (me, seed) = (PeerId(1 + pod as u64), self.chance.draw());
                let view = &mut self.views[pod];
                view.forget(self.now, EVERY);
                view.hear(me, message.as_bytes(), self.now, seed).unwrap();
            }
        }
    }

    fn errors(&mut self) -> Vec<f64> {
        let mut errors: Vec<_> = (0..WITNESSES)
            .map(|pod| {
                let own = self.own(pod);
                let known = self.views[pod].estimate(&own, RULES, self.now).unwrap();
                (known.mean / 50.0 - 1.0).abs()
            })
            .collect();
        errors.sort_unstable_by(f64::total_cmp);
        errors
    }
}

#[test]
fn crowd() {
    let mut crowd = Crowd {
        views: vec![View::default(); WITNESSES],
        now: NOON.after(EVERY * 60),
        chance: Chance::new(1),
    };
    let start = std::time::Instant::now();
    for round in 0..160 {
        crowd.round();
        if round % 4 == 3 {
            let e = crowd.errors();
            let mut ages: Vec<_> = crowd
                .views
                .iter()
                .flat_map(|v| v.reports.iter().map(|r| r.age(crowd.now).as_millis()))
                .collect();
            ages.sort();
            let mut ids: Vec<_> = crowd
                .views
                .iter()
                .flat_map(|v| v.reports.iter().map(|r| r.id))
                .collect();
            ids.sort();
            ids.dedup();
            let own3 = crowd.own(3);
            println!(
                "{} len {} est {} med {:.3} p95 {:.3} max {:.3} ages {} {} {} {} distinct {} {:?}",
                round / 4 + 1,
                crowd.views[3].len(),
                crowd.views[3]
                    .estimate(&own3, RULES, crowd.now)
                    .unwrap()
                    .peers,
                e[50],
                e[95],
                e[99],
                ages[0],
                ages[ages.len() / 2],
                ages[ages.len() * 9 / 10],
                ages[ages.len() - 1],
                ids.len(),
                start.elapsed()
            );
        }
    }
}
