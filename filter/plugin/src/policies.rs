//! Which policy is active for which filter entry.
//!
//! Each root context brings a policy. Envoy keeps the roots of earlier policies for as long as a connection
//! that they opened lives, and all of them are to follow the policy that was applied last. Roots of one
//! name, role and direction are one filter entry's, and one of them is current: `current.rs` has the rules.

mod current;
mod evidence;
mod shared;

use std::rc::Rc;

use evenkeel_engine::{Bucket, Instant, PerMode, SortedMap, mix};
use evenkeel_policy::{Errors, Http2, LastStreamId, Mode, Policy, Role, Route, Rule};

pub(crate) use current::Used;
use evidence::History;
pub(crate) use evidence::Use;
pub(crate) use shared::Applied;

/// A root context's id.
pub(crate) type RootId = u32;

/// What a root is configured with.
pub(crate) struct Configuration<'a> {
    pub(crate) name: Vec<u8>,
    /// Envoy's number for the listener's direction.
    pub(crate) direction: Option<u64>,
    pub(crate) text: &'a [u8],
}

/// What identifies a filter entry: the roots of the policies that it has had share it.
#[derive(Clone, Debug)]
struct FilterEntry {
    name: Vec<u8>,
    /// None where the configuration does not say: a broken one never does.
    role: Option<Role>,
    direction: Option<u64>,
}

impl FilterEntry {
    /// Both may be the same filter entry.
    fn may_equal(&self, other: &Self) -> bool {
        fn may_equal<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
            a.is_none() || b.is_none() || a == b
        }
        self.name == other.name
            && may_equal(&self.role, &other.role)
            && may_equal(&self.direction, &other.direction)
    }

    /// The key in shared data that all workers use for this entry.
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

/// One root context: one configuration of a filter entry.
#[derive(Debug)]
struct Root {
    entry: FilterEntry,
    policy: Option<Rc<Policy>>,
    /// The bucket from which the policy's drains are taken, if it has a budget.
    bucket: Option<Bucket>,
    /// Tells one configuration from another in all VMs.
    digest: u64,
    /// Its own configuration was rejected, and `policy` is an earlier one.
    is_rejected: bool,
    /// Of two that became current at the same instant, the later has a higher one.
    order: u64,
    history: History,
    turn: Turn,
    /// It opened something while another root was switching.
    contends: bool,
    /// The root whose policy is active for what this one has opened.
    current: RootId,
}

/// Whether a root shares the current policy with the other roots of its filter entry.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Shared {
        /// When it last became current by use.
        returned: Option<Instant>,
    },
    /// It keeps its own policy: another filter entry has the same name.
    Split { last_used: Instant },
}

impl Default for Turn {
    fn default() -> Self {
        Self::Shared { returned: None }
    }
}

/// The policies of one worker, by root.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    roots: SortedMap<RootId, Root>,
    orders: u64,
    /// The newest connection that is known.
    newest: Option<u64>,
    /// The policy of a root needs every HTTP/1 response to be read.
    reads_responses: bool,
    /// The policy of a root needs the frames of every HTTP/2 connection.
    reads_frames: bool,
}

/// What a configuration led to.
pub(crate) struct Configured {
    /// Why it was rejected, if it was.
    pub(crate) errors: Option<Errors>,
    /// Roots whose connections follow another policy now.
    pub(crate) changed: Vec<RootId>,
}

impl Policies {
    /// Applies the configuration of a root. An invalid one leaves the last valid policy active.
    #[inline(never)]
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
        let mut new = Root {
            bucket: policy.as_deref().and_then(|policy| bucket(&name, policy)),
            entry: FilterEntry {
                name,
                role: policy.as_ref().and_then(|policy| policy.role),
                direction,
            },
            policy,
            digest: digest(text),
            is_rejected: errors.is_some(),
            order: self.next_order(),
            history: History::new(self.newest, now),
            turn: Turn::default(),
            contends: false,
            current: root,
        };
        if new.policy.is_none() {
            let last = self.latest(|other| other.entry.may_equal(&new.entry));
            let last = last.and_then(|last| self.current(last));
            new.policy = last.and_then(|last| last.policy.clone());
            new.bucket = last.and_then(|last| last.bucket);
        }
        // One of them has changed: their next uses show whether they are two entries.
        for (_, other) in self.roots.iter_mut() {
            if other.entry.may_equal(&new.entry) {
                new.history.is_per_stream |= other.history.is_per_stream;
                other.turn = Turn::default();
                other.contends = false;
            }
        }
        self.roots.insert(root, new);
        let mut changed = self.update_current();
        changed.retain(|changed| *changed != root);
        Configured { errors, changed }
    }

    /// The role that a root's own configuration gives it.
    pub(crate) fn role(&self, root: RootId) -> Option<Role> {
        self.roots.get(&root).and_then(|root| root.entry.role)
    }

    /// Envoy's number for the direction of a root's listener, if the host has shown it.
    pub(crate) fn direction(&self, root: RootId) -> Option<u64> {
        self.roots.get(&root)?.entry.direction
    }

    /// The name of the filter entry of a root.
    pub(crate) fn name(&self, root: RootId) -> String {
        let name = self.roots.get(&root).map(|root| &*root.entry.name);
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    }

    /// The policy that is active for what a root has opened.
    pub(crate) fn get(&self, root: RootId) -> Option<&Rc<Policy>> {
        self.current(root)?.policy.as_ref()
    }

    /// The bucket from which the drains of that policy are taken; None where it has no budget.
    pub(crate) fn bucket(&self, root: RootId) -> Option<&Bucket> {
        self.current(root)?.bucket.as_ref()
    }

    /// Whether the policy that is active for what a root has opened needs every HTTP/1 response to be read.
    pub(crate) fn reads_responses(&self, root: RootId) -> bool {
        // Most proxies have no such policy, and need not find that of the connection for each response.
        self.reads_responses && self.get(root).is_some_and(|policy| reads_responses(policy))
    }

    /// Whether a policy needs the frames of every HTTP/2 connection. One for requests applies to connections of another root.
    pub(crate) fn reads_frames(&self) -> bool {
        self.reads_frames
    }

    fn current(&self, root: RootId) -> Option<&Root> {
        let found = self.roots.get(&root)?;
        if found.current == root {
            return Some(found);
        }
        self.roots.get(&found.current)
    }

    /// The first active policy that is `wanted`: one of the network role, if there is one, and one that is enforced. An HTTP
    /// filter that runs for the requests of peers only may see no stream that shows that its policy has changed: a mistaken
    /// cluster in the old policy keeps these requests away.
    pub(crate) fn find(&self, wanted: impl Fn(&Policy) -> bool) -> Option<&Rc<Policy>> {
        let policies = self.roots.keys().filter_map(|root| self.get(*root));
        let wanted = policies.filter(|policy| wanted(policy));
        wanted.min_by_key(|policy| (policy.role == Some(Role::Http), policy.mode))
    }

    /// How many filter entries have an active policy of each mode.
    pub(crate) fn active(&self) -> PerMode<usize> {
        let mut active = PerMode::default();
        for (id, root) in self.roots.iter() {
            if let (true, Some(policy)) = (root.current == *id, &root.policy) {
                let count: &mut usize = active.get_mut(policy.mode);
                *count = count.saturating_add(1);
            }
        }
        active
    }

    /// How many filter entries have a rejected policy as the last one that was applied.
    pub(crate) fn rejected(&self) -> usize {
        let is_rejected = |(id, root): &(&RootId, &Root)| root.is_rejected && root.current == **id;
        self.roots.iter().filter(is_rejected).count()
    }

    /// No root is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Removes a root, which has no connections left. Returns the roots whose connections follow another policy now.
    pub(crate) fn forget(&mut self, root: RootId) -> Vec<RootId> {
        self.roots.remove(&root);
        self.update_current()
    }

    fn next_order(&mut self) -> u64 {
        self.orders = self.orders.saturating_add(1);
        self.orders
    }

    /// All roots of the filter entry of `root`.
    fn ids_of(&self, root: RootId) -> Vec<RootId> {
        let Some(root) = self.roots.get(&root) else {
            return Vec::new();
        };
        let same_entry =
            |(id, other): (&RootId, &Root)| other.entry.may_equal(&root.entry).then_some(*id);
        self.roots.iter().filter_map(same_entry).collect()
    }

    /// The root that was applied last among those that are `wanted`.
    fn latest(&self, wanted: impl Fn(&Root) -> bool) -> Option<RootId> {
        let wanted = self.roots.iter().filter(|(_, root)| wanted(root));
        wanted.max_by_key(|(_, root)| root.order).map(|(id, _)| *id)
    }

    /// Finds the current root of each root. Returns the roots for which it changed.
    fn update_current(&mut self) -> Vec<RootId> {
        let policies = || {
            self.roots
                .values()
                .filter_map(|root| root.policy.as_deref())
        };
        (self.reads_responses, self.reads_frames) = (
            policies().any(reads_responses),
            policies().any(reads_frames),
        );
        let current = |(id, root): (&RootId, &Root)| {
            let current = match root.turn {
                Turn::Split { .. } => *id,
                Turn::Shared { .. } => self
                    .latest(|other| {
                        matches!(other.turn, Turn::Shared { .. })
                            && other.entry.may_equal(&root.entry)
                    })
                    .unwrap_or(*id),
            };
            (current != root.current).then_some((*id, current))
        };
        let changes: Vec<_> = self.roots.iter().filter_map(current).collect();
        for (id, current) in &changes {
            if let Some(root) = self.roots.get_mut(id) {
                root.current = *current;
            }
        }
        changes.into_iter().map(|(id, _)| id).collect()
    }
}

/// Rebalancing counts active requests, and so has to know when each ends. A `Keep-Alive` hint is inserted into every
/// response. A request that selects a route may be the last one of its connection.
fn reads_responses(policy: &Policy) -> bool {
    let limits_requests = |route: &Route| route.rule.max_requests_per_connection.is_some();
    policy.rebalance.is_some()
        || policy.keepalive.http1_hint
        || policy.routes.iter().any(limits_requests)
}

/// Rebalancing counts requests and active streams. So do limits by requests and by the age of streams. A `drain_timeout`
/// aborts only what is active, and an exact last-stream-id has to be known. With a long `idle_wait`, idle points are
/// preferred, and have to be found.
fn reads_frames(policy: &Policy) -> bool {
    let of_routes = policy.routes.iter().map(|route| &route.rule);
    let needs_frames = |rule: &Rc<Rule>| {
        rule.max_requests_per_connection.is_some()
            || rule.max_stream_age.is_some()
            || rule.drain_timeout.is_some()
            || rule.http2.last_stream_id == LastStreamId::Exact
            || rule.http2.idle_wait > Http2::default().idle_wait
    };
    policy.rebalance.is_some() || of_routes.chain([&policy.defaults]).any(needs_frames)
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
