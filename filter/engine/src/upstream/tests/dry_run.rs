//! Listeners in dry run before the clusters of others.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

impl Scenario {
    /// A whole request over the connection from `port` by a listener with these limits.
    fn request_under(&mut self, mode: Mode, limits: &UpstreamRecycling, port: u16) -> Outcome {
        (self.mode, self.limits) = (mode, limits.clone());
        // In dry run no request is marked.
        let mark = match mode {
            Mode::Enforce => self.send(),
            Mode::DryRun => None,
        };
        let outcome = self.receive(key(port), mark);
        self.end(&outcome);
        outcome
    }
}

#[test]
fn limits_of_a_dry_run_expire_no_connection_of_what_is_enforced() {
    for first in [Mode::Enforce, Mode::DryRun] {
        let (few, many) = (
            limits(r#""max_requests_per_connection": 3"#),
            limits(r#""max_requests_per_connection": 20"#),
        );
        let mut scenario = Scenario::max_requests(1);
        if first == Mode::Enforce {
            assert!(!scenario.request_under(first, &many, 1).expired);
        }
        let expired = (0..10).filter(|_| scenario.request_under(Mode::DryRun, &few, 1).expired);
        assert_eq!(expired.count(), 1, "as often as without the other listener");
        assert!(!scenario.upstreams.has_expired());
        let enforced = (0..20).map(|_| scenario.request_under(Mode::Enforce, &many, 1));
        let outcomes: Vec<_> = enforced.collect();
        let served = if first == Mode::Enforce { 11 } else { 10 };
        let at = outcomes.iter().position(|outcome| outcome.expired);
        assert_eq!(at, Some(19 - served));
        assert!(outcomes[20 - served].recycled);
    }
}
