//! What the budget and the clock allow.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn the_budget_is_shared_by_all_workers_and_refuses_each_move_once() {
    let policy = r#"{"version": 1, "defaults": {"max_connection_age": "10s", "jitter": 0}, "budget": {"per_second": 10, "burst": 5}}"#;
    let (mut one, mut other) = (Story::new(policy), Story::new(policy));
    let ids: Vec<_> = (0..20).map(|id| one.open(id)).collect();
    let others: Vec<_> = (20..40).map(|id| other.open(id)).collect();
    one.at(11);
    other.at(11);
    let moved = ids
        .iter()
        .filter(|&&id| one.exchange(id, 1) != Decision::PassThrough)
        .count();
    other.map = core::mem::take(&mut one.map);
    let moved_there = others
        .iter()
        .filter(|&&id| other.exchange(id, 1) != Decision::PassThrough)
        .count();
    assert_eq!((moved, moved_there), (5, 0));
    other.pass(Duration::from_secs(1));
    let moved_later = others
        .iter()
        .filter(|&&id| other.exchange(id, 2) != Decision::PassThrough)
        .count();
    assert_eq!(
        moved_later, 5,
        "after a second the bucket is full again, and no fuller"
    );
    let refused = other
        .effects()
        .iter()
        .filter(|effect| matches!(effect, Effect::BudgetExhausted(_)))
        .count();
    assert_eq!(refused, 20);
}

#[test]
fn over_time_the_budget_gives_its_rate() {
    let policy = r#"{"version": 1, "defaults": {"max_connection_age": "1s", "jitter": 0}, "budget": {"per_second": 10, "burst": 1}}"#;
    let mut story = Story::new(policy);
    let mut waiting: Vec<_> = (0..500).map(|id| story.open(id)).collect();
    story.at(2);
    for second in 3..=22 {
        story.at(second - 1);
        for _ in 0..10 {
            story.pass(Duration::from_millis(100));
            waiting.retain(|&id| story.exchange(id, 1) == Decision::PassThrough);
        }
    }
    let moved = 500 - waiting.len();
    assert!((195..=201).contains(&moved), "{moved}");
}

#[test]
fn a_lost_race_for_the_budget_is_tried_again() {
    let mut story = Story::new(
        r#"{"version": 1, "defaults": {"max_requests_per_connection": 1}, "budget": {"per_second": 1, "burst": 2}}"#,
    );
    let (a, b) = (story.open(1), story.open(2));
    assert_ne!(story.exchange(a, 1), Decision::PassThrough);
    story.map.lost_races = 3;
    assert_ne!(story.exchange(b, 1), Decision::PassThrough);
}

/// What one worker of a proxy knows of the connections of several policies.
struct Policies {
    worker: Story,
    others: BTreeMap<u32, Policy>,
}

const DRAIN_BY_AGE: &str = r#""defaults": {"max_connection_age": "10s", "jitter": 0}"#;

impl Policies {
    /// The worker with policies called 1, 2, ... of these keys.
    fn new<const COUNT: usize>(keys: [&str; COUNT]) -> Self {
        let policy = |keys: &str| format!(r#"{{"version": 1, {DRAIN_BY_AGE}, {keys}}}"#);
        let parse = |keys: &str| Policy::parse(policy(keys).as_bytes()).unwrap();
        Self {
            worker: Story::new(r#"{"version": 1}"#),
            others: (1..).zip(keys.map(parse)).collect(),
        }
    }

    /// Opens `count` connections under a policy.
    fn open(&mut self, policy: u32, count: u64) -> Vec<ConnectionId> {
        let held = &self.others[&policy];
        let rule = Rc::clone(&held.defaults);
        let mode = held.mode;
        let engine = &mut self.worker.engine;
        let first = u64::from(policy) * 1000;
        let ids = (first..first + count).map(ConnectionId);
        let ids: Vec<_> = ids.collect();
        for id in &ids {
            let origin = Origin { policy, ..ORIGIN };
            engine.open(*id, origin, Some(Rc::clone(&rule)), mode, id.0);
        }
        ids
    }

    fn bucket(&self, policy: u32) -> Option<Bucket> {
        let held = &self.others[&policy];
        let dry_run = held.mode == Mode::DryRun;
        Some(Bucket::new("evenkeel", held.budget?, dry_run))
    }

    /// A request and its response on each; how many were drained, or would have been.
    fn exchange(&mut self, policy: u32, ids: &[ConnectionId]) -> usize {
        let bucket = self.bucket(policy);
        self.worker.effects();
        let mut drained = 0;
        for id in ids {
            self.worker.read(*id, 1, 1);
            let (engine, map) = (&mut self.worker.engine, &mut self.worker.map);
            let (point, bucket) = (Some(DrainPoint::ResponseHead), bucket.as_ref());
            let decision = engine.wrote(*id, activity(1, 1), point, bucket, map);
            drained += usize::from(decision != Decision::PassThrough);
        }
        let effects = self.worker.effects().into_iter();
        let observed = effects.filter(|effect| matches!(effect, Effect::DryRunDrain(..)));
        drained + observed.count()
    }

    /// Time passes without a tick.
    fn advance(&mut self, seconds: u64) {
        let engine = &mut self.worker.engine;
        engine.advance(engine.now().after(Duration::from_secs(seconds)));
    }
}

#[test]
fn a_dry_run_takes_nothing_from_the_budget_of_what_is_enforced() {
    let five = r#""budget": {"per_second": 0.001, "burst": 5}"#;
    let mut policies = Policies::new([five, &format!(r#""mode": "dry_run", {five}"#)]);
    let (enforced, observed) = (policies.open(1, 20), policies.open(2, 20));
    policies.advance(11);
    assert_eq!(policies.exchange(2, &observed), 5);
    assert_eq!(policies.exchange(1, &enforced), 5);
    assert_eq!(policies.exchange(1, &enforced[5..]), 0);
}

#[test]
fn one_policy_that_has_spent_its_budget_does_not_make_another_one_wait() {
    let mut policies = Policies::new([
        r#""budget": {"per_second": 0.001, "burst": 5}"#,
        r#""budget": {"per_second": 10, "burst": 3}"#,
    ]);
    let (slow, fast) = (policies.open(1, 20), policies.open(2, 20));
    policies.advance(11);
    assert_eq!(policies.exchange(1, &slow), 5);
    assert_eq!(policies.exchange(2, &fast), 3);
    policies.advance(1);
    assert_eq!(policies.exchange(1, &slow[5..]), 0);
    assert_eq!(policies.exchange(2, &fast[3..]), 3);
}

#[test]
fn connections_of_one_policy_that_wait_for_a_tick_do_not_hold_back_another_policy() {
    let slow = r#"{"per_second": 0.01, "burst": 1}"#;
    let mut story = Story::new(&format!(
        r#"{{"version": 1, "budget": {slow}, "defaults": {{"max_connection_age": "10s", "jitter": 0, "http2": {{"idle_wait": "0s"}}}},
            "tcp": [{{"name": "db", "match": {{"port": 5432}}}}]}}"#
    ));
    // Two of which the second waits for a tick in which there is something in the budget again.
    story.open_tcp(1);
    story.open_tcp(2);
    let http = story.open(3);
    story.at(60);
    let closes = |effect: &Effect| matches!(effect, Effect::Close { .. });
    assert_eq!(story.effects().iter().filter(|it| closes(it)).count(), 1);
    // A policy of another name and the same value.
    let other = story
        .policy
        .budget
        .map(|it| Bucket::new("other", it, false));
    story.read(http, 1, 1);
    let point = Some(DrainPoint::ResponseHead);
    let decision = story
        .engine
        .wrote(http, activity(1, 1), point, other.as_ref(), &mut story.map);
    assert_ne!(decision, Decision::PassThrough);
}

#[test]
fn buckets_differ_by_policy_value_and_dry_run_and_are_the_same_in_every_worker() {
    let budget = |per_second, burst| evenkeel_policy::Budget { per_second, burst };
    let bucket = |name, budget, dry_run| Bucket::new(name, budget, dry_run).id();
    let all = [
        bucket("a", budget(10.0, 5), false),
        bucket("a", budget(10.0, 5), true),
        bucket("a", budget(10.0, 6), false),
        bucket("a", budget(20.0, 5), false),
        bucket("b", budget(10.0, 5), false),
        bucket("", budget(10.0, 5), false),
    ];
    let different: std::collections::BTreeSet<_> = all.into_iter().collect();
    assert_eq!(different.len(), all.len());
    assert_eq!(all[0], bucket("a", budget(10.0, 5), false));
}
