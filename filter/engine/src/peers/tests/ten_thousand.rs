//! A service with more pods than one view can hold.

use super::*;
use crate::peers::random::SeededRandom;

const PODS: usize = 10_000;

/// Ten thousand views would take minutes. So only some pods have one; any other pod sends its own report and a sample
/// of one of those views, as the views of all pods are alike.
const VIEWS: usize = 100;

struct Service {
    views: Vec<View>,
    now: Instant,
    random: SeededRandom,
}

impl Service {
    fn new() -> Self {
        Self {
            views: vec![View::default(); VIEWS],
            now: later(60.0),
            random: SeededRandom::new(1),
        }
    }

    /// The own report of a pod. Every second pod has no load, the others 100.
    fn own(&mut self, nth: usize) -> OwnReport {
        let since = self.random.below(1000);
        OwnReport {
            load: connections((nth % 2) as f64 * 100.0),
            uptime: self.now.since(NOON),
            since_peer_request: Some(INTERVAL.mul_f64(since as f64 / 1000.0)),
            ..pod(1 + nth as u64, 0.0)
        }
    }

    /// The message of a random pod.
    fn message(&mut self) -> String {
        let nth = self.random.below(PODS);
        let own = self.own(nth);
        let view = &self.views[self.random.below(VIEWS)];
        view.write_message(&own, self.now, self.random.draw())
    }

    /// Advances the time by this number of intervals, in which each pod sends and gets requests.
    fn pass(&mut self, times: u32) {
        for _ in 0..times * FANOUT {
            self.now = self.now.after(INTERVAL / FANOUT);
            for index in 0..VIEWS {
                self.views[index].forget(self.now, INTERVAL);
                for message in [self.message(), self.message()] {
                    let (me, seed) = (PeerId(1 + index as u64), self.random.draw());
                    let view = &mut self.views[index];
                    let message = Message::parse(message.as_bytes()).unwrap();
                    view.receive(me, &message, self.now, INTERVAL, seed);
                }
            }
        }
    }

    fn estimates(&mut self) -> Vec<Estimate> {
        (0..VIEWS)
            .map(|index| {
                let own = self.own(index);
                let view = &self.views[index];
                view.estimate(&own, RULES, self.now).unwrap()
            })
            .collect()
    }
}

/// The mean of a view of 256 pods, half of them without load, has a standard deviation of 6 %, so one of fifty is off
/// by more than 15 %: no exchange can do better.
#[test]
fn mean_among_ten_thousand_pods_is_as_exact_as_that_of_a_sample() {
    let mut service = Service::new();

    service.pass(6);

    let estimates = service.estimates();
    let near = |part: f64| {
        let errors = estimates
            .iter()
            .map(|estimate| (estimate.mean / 50.0 - 1.0).abs());
        errors.filter(|error| *error <= part).count()
    };
    assert!(near(0.15) >= 95, "{} of {VIEWS}", near(0.15));
    assert_eq!(near(0.25), VIEWS);
}

#[test]
fn reports_among_ten_thousand_pods_are_recent_enough_to_count() {
    let mut service = Service::new();

    service.pass(6);

    let now = service.now;
    let estimates = service.estimates();
    for (view, estimate) in service.views.iter().zip(estimates) {
        assert_eq!(view.len(), MAX_PEERS);
        assert!(estimate.peers >= MAX_PEERS * 9 / 10, "{estimate:?}");
        assert!(estimate.is_stable);
        let mut ages: Vec<_> = view.reports.iter().map(|report| report.age(now)).collect();
        ages.sort_unstable();
        assert!(
            ages[MAX_PEERS / 2] <= INTERVAL * 2,
            "{:?}",
            ages[MAX_PEERS / 2]
        );
    }
}
