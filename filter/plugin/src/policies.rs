//! Which policy is in force for which filter entry.
//!
//! Each root context brings a policy. An update makes another root of the same name in the same VM, while
//! the old one lives on with its connections: they are to follow the new policy. But two entries that only
//! happen to have the same name are no update of each other. They are told apart by use: once a root that
//! has a successor opens another connection, it was no predecessor.

use std::collections::BTreeMap;
use std::rc::Rc;

use evenkeel_policy::{Errors, Policy, Role};

/// A root context's id.
pub(crate) type RootId = u32;

#[derive(Debug, Default)]
struct Entry {
    name: Vec<u8>,
    role: Option<Role>,
    policy: Option<Rc<Policy>>,
    /// It has opened connections or streams.
    used: bool,
    successor: Option<RootId>,
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
    pub(crate) fn configure(&mut self, root: RootId, name: Vec<u8>, text: &[u8]) -> Configured {
        let (policy, errors) = match Policy::parse(text) {
            Ok(policy) => (Some(Rc::new(policy)), None),
            Err(errors) => (None, Some(errors)),
        };
        let role = policy.as_ref().and_then(|policy| policy.role);
        let mut changed = Vec::new();
        let mut inherited = None;
        for (id, entry) in &mut self.entries {
            let same_role = errors.is_some() || entry.role == role;
            if *id == root
                || entry.name != name
                || !same_role
                || !entry.used
                || entry.successor.is_some()
            {
                continue;
            }
            if errors.is_none() {
                entry.successor = Some(root);
                changed.push(*id);
            } else {
                inherited = entry
                    .policy
                    .clone()
                    .map(|policy| (policy, entry.role))
                    .or(inherited);
            }
        }
        let (policy, role) = match (policy, inherited) {
            (None, Some((policy, role))) => (Some(policy), role),
            (policy, _) => (policy, role),
        };
        self.entries.insert(
            root,
            Entry {
                name,
                role,
                policy,
                used: false,
                successor: None,
            },
        );
        Configured { errors, changed }
    }

    /// The role that a root's own configuration gives it.
    pub(crate) fn role(&self, root: RootId) -> Option<Role> {
        self.entries.get(&root).and_then(|entry| entry.role)
    }

    /// The policy in force for what a root has opened.
    pub(crate) fn get(&self, root: RootId) -> Option<&Rc<Policy>> {
        let mut entry = self.entries.get(&root)?;
        // A chain is no longer than there are roots.
        for _ in 0..self.entries.len() {
            match entry.successor.and_then(|next| self.entries.get(&next)) {
                Some(next) => entry = next,
                None => break,
            }
        }
        entry.policy.as_ref()
    }

    /// A root opens a connection or stream. True when it was taken for a predecessor and is not.
    pub(crate) fn used(&mut self, root: RootId) -> bool {
        let Some(entry) = self.entries.get_mut(&root) else {
            return false;
        };
        entry.used = true;
        entry.successor.take().is_some()
    }

    /// A root is gone, and with it all that it opened.
    pub(crate) fn forget(&mut self, root: RootId) {
        self.entries.remove(&root);
    }
}
