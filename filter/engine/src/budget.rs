//! The budget of drains: how many connections a second the whole proxy drains.
//!
//! It is a token bucket in the form of GCRA (ITU-T I.371): its only state is one instant, so that the workers can share it
//! by compare-and-swap in the host's shared data.

use core::time::Duration;

use evenkeel_policy::Budget;

use crate::budget_split::BudgetSplit;
use crate::{Instant, SortedMap, mix};

/// Names a bucket, equally in every worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(u64);

impl BucketId {
    /// The number in the key of the host's shared data.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// A budget and its bucket of tokens.
///
/// All drains of one policy take from one bucket, in every worker and role. Another policy has another bucket. So has the
/// same policy with another budget, whose state would have another meaning, and so has a dry run, which must not take what
/// another listener needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    id: BucketId,
    budget: Budget,
}

impl Bucket {
    /// The bucket of the policy with this name.
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

    /// The name of the bucket in a [`BucketStore`].
    pub const fn id(&self) -> BucketId {
        self.id
    }

    /// Takes a token. Otherwise gives the instant from which one may be left.
    fn take(&self, now: Instant, store: &mut impl BucketStore) -> Result<(), Instant> {
        let Budget { per_second, burst } = self.budget;
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        let depth = interval.saturating_mul(burst.saturating_sub(1));
        for _ in 0..MAX_TRIES {
            let (stored, version) = store.load(self.id);
            let next = stored.map_or(now, Instant::from_nanos).max(now);
            let latest = now.after(depth);
            if next > latest {
                return Err(now.after(next.since(latest)));
            }
            if store.store(self.id, next.after(interval).as_nanos(), version) {
                return Ok(());
            }
        }
        Err(now.after(interval))
    }
}

/// The states of the buckets, shared by all workers of the proxy.
pub trait BucketStore {
    /// The state of a bucket, and its version. The state is None until a worker sets it.
    fn load(&mut self, bucket: BucketId) -> (Option<u64>, u32);

    /// Sets the state if its version is still `version`. False when another worker has changed it meanwhile.
    fn store(&mut self, bucket: BucketId, state: u64, version: u32) -> bool;
}

/// How often a worker tries again when another one has changed the state meanwhile.
const MAX_TRIES: usize = 8;

/// The most buckets of which a worker keeps a memory. Each change of a policy's budget makes a new bucket.
const MAX_BUCKETS: usize = 64;

/// What a worker remembers of its buckets. All of it may be forgotten: then the shared state is read once more.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    memories: SortedMap<BucketId, Memory>,
    /// The number of ticks so far.
    ticks: u64,
}

#[derive(Debug, Default)]
struct Memory {
    /// No token is left before.
    retry: Instant,
    split: BudgetSplit,
}

impl Buckets {
    /// Takes a token, if one is left. Without a budget there always is.
    pub(crate) fn take(
        &mut self,
        bucket: Option<&Bucket>,
        now: Instant,
        store: &mut impl BucketStore,
    ) -> bool {
        let Some(bucket) = bucket else { return true };
        let memory = self.memory(bucket.id);
        if memory.retry > now {
            return false;
        }
        let taken = bucket.take(now, store);
        if let Err(retry) = taken {
            memory.retry = retry;
        }
        taken.is_ok()
    }

    /// Starts a tick, which records for which buckets connections wait.
    pub(crate) fn begin_tick(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
    }

    /// A connection that can be closed only by a tick waits for a token.
    pub(crate) fn record_waiting_connection(&mut self, bucket: Option<&Bucket>) {
        let tick = self.ticks;
        self.record(bucket, |split| split.record_waiting_connection(tick));
    }

    /// A connection waits for a token since the last tick.
    pub(crate) fn has_waiting(&self, bucket: Option<&Bucket>) -> bool {
        bucket.is_some_and(|it| self.split(it).has_waiting(self.ticks))
    }

    /// Writes have had their half of the tokens, and connections wait for a tick.
    pub(crate) fn is_turn_of_ticks(&self, bucket: Option<&Bucket>) -> bool {
        bucket.is_some_and(|it| self.split(it).is_turn_of_ticks(&it.budget, self.ticks))
    }

    /// Ticks have had their half of the tokens, and writes wait for theirs.
    pub(crate) fn is_turn_of_writes(&self, bucket: Option<&Bucket>, now: Instant) -> bool {
        bucket.is_some_and(|it| self.split(it).is_turn_of_writes(&it.budget, now))
    }

    fn split(&self, bucket: &Bucket) -> BudgetSplit {
        let memory = self.memories.get(&bucket.id);
        memory.map(|it| it.split).unwrap_or_default()
    }

    /// Records in the split of a bucket who takes its tokens, and who waits for them.
    pub(crate) fn record(
        &mut self,
        bucket: Option<&Bucket>,
        change: impl FnOnce(&mut BudgetSplit),
    ) {
        if let Some(bucket) = bucket {
            change(&mut self.memory(bucket.id).split);
        }
    }

    fn memory(&mut self, bucket: BucketId) -> &mut Memory {
        if self.memories.len() >= MAX_BUCKETS && !self.memories.contains_key(&bucket) {
            self.memories.clear();
        }
        self.memories.get_or_default(bucket)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Buckets that never have a token.
    struct Empty;

    impl BucketStore for Empty {
        fn load(&mut self, _: BucketId) -> (Option<u64>, u32) {
            (Some(u64::MAX), 1)
        }

        fn store(&mut self, _: BucketId, _: u64, _: u32) -> bool {
            true
        }
    }

    #[test]
    fn memory_of_buckets_is_bounded() {
        let mut buckets = Buckets::default();
        for burst in 1..=1000 {
            let budget = Budget {
                per_second: 1.0,
                burst,
            };
            let bucket = Bucket::new("a", budget, false);
            assert!(!buckets.take(Some(&bucket), Instant::default(), &mut Empty));
            assert!(buckets.memories.len() <= MAX_BUCKETS, "{burst}");
        }
    }
}
