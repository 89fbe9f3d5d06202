//! The churn budget: how many connections the whole proxy may move a second.
//!
//! A token bucket in the form of GCRA (ITU-T I.371): all its state is one instant, so that the workers
//! can share it by compare-and-swap in the host's shared data.

use std::collections::BTreeMap;

use core::time::Duration;

use evenkeel_policy::Budget;

use crate::budget_split::BudgetSplit;
use crate::{Instant, mix};

/// Names a bucket; the same in every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(u64);

impl BucketId {
    /// The number by which the host's shared data knows it.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// A budget and the bucket of tokens that it fills.
///
/// All that one policy drains shares one bucket, in whatever worker or role. Another policy has another one; so
/// has the same policy with another budget, whose state would mean something else; and so has a dry run, which
/// must not take what another listener needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub(crate) id: BucketId,
    pub(crate) budget: Budget,
}

impl Bucket {
    /// The bucket that the policy called `policy` takes from.
    pub fn new(policy: &str, budget: Budget, dry_run: bool) -> Self {
        let name = policy.bytes().map(u64::from);
        let value = [
            budget.per_second.to_bits(),
            u64::from(budget.burst),
            u64::from(dry_run),
        ];
        let seed = mix(policy.len() as u64);
        let id = name.chain(value).fold(seed, |id, part| mix(id ^ part));
        Self {
            id: BucketId(id),
            budget,
        }
    }

    /// Its name in [`BucketStore`].
    pub const fn id(&self) -> BucketId {
        self.id
    }
}

/// The state of each bucket, which all workers of the proxy share.
pub trait BucketStore {
    /// The state, and a token that tells it from later ones. None when no worker has set it.
    fn load(&mut self, bucket: BucketId) -> (Option<u64>, u32);

    /// Sets the state if it is still the one that `token` tells; false when another worker was faster.
    fn store(&mut self, bucket: BucketId, state: u64, token: u32) -> bool;
}

/// How often a worker tries again when another one was faster.
const TRIES: usize = 8;

/// The most buckets that a worker remembers something about. Each change of a policy's budget makes one.
const MAX_BUCKETS: usize = 64;

/// What a worker remembers about the buckets that it takes from. All of it may be forgotten: then the shared state
/// is asked once more.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    remembered: BTreeMap<BucketId, Remembered>,
    /// How many ticks there have been.
    ticks: u64,
}

#[derive(Debug, Default)]
struct Remembered {
    /// No use to ask before.
    retry: Instant,
    /// How writes and those that wait for a tick share the bucket.
    split: BudgetSplit,
}

impl Buckets {
    /// Takes one move, if one is left. Without a budget there always is.
    pub(crate) fn take(
        &mut self,
        bucket: Option<&Bucket>,
        now: Instant,
        shared: &mut impl BucketStore,
    ) -> bool {
        let Some(bucket) = bucket else { return true };
        let remembered = self.remembered(bucket.id);
        if remembered.retry > now {
            return false;
        }
        match take(bucket, now, shared) {
            Ok(()) => true,
            Err(retry) => {
                remembered.retry = retry;
                false
            }
        }
    }

    /// A tick begins: recomputes which buckets have waiting connections.
    pub(crate) fn begin_tick(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
    }

    /// A connection, of whatever root, that can only go at a tick waits for the bucket.
    pub(crate) fn record_waiting_connection(&mut self, bucket: Option<&Bucket>) {
        if let Some(bucket) = bucket {
            let tick = self.ticks;
            self.remembered(bucket.id)
                .split
                .record_waiting_connection(tick);
        }
    }

    /// A connection that can only go at a tick waits for the bucket since the last tick.
    pub(crate) fn has_waiting(&self, bucket: Option<&Bucket>) -> bool {
        bucket.is_some_and(|bucket| self.split(bucket).has_waiting(self.ticks))
    }

    /// Writes have had their half, and connections wait for a tick.
    pub(crate) fn is_turn_of_ticks(&self, bucket: Option<&Bucket>) -> bool {
        bucket.is_some_and(|bucket| {
            self.split(bucket)
                .is_turn_of_ticks(&bucket.budget, self.ticks)
        })
    }

    /// Ticks have had their half, and writes wait for theirs.
    pub(crate) fn is_turn_of_writes(&self, bucket: Option<&Bucket>, now: Instant) -> bool {
        bucket.is_some_and(|bucket| self.split(bucket).is_turn_of_writes(&bucket.budget, now))
    }

    pub(crate) fn record_drain_by_write(&mut self, bucket: Option<&Bucket>) {
        if let Some(bucket) = bucket {
            self.remembered(bucket.id).split.record_drain_by_write();
        }
    }

    pub(crate) fn record_drain_by_tick(&mut self, bucket: Option<&Bucket>) {
        if let Some(bucket) = bucket {
            self.remembered(bucket.id).split.record_drain_by_tick();
        }
    }

    pub(crate) fn record_waiting_write(&mut self, bucket: Option<&Bucket>, now: Instant) {
        if let Some(bucket) = bucket {
            self.remembered(bucket.id).split.record_waiting_write(now);
        }
    }

    fn split(&self, bucket: &Bucket) -> BudgetSplit {
        let remembered = self.remembered.get(&bucket.id);
        remembered.map(|it| it.split).unwrap_or_default()
    }

    fn remembered(&mut self, bucket: BucketId) -> &mut Remembered {
        if self.remembered.len() >= MAX_BUCKETS && !self.remembered.contains_key(&bucket) {
            self.remembered.clear();
        }
        self.remembered.entry(bucket).or_default()
    }
}

/// Takes one move from a bucket. Otherwise the instant from which it is worth to ask again.
fn take(bucket: &Bucket, now: Instant, shared: &mut impl BucketStore) -> Result<(), Instant> {
    let Bucket { id, budget } = bucket;
    let interval = Duration::try_from_secs_f64(1.0 / budget.per_second).unwrap_or(Duration::MAX);
    let depth = interval.saturating_mul(budget.burst.saturating_sub(1));
    for _ in 0..TRIES {
        let (stored, token) = shared.load(*id);
        let next = stored.map_or(now, Instant::from_nanos).max(now);
        if next > now.after(depth) {
            return Err(Instant::from_nanos(
                now.as_nanos()
                    .saturating_add(nanos(next.since(now.after(depth)))),
            ));
        }
        if shared.store(*id, next.after(interval).as_nanos(), token) {
            return Ok(());
        }
    }
    Err(now.after(interval))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Buckets that are empty for ever.
    struct Spent;

    impl BucketStore for Spent {
        fn load(&mut self, _: BucketId) -> (Option<u64>, u32) {
            (Some(u64::MAX), 1)
        }

        fn store(&mut self, _: BucketId, _: u64, _: u32) -> bool {
            true
        }
    }

    #[test]
    fn what_is_remembered_about_buckets_is_bounded() {
        let mut buckets = Buckets::default();
        for burst in 1..=1000 {
            let budget = Budget {
                per_second: 1.0,
                burst,
            };
            let bucket = Bucket::new("a", budget, false);
            assert!(!buckets.take(Some(&bucket), Instant::default(), &mut Spent));
            assert!(buckets.remembered.len() <= MAX_BUCKETS, "{burst}");
        }
    }
}
