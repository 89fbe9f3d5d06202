//! How the budget limits drains.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// How many of these connections are drained with one request each.
fn drained(story: &mut Story, ids: &[ConnectionId]) -> usize {
    let drains = |id: &&ConnectionId| story.exchange(**id, 1) != PASS;
    ids.iter().filter(drains).count()
}

#[test]
fn workers_share_the_budget() {
    let worker = || {
        Story::new(
            json!({"defaults": {"max_connection_age": "10s", "jitter": 0}, "budget": {"per_second": 10, "burst": 5}}),
        )
    };
    let (mut one, mut other) = (worker(), worker());
    let ids: Vec<_> = (0..20).map(|id| one.open(id)).collect();
    let others: Vec<_> = (20..40).map(|id| other.open(id)).collect();
    one.at(11);
    other.at(11);

    assert_eq!(drained(&mut one, &ids), 5);
    other.store = core::mem::take(&mut one.store);
    assert_eq!(drained(&mut other, &others), 0);

    // After a second the bucket is full again, and not more than full.
    other.pass(Duration::from_secs(1));
    assert_eq!(drained(&mut other, &others), 5);
    let is_exhausted = |effect: &Effect| matches!(effect, Effect::BudgetExhausted(_));
    assert_eq!(other.count(is_exhausted), 20, "once for each connection");
}

#[test]
fn budget_gives_its_rate() {
    let mut story = Story::new(
        json!({"defaults": {"max_connection_age": "1s", "jitter": 0}, "budget": {"per_second": 10, "burst": 1}}),
    );
    let mut waiting: Vec<_> = (0..500).map(|id| story.open(id)).collect();
    story.at(2);
    for second in 3..=22 {
        story.at(second - 1);
        for _ in 0..10 {
            story.pass(TICK);
            waiting.retain(|&id| story.exchange(id, 1) == PASS);
        }
    }
    let drained = 500 - waiting.len();
    assert!((195..=201).contains(&drained), "{drained}");
}

#[test]
fn lost_race_for_a_token_is_retried() {
    let mut story = Story::new(
        json!({"defaults": {"max_requests_per_connection": 1}, "budget": {"per_second": 1, "burst": 2}}),
    );
    let (first, second) = (story.open(1), story.open(2));
    assert_eq!(story.exchange(first, 1), DRAIN_BY_REQUESTS);
    story.store.lost_races = 3;
    assert_eq!(story.exchange(second, 1), DRAIN_BY_REQUESTS);
}

/// One worker with connections of several policies, which are called 1, 2, ...
struct Policies {
    worker: Story,
    policies: BTreeMap<u32, Policy>,
}

impl Policies {
    /// Policies with these keys, whose connections expire after ten seconds.
    fn new<const COUNT: usize>(keys: [Value; COUNT]) -> Self {
        let by_age = json!({"defaults": {"max_connection_age": "10s", "jitter": 0}});
        let policies = keys.map(|keys| parse(merge(by_age.clone(), keys)));
        Self {
            worker: Story::new(by_age),
            policies: (1..).zip(policies).collect(),
        }
    }

    fn open(&mut self, policy: u32, count: u64) -> Vec<ConnectionId> {
        let mode = self.policies[&policy].mode;
        let first = u64::from(policy) * 1000;
        (first..first + count)
            .map(|id| self.worker.open_under(policy, mode, id))
            .collect()
    }

    /// A request and its response on each connection; how many were drained, or would have been.
    fn exchange(&mut self, policy: u32, ids: &[ConnectionId]) -> usize {
        let bucket = bucket(&self.policies[&policy]);
        self.worker.effects();
        let mut drained = 0;
        for id in ids {
            self.worker.read(*id, 1, 1);
            let (engine, store) = (&mut self.worker.engine, &mut self.worker.store);
            let head = Some(DrainPoint::ResponseHead);
            let decision = engine.wrote(*id, &activity(1, 1), || head, |_| bucket.as_ref(), store);
            drained += usize::from(decision != PASS);
        }
        drained + self.worker.count(is_dry_run)
    }
}

#[test]
fn dry_run_takes_no_token_of_an_enforced_policy() {
    let five = json!({"budget": {"per_second": 0.001, "burst": 5}});
    let dry_run = merge(five.clone(), json!({"mode": "dry_run"}));
    let mut policies = Policies::new([five, dry_run]);
    let (enforced, dry_run) = (policies.open(1, 20), policies.open(2, 20));
    policies.worker.advance(Duration::from_secs(11));
    assert_eq!(policies.exchange(2, &dry_run), 5);
    assert_eq!(policies.exchange(1, &enforced), 5);
    assert_eq!(policies.exchange(1, &enforced[5..]), 0);
}

#[test]
fn policies_have_separate_budgets() {
    let mut policies = Policies::new([
        json!({"budget": {"per_second": 0.001, "burst": 5}}),
        json!({"budget": {"per_second": 10, "burst": 3}}),
    ]);
    let (slow, fast) = (policies.open(1, 20), policies.open(2, 20));
    policies.worker.advance(Duration::from_secs(11));
    assert_eq!(policies.exchange(1, &slow), 5);
    assert_eq!(policies.exchange(2, &fast), 3);
    policies.worker.advance(Duration::from_secs(1));
    assert_eq!(policies.exchange(1, &slow[5..]), 0);
    assert_eq!(policies.exchange(2, &fast[3..]), 3);
}

#[test]
fn queue_of_one_policy_does_not_block_another_policy() {
    let mut story = Story::new(json!({"budget": {"per_second": 0.01, "burst": 1},
        "defaults": {"max_connection_age": "10s", "jitter": 0},
        "tcp": [{"name": "db", "match": {"port": 5432}}]}));
    // The second of them waits for a tick with a token.
    story.open_tcp(1);
    story.open_tcp(2);
    let http = story.open(3);
    story.at(60);
    assert_eq!(story.count(is_close), 1);

    // A policy of another name and the same value.
    let other = story
        .policy
        .budget
        .map(|it| Bucket::new("other", it, false));
    story.read(http, 1, 1);
    let head = Some(DrainPoint::ResponseHead);
    let (engine, store) = (&mut story.engine, &mut story.store);
    let decision = engine.wrote(http, &activity(1, 1), || head, |_| other.as_ref(), store);

    assert_eq!(decision, DRAIN_BY_AGE);
}

#[test]
fn bucket_is_named_by_policy_budget_and_mode() {
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
