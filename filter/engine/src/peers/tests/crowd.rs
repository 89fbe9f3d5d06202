//! More pods than any of them can know.

use super::*;
use crate::peers::chance::Chance;

const PODS: usize = 10_000;

/// Ten thousand views would take minutes. So only some pods keep one, and any other that they meet tells of
/// itself and what one of those views would tell: as all pods do the same, their views are alike.
const WITNESSES: usize = 100;

struct Crowd {
    views: Vec<View>,
    now: Instant,
    chance: Chance,
}

impl Crowd {
    fn new() -> Self {
        Self {
            views: vec![View::default(); WITNESSES],
            now: later(60.0),
            chance: Chance::new(1),
        }
    }

    /// Each second one is empty; the others carry 100.
    fn own(&mut self, nth: usize) -> OwnReport {
        let asked = self.chance.below(1000);
        OwnReport {
            load: connections((nth % 2) as f64 * 100.0),
            uptime: self.now.since(NOON),
            asked: Some(EVERY.mul_f64(asked as f64 / 1000.0)),
            ..pod(1 + nth as u64, 0.0)
        }
    }

    /// What a random pod tells.
    fn told(&mut self) -> String {
        let nth = self.chance.below(PODS);
        let own = self.own(nth);
        let view = &self.views[self.chance.below(WITNESSES)];
        view.write_message(&own, self.now, self.chance.draw())
    }

    /// Lets so many times `every` pass, in which each asks others and is asked by others.
    fn pass(&mut self, times: u32) {
        for _ in 0..times * FANOUT {
            self.now = self.now.after(EVERY / FANOUT);
            for witness in 0..WITNESSES {
                self.views[witness].forget(self.now, EVERY);
                for told in [self.told(), self.told()] {
                    let (me, seed) = (PeerId(1 + witness as u64), self.chance.draw());
                    let view = &mut self.views[witness];
                    let message = Message::parse(told.as_bytes()).unwrap();
                    view.receive(me, &message, self.now, EVERY, seed);
                }
            }
        }
    }

    fn estimates(&mut self) -> Vec<Estimate> {
        (0..WITNESSES)
            .map(|witness| {
                let own = self.own(witness);
                let view = &self.views[witness];
                view.estimate(&own, RULES, self.now).unwrap()
            })
            .collect()
    }
}

/// A view of 256 pods, half of them empty, has a mean with a standard deviation of 6 %, so one of fifty is
/// further off than 15 %: no exchange can do better.
#[test]
fn in_a_crowd_a_pod_knows_the_mean_as_well_as_a_sample_of_it_tells() {
    let mut crowd = Crowd::new();

    crowd.pass(6);

    let estimates = crowd.estimates();
    let near = |part: f64| {
        let errors = estimates
            .iter()
            .map(|known| (known.mean / 50.0 - 1.0).abs());
        errors.filter(|error| *error <= part).count()
    };
    assert!(near(0.15) >= 95, "{} of {WITNESSES}", near(0.15));
    assert_eq!(near(0.25), WITNESSES);
}

#[test]
fn in_a_crowd_what_is_known_is_fresh_enough_to_count() {
    let mut crowd = Crowd::new();

    crowd.pass(6);

    let now = crowd.now;
    let estimates = crowd.estimates();
    for (view, known) in crowd.views.iter().zip(estimates) {
        assert_eq!(view.len(), MAX_PEERS);
        assert!(known.peers >= MAX_PEERS * 9 / 10, "{known:?}");
        assert!(known.settled);
        let mut ages: Vec<_> = view.reports.iter().map(|report| report.age(now)).collect();
        ages.sort_unstable();
        assert!(
            ages[MAX_PEERS / 2] <= EVERY * 2,
            "{:?}",
            ages[MAX_PEERS / 2]
        );
    }
}
