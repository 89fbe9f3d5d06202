//! Which policy is active for which filter entry.
//!
//! Each root context brings a policy. Envoy keeps the roots of earlier policies for as long as a connection
//! that they opened lives, and all of them are to follow the policy that was applied last. Roots of one
//! name, role and direction are one filter entry's, and one of them is current:
//!
//! - A root that is configured is current at once: connections that are open follow it before another one
//!   opens.
//! - So is one that opens a connection while another is current. Envoy calls `on_configure` once for each
//!   configuration that it has a root of: when a policy goes A, B, A, all that shows of the third change is
//!   that root A opens connections again.
//! - But a root that has just been configured and has opened nothing yet stays current for [`SWITCHING`],
//!   whatever the one before opens: Envoy configures it a little before the listener uses it.
//!
//! Two filter entries of one name with different policies look like an endless A, B, A, B. Such roots are
//! [`Entry::split`]: each keeps its own policy, until one of them alone is used for [`SPLIT`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::{Bucket, Instant, mix};
use evenkeel_policy::{Errors, Mode, Policy, Role};

/// How long after its configuration a root that has opened nothing stays current although others do.
const SWITCHING: Duration = Duration::from_secs(2);

/// How soon a root that becomes current by use a second time shows that two entries share a name.
const SPLIT: Duration = Duration::from_secs(60);

/// A root context's id.
pub(crate) type RootId = u32;

/// What a root is configured with.
pub(crate) struct Configuration<'a> {
    pub(crate) name: Vec<u8>,
    /// Envoy's number for the listener's direction.
    pub(crate) direction: Option<u64>,
    pub(crate) text: &'a [u8],
}

#[derive(Debug)]
struct Entry {
    name: Vec<u8>,
    /// None where the configuration does not say: a broken one never does.
    role: Option<Role>,
    direction: Option<u64>,
    policy: Option<Rc<Policy>>,
    /// What the policy's moves are taken from, if it has a budget.
    bucket: Option<Bucket>,
    /// Tells one configuration from another in all VMs.
    digest: u64,
    /// Its own configuration was rejected.
    rejected: bool,
    /// When it last became current.
    applied: Instant,
    /// Of two that became current at the same instant, the later has more.
    order: u64,
    /// It has opened something since it was configured.
    used: bool,
    /// It opened something while another was current that had just been configured.
    contends: bool,
    /// When it last became current by use.
    returned: Option<Instant>,
    /// When it last took turns with another entry of the same name.
    split: Option<Instant>,
    /// The root whose policy is active for it.
    current: RootId,
}

impl Entry {
    /// Both may be one filter entry's.
    fn is_of(&self, other: &Self) -> bool {
        fn may_equal<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        self.name == other.name
            && may_equal(&self.role, &other.role)
            && may_equal(&self.direction, &other.direction)
    }

    /// Names the filter entry among all workers.
    fn key(&self) -> String {
        let role = match self.role {
            None => "any",
            Some(Role::Network) => "network",
            Some(Role::Http) => "http",
        };
        let direction = self.direction.unwrap_or_default();
        let name = String::from_utf8_lossy(&self.name);
        format!("evenkeel/applied/{role}/{direction}/{name}")
    }
}

/// The policies of one worker, by root.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    entries: BTreeMap<RootId, Entry>,
    orders: u64,
}

/// What a configuration led to.
pub(crate) struct Configured {
    /// Why it was rejected, if it was.
    pub(crate) errors: Option<Errors>,
    /// Roots whose connections follow another policy now.
    pub(crate) changed: Vec<RootId>,
}

/// What came of the use of a root.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Roots whose connections follow another policy now.
    pub(crate) changed: Vec<RootId>,
    /// The root became current, which other workers should know.
    pub(crate) applied: bool,
    /// Two filter entries turn out to have one name.
    pub(crate) conflict: bool,
}

/// Which configuration of a filter entry was applied last, for all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    digest: u64,
    at: Instant,
}

impl Applied {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [digest, at] = bytes.as_chunks::<8>().0 else {
            return None;
        };
        Some(Self {
            digest: u64::from_le_bytes(*digest),
            at: Instant::from_nanos(u64::from_le_bytes(*at)),
        })
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.digest, self.at.as_nanos()];
        numbers.into_iter().flat_map(u64::to_le_bytes).collect()
    }
}

impl Policies {
    /// A root was configured. What cannot be read leaves the policy active that was.
    pub(crate) fn configure(
        &mut self,
        root: RootId,
        configuration: Configuration<'_>,
        now: Instant,
    ) -> Configured {
        let Configuration {
            name,
            direction,
            text,
        } = configuration;
        let (policy, errors) = match Policy::parse(text) {
            Ok(policy) => (Some(Rc::new(policy)), None),
            Err(errors) => (None, Some(errors)),
        };
        let mut entry = Entry {
            // What a broken text was for cannot be known: the root asks, for each context.
            role: policy.as_ref().and_then(|policy| policy.role),
            direction,
            bucket: policy.as_deref().and_then(|policy| bucket(&name, policy)),
            name,
            policy,
            digest: digest(text),
            rejected: errors.is_some(),
            applied: now,
            order: self.next_order(),
            used: false,
            contends: false,
            returned: None,
            split: None,
            current: root,
        };
        if entry.policy.is_none() {
            let last = self.latest(|other| other.is_of(&entry));
            let last = last.and_then(|last| self.current(last));
            entry.policy = last.and_then(|last| last.policy.clone());
            entry.bucket = last.and_then(|last| last.bucket);
        }
        // A change of one of them: whether they are two entries shows anew.
        for other in self.entries.values_mut() {
            if other.is_of(&entry) {
                other.split = None;
                other.returned = None;
            }
        }
        self.entries.insert(root, entry);
        let mut changed = self.settle();
        changed.retain(|changed| *changed != root);
        Configured { errors, changed }
    }

    /// The root's policy is not active for what it opens.
    pub(crate) fn is_earlier(&self, root: RootId) -> bool {
        let entry = self.entries.get(&root);
        entry.is_some_and(|entry| entry.current != root)
    }

    /// A root has something to do with a connection that opened at `opened`. A stream of an earlier connection
    /// may come by an earlier root: a listener that changes leaves a connection its filters.
    pub(crate) fn used(&mut self, root: RootId, opened: Instant, now: Instant) -> Used {
        let Some(entry) = self.entries.get_mut(&root) else {
            return Used::default();
        };
        let was_used = core::mem::replace(&mut entry.used, true);
        entry.contends = false;
        if entry.split.is_some() {
            return self.used_split(root, now);
        }
        if entry.current == root {
            return Used::default();
        }
        let current = entry.current;
        let current_applied = self.entries.get(&current).map(|current| current.applied);
        if current_applied.is_some_and(|applied| opened < applied) {
            return Used::default();
        }
        let is_switching = was_used
            && self
                .entries
                .get(&current)
                .is_some_and(|current| !current.used && now.since(current.applied) < SWITCHING);
        if is_switching {
            if let Some(entry) = self.entries.get_mut(&root) {
                entry.contends = true;
            }
            return Used::default();
        }
        self.apply_by_use(root, current, was_used, now)
    }

    /// A root whose entry shares its name with another one's was used.
    fn used_split(&mut self, root: RootId, now: Instant) -> Used {
        let Some(entry) = self.entries.get_mut(&root) else {
            return Used::default();
        };
        entry.split = Some(now);
        let Some(entry) = self.entries.get(&root) else {
            return Used::default();
        };
        let is_alone = !self.entries.iter().any(|(id, other)| {
            *id != root
                && other.is_of(entry)
                && other.split.is_some_and(|split| now.since(split) < SPLIT)
        });
        if !is_alone {
            return Used::default();
        }
        let ids: Vec<RootId> = self.ids_of(root);
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.split = None;
                entry.returned = None;
            }
        }
        self.apply(root, now);
        Used {
            changed: self.settle(),
            applied: true,
            conflict: false,
        }
    }

    /// A root is used while `current` is current, which was used itself.
    fn apply_by_use(
        &mut self,
        root: RootId,
        current: RootId,
        is_return: bool,
        now: Instant,
    ) -> Used {
        let Some(entry) = self.entries.get_mut(&root) else {
            return Used::default();
        };
        let before = entry.returned.filter(|_| is_return);
        entry.returned = is_return.then_some(now);
        let conflict = before.is_some_and(|before| now.since(before) < SPLIT);
        if conflict {
            for id in [root, current] {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.split = Some(now);
                }
            }
        }
        self.apply(root, now);
        Used {
            changed: self.settle(),
            applied: !conflict,
            conflict,
        }
    }

    /// Time has passed: the roots that turn out to be current although another was configured later.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<(RootId, Used)> {
        let contending = |(id, entry): (&RootId, &Entry)| entry.contends.then_some(*id);
        let contending: Vec<RootId> = self.entries.iter().filter_map(contending).collect();
        let mut all = Vec::new();
        for root in contending {
            let current = self.entries.get(&root).map(|entry| entry.current);
            let current = current.and_then(|current| self.entries.get(&current));
            let Some(current) = current else { continue };
            if current.used {
                // It was in time: the listener has switched to the later one since.
                if let Some(entry) = self.entries.get_mut(&root) {
                    entry.contends = false;
                }
            } else if now.since(current.applied) >= SWITCHING {
                all.push((root, self.used(root, now, now)));
            }
        }
        all
    }

    /// The keys under which another worker may tell that an earlier configuration was applied again, each
    /// with the root that is current here. None where nothing is left of earlier ones.
    pub(crate) fn shared_keys(&self) -> BTreeSet<(String, RootId)> {
        let returning = |(id, entry): (&RootId, &Entry)| {
            let current = self.entries.get(&entry.current)?;
            let may_return = entry.current != *id && entry.digest != current.digest;
            may_return.then(|| (entry.key(), entry.current))
        };
        self.entries.iter().filter_map(returning).collect()
    }

    /// The key of the filter entry of a root, and what to share there.
    pub(crate) fn applied(&self, root: RootId) -> Option<(String, Applied)> {
        let entry = self.entries.get(&root)?;
        let applied = Applied {
            digest: entry.digest,
            at: entry.applied,
        };
        Some((entry.key(), applied))
    }

    /// Another worker has told which configuration of the filter entry of `current` was applied. Roots whose
    /// connections follow another policy now.
    pub(crate) fn hear(&mut self, current: RootId, told: Applied) -> Vec<RootId> {
        let Some(entry) = self.entries.get(&current) else {
            return Vec::new();
        };
        if told.at <= entry.applied || told.digest == entry.digest {
            return Vec::new();
        }
        let found = self.entries.iter().find(|(_, other)| {
            other.digest == told.digest && other.current == current && other.is_of(entry)
        });
        let Some(root) = found.map(|(id, _)| *id) else {
            return Vec::new();
        };
        self.apply(root, told.at);
        // It is used, if not here.
        if let Some(entry) = self.entries.get_mut(&root) {
            entry.used = true;
        }
        self.settle()
    }

    /// The role that a root's own configuration gives it.
    pub(crate) fn role(&self, root: RootId) -> Option<Role> {
        self.entries.get(&root).and_then(|entry| entry.role)
    }

    /// The name of the filter entry of a root.
    pub(crate) fn name(&self, root: RootId) -> String {
        let name = self.entries.get(&root).map(|entry| &*entry.name);
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    }

    /// The policy that is active for what a root has opened.
    pub(crate) fn get(&self, root: RootId) -> Option<&Rc<Policy>> {
        self.current(root)?.policy.as_ref()
    }

    /// The bucket that the moves of that policy are taken from; None where it has no budget.
    pub(crate) fn bucket(&self, root: RootId) -> Option<&Bucket> {
        self.current(root)?.bucket.as_ref()
    }

    fn current(&self, root: RootId) -> Option<&Entry> {
        let current = self.entries.get(&root)?.current;
        self.entries.get(&current)
    }

    /// The first active policy that is `wanted`, one in dry run only where none of these is enforced.
    pub(crate) fn find(&self, wanted: impl Fn(&Policy) -> bool) -> Option<&Rc<Policy>> {
        let policies = self.entries.keys().filter_map(|root| self.get(*root));
        let wanted = policies.filter(|policy| wanted(policy));
        wanted.min_by_key(|policy| policy.mode)
    }

    /// How many filter entries have a rejected policy as the one that was applied last.
    pub(crate) fn rejected(&self) -> usize {
        let is_rejected = |(id, entry): &(&RootId, &Entry)| entry.rejected && entry.current == **id;
        self.entries.iter().filter(is_rejected).count()
    }

    /// No root is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A root is gone, and with it all that it opened. Roots whose connections follow another policy now.
    pub(crate) fn forget(&mut self, root: RootId) -> Vec<RootId> {
        self.entries.remove(&root);
        self.settle()
    }

    fn next_order(&mut self) -> u64 {
        self.orders = self.orders.saturating_add(1);
        self.orders
    }

    fn apply(&mut self, root: RootId, at: Instant) {
        let order = self.next_order();
        if let Some(entry) = self.entries.get_mut(&root) {
            entry.applied = at;
            entry.order = order;
            entry.contends = false;
        }
    }

    /// The roots of the filter entry of `root`.
    fn ids_of(&self, root: RootId) -> Vec<RootId> {
        let Some(entry) = self.entries.get(&root) else {
            return Vec::new();
        };
        let mine = |(id, other): (&RootId, &Entry)| other.is_of(entry).then_some(*id);
        self.entries.iter().filter_map(mine).collect()
    }

    /// The root that was applied last among those that are `wanted`.
    fn latest(&self, wanted: impl Fn(&Entry) -> bool) -> Option<RootId> {
        let wanted = self.entries.iter().filter(|(_, entry)| wanted(entry));
        wanted
            .max_by_key(|(_, entry)| entry.order)
            .map(|(id, _)| *id)
    }

    /// Finds the current root of each. Those for which it is another one than before.
    fn settle(&mut self) -> Vec<RootId> {
        let current = |(id, entry): (&RootId, &Entry)| {
            let latest = self.latest(|other| other.is_of(entry) && other.split.is_none());
            let current = match entry.split {
                Some(_) => *id,
                None => latest.unwrap_or(*id),
            };
            (current != entry.current).then_some((*id, current))
        };
        let changes: Vec<_> = self.entries.iter().filter_map(current).collect();
        for (id, current) in &changes {
            if let Some(entry) = self.entries.get_mut(id) {
                entry.current = *current;
            }
        }
        changes.into_iter().map(|(id, _)| id).collect()
    }
}

/// The bucket of a policy in the filter entry `entry`.
fn bucket(entry: &[u8], policy: &Policy) -> Option<Bucket> {
    let name = policy_name(&String::from_utf8_lossy(entry), policy.role);
    let dry_run = policy.mode == Mode::Observe;
    let budget = policy.budget?;
    Some(Bucket::new(&name, budget, dry_run))
}

/// The name of an entry without its role: the two entries of one policy are called `evenkeel-network` and
/// `evenkeel-http` by `evenkeel render`, and take from one budget.
fn policy_name(entry: &str, role: Option<Role>) -> String {
    let mut parts: Vec<&str> = entry.split(['-', '_', '.', '/']).collect();
    let is_role = |part: &&str| role.is_some_and(|role| *part == role.name());
    if let Some(at) = parts.iter().rposition(is_role) {
        parts.remove(at);
    }
    parts.join("-")
}

/// Differs between configurations, and is the same in every VM.
fn digest(text: &[u8]) -> u64 {
    text.iter().fold(mix(text.len() as u64), |digest, byte| {
        mix(digest ^ u64::from(*byte))
    })
}
