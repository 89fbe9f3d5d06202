//! Which policy is active for which filter entry.
//!
//! Each root context brings a policy. Envoy keeps the roots of earlier policies for as long as a connection
//! that they opened lives, and all of them are to follow the policy that was applied last. Roots of one
//! name, role and direction are one filter entry's, and one of them is current: `current.rs` has the rules.

mod current;

use std::collections::BTreeMap;
use std::rc::Rc;

use evenkeel_engine::{Bucket, Instant, mix};
use evenkeel_policy::{Errors, Mode, Policy, Role};

pub(crate) use current::{Applied, Use, Used};

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
    /// The newest connection when it was configured: it cannot have opened that.
    configured: Option<u64>,
    /// The newest connection when it last became current.
    before: Option<u64>,
    /// The oldest connection that it has opened since then.
    opened: Option<u64>,
    /// It is a filter entry whose streams change their root with the policy, whatever their connection.
    is_per_stream: bool,
    /// When it was last used.
    last_used: Instant,
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
    /// The newest connection that is known.
    newest: Option<u64>,
}

/// What a configuration led to.
pub(crate) struct Configured {
    /// Why it was rejected, if it was.
    pub(crate) errors: Option<Errors>,
    /// Roots whose connections follow another policy now.
    pub(crate) changed: Vec<RootId>,
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
            configured: self.newest,
            before: self.newest,
            opened: None,
            is_per_stream: false,
            last_used: now,
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
                entry.is_per_stream |= other.is_per_stream;
                other.split = None;
                other.returned = None;
            }
        }
        self.entries.insert(root, entry);
        let mut changed = self.settle();
        changed.retain(|changed| *changed != root);
        Configured { errors, changed }
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
    let dry_run = policy.mode == Mode::DryRun;
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
