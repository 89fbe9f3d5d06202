//! Which policy is in force for which filter entry.
//!
//! Each root context brings a policy. An update makes another root of the same name in the same VM, while
//! the old one lives on with its connections: they are to follow the new policy. But two entries that only
//! happen to have the same name are no update of each other. They are told apart by use: once a root that
//! has had a successor for a while opens another connection, it was no predecessor.

use std::collections::BTreeMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::Instant;
use evenkeel_policy::{Errors, Policy, Role};

/// Envoy configures the new root a little before its listener switches to it: what the old one opens in
/// between tells nothing.
const SWITCHING: Duration = Duration::from_secs(10);

/// A root context's id.
pub(crate) type RootId = u32;

#[derive(Debug, Default)]
struct Entry {
    name: Vec<u8>,
    role: Option<Role>,
    policy: Option<Rc<Policy>>,
    /// Its own configuration was refused.
    refused: bool,
    /// It has opened something, or succeeded one that had.
    at_work: bool,
    successor: Option<Successor>,
}

#[derive(Clone, Copy, Debug)]
struct Successor {
    root: RootId,
    since: Instant,
}

/// The policies of one worker, by root.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    entries: BTreeMap<RootId, Entry>,
}

/// What a configuration led to.
pub(crate) struct Configured {
    /// Why it was refused, if it was.
    pub(crate) errors: Option<Errors>,
    /// Roots whose connections follow another policy now.
    pub(crate) changed: Vec<RootId>,
}

impl Policies {
    /// A root was configured with `text`.
    pub(crate) fn configure(
        &mut self,
        root: RootId,
        name: Vec<u8>,
        text: &[u8],
        now: Instant,
    ) -> Configured {
        let (policy, errors) = match Policy::parse(text) {
            Ok(policy) => (Some(Rc::new(policy)), None),
            Err(errors) => (None, Some(errors)),
        };
        // What a broken text was for cannot be known: the root asks, for each context.
        let role = policy.as_ref().and_then(|policy| policy.role);
        let mut last_good = None;
        for (id, entry) in &mut self.entries {
            let other_role = role.is_some() && entry.role.is_some() && entry.role != role;
            if *id == root || entry.name != name || other_role {
                continue;
            }
            last_good = entry.policy.clone().or(last_good);
            if policy.is_some() && entry.at_work && entry.successor.is_none() {
                entry.successor = Some(Successor { root, since: now });
            }
        }
        let entry = Entry {
            name,
            role,
            at_work: false,
            refused: errors.is_some(),
            policy: policy.or(last_good),
            successor: None,
        };
        self.entries.insert(root, entry);
        let follows = |id: &RootId| *id != root && self.last(*id) == root;
        let changed: Vec<RootId> = self.entries.keys().copied().filter(follows).collect();
        if let Some(entry) = self.entries.get_mut(&root) {
            entry.at_work = !changed.is_empty();
        }
        Configured { errors, changed }
    }

    /// The role that a root's own configuration gives it.
    pub(crate) fn role(&self, root: RootId) -> Option<Role> {
        self.entries.get(&root).and_then(|entry| entry.role)
    }

    /// The policy in force for what a root has opened.
    pub(crate) fn get(&self, root: RootId) -> Option<&Rc<Policy>> {
        self.entries.get(&self.last(root))?.policy.as_ref()
    }

    /// The first policy in force that is `wanted`.
    pub(crate) fn find(&self, wanted: impl Fn(&Policy) -> bool) -> Option<&Rc<Policy>> {
        let mut policies = self.entries.keys().filter_map(|root| self.get(*root));
        policies.find(|policy| wanted(policy))
    }

    /// How many filter entries have a newest policy that was refused. A later root of the same name brought a newer.
    pub(crate) fn refused(&self) -> usize {
        let is_newest = |root: &RootId, entry: &Entry| {
            let mut later = self.entries.range(root.saturating_add(1)..);
            !later.any(|(_, later)| later.name == entry.name)
        };
        self.entries
            .iter()
            .filter(|(root, entry)| entry.refused && is_newest(root, entry))
            .count()
    }

    /// The end of a root's line of successors.
    fn last(&self, root: RootId) -> RootId {
        let mut last = root;
        // A line is no longer than there are roots.
        for _ in 0..self.entries.len() {
            let next = self.entries.get(&last).and_then(|entry| entry.successor);
            match next.filter(|next| self.entries.contains_key(&next.root)) {
                Some(next) => last = next.root,
                None => break,
            }
        }
        last
    }

    /// A root opens a connection or stream. True when it was taken for a predecessor and is not.
    pub(crate) fn used(&mut self, root: RootId, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&root) else {
            return false;
        };
        entry.at_work = true;
        entry
            .successor
            .take_if(|successor| now.since(successor.since) > SWITCHING)
            .is_some()
    }

    /// No root is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A root is gone, and with it all that it opened.
    pub(crate) fn forget(&mut self, root: RootId) {
        self.entries.remove(&root);
    }
}
