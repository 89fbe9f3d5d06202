//! Which root of a filter entry is current.
//!
//! - A root that is configured is current at once: connections that are open follow it before another one
//!   opens.
//! - So is one that opens a connection while another is current. Envoy calls `on_configure` once for each
//!   configuration that it has a root of: when a policy goes A, B, A, all that shows of the third change is
//!   that root A opens connections again.
//! - But a root that has just been configured and has opened nothing yet stays current for [`SWITCHING`],
//!   whatever the one before opens: Envoy configures it a little before the listener uses it.
//!
//! A stream is not what opens a connection: a listener that changes leaves a connection its filters, so streams of
//! earlier connections come by earlier roots for as long as these live. But Envoy numbers connections in the order in
//! which a worker accepts them, and the HTTP role learns the number of a stream's. So a stream counts as its
//! connection does, also where no network role has seen that open:
//!
//! - One on a later connection than one of the current root's own shows that its root is used again.
//! - Where Envoy selects the filters for each stream (ECDS), a root gets streams of connections that are older than
//!   itself. There, streams of earlier roots alone for [`SWITCHING`] show it, too.
//!
//! Two filter entries of one name with different policies look like an endless A, B, A, B. Such roots are
//! [`Entry::split`](super::Entry): each keeps its own policy, until one of them alone is used for [`SPLIT`].

use std::collections::BTreeSet;

use core::time::Duration;

use evenkeel_engine::Instant;

use super::{Entry, Policies, RootId};

/// How long after its configuration a root that has opened nothing stays current although others do.
const SWITCHING: Duration = Duration::from_secs(2);

/// How soon a root that becomes current by use a second time shows that two entries share a name.
const SPLIT: Duration = Duration::from_secs(60);

/// What a root is used for, and the host's number of the connection, if it tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    /// A connection opens.
    Connection(Option<u64>),
    /// A stream opens, on a connection that may be older.
    Stream(Option<u64>),
}

/// What the use of a root says about which one is current.
enum Evidence {
    /// Nothing: it may be a stream of an earlier connection.
    None,
    /// Its root is used again, unless the current one has only not been used yet.
    Weak,
    /// Its root is used again.
    Strong,
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
    /// The connection of the next stream of a root shows something that is not known yet: that it is used again,
    /// which connections are its own, or that streams change their roots.
    pub(crate) fn needs_connection(&self, root: RootId) -> bool {
        let Some(entry) = self.entries.get(&root) else {
            return false;
        };
        let mut others = self.entries.iter().filter(|(id, _)| **id != root);
        entry.current != root
            || entry.opened.is_none()
            || (!entry.is_per_stream && others.any(|(_, other)| other.is_of(entry)))
    }

    /// A root is used.
    pub(crate) fn used(&mut self, root: RootId, by: Use, now: Instant) -> Used {
        let (Use::Connection(id) | Use::Stream(id)) = by;
        self.newest = self.newest.max(id);
        let Some(entry) = self.entries.get_mut(&root) else {
            return Used::default();
        };
        let was_used = core::mem::replace(&mut entry.used, true);
        entry.contends = false;
        entry.last_used = now;
        let is_older = id.is_some() && id <= entry.configured;
        let shows_per_stream = is_older && !core::mem::replace(&mut entry.is_per_stream, is_older);
        if shows_per_stream {
            for id in self.ids_of(root) {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.is_per_stream = true;
                }
            }
        }
        let Some(entry) = self.entries.get_mut(&root) else {
            return Used::default();
        };
        if entry.split.is_some() {
            return self.used_split(root, now);
        }
        if entry.current == root {
            if id > entry.before {
                entry.opened = entry.opened.min(id).or(id);
            }
            return Used::default();
        }
        let current = entry.current;
        match self.evidence(current, by, was_used, now) {
            Evidence::None => Used::default(),
            Evidence::Weak => {
                if let Some(entry) = self.entries.get_mut(&root) {
                    entry.contends = true;
                }
                Used::default()
            }
            Evidence::Strong => self.apply_by_use(root, current, id, was_used, now),
        }
    }

    /// What it shows that an earlier root is used while `current` is current.
    fn evidence(&self, current: RootId, by: Use, was_used: bool, now: Instant) -> Evidence {
        let Some(current) = self.entries.get(&current) else {
            return Evidence::Strong;
        };
        let is_switching = !current.used && now.since(current.applied) < SWITCHING;
        match (by, current.opened) {
            (Use::Connection(_), _) if was_used && is_switching => Evidence::Weak,
            (Use::Connection(_), _) => Evidence::Strong,
            (Use::Stream(None), _) => Evidence::None,
            (Use::Stream(id), Some(opened)) if id > Some(opened) => Evidence::Strong,
            // Both connections opened after the current root was configured, as far as was seen.
            (Use::Stream(id), None)
                if !current.used && current.before.is_some() && id > current.before =>
            {
                if is_switching {
                    Evidence::Weak
                } else {
                    Evidence::Strong
                }
            }
            (Use::Stream(_), _) => {
                let last = current.last_used.max(current.applied);
                if current.is_per_stream && now.since(last) >= SWITCHING {
                    Evidence::Strong
                } else {
                    Evidence::None
                }
            }
        }
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
        self.apply(root, now, self.newest);
        Used {
            changed: self.settle(),
            applied: true,
            conflict: false,
        }
    }

    /// A root is used for the connection `opened` while `current` is current, which was used itself.
    fn apply_by_use(
        &mut self,
        root: RootId,
        current: RootId,
        opened: Option<u64>,
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
        self.apply(root, now, opened);
        Used {
            changed: self.settle(),
            applied: !conflict,
            conflict,
        }
    }

    /// Time has passed: the roots that turn out to be current although another was configured later.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<(RootId, Used)> {
        let contending =
            |(id, entry): (&RootId, &Entry)| entry.contends.then_some((*id, entry.current));
        let contending: Vec<_> = self.entries.iter().filter_map(contending).collect();
        let mut all = Vec::new();
        for (root, current_root) in contending {
            let Some(current) = self.entries.get(&current_root) else {
                continue;
            };
            if current.used {
                // It was in time: the listener has switched to the later one since.
                if let Some(entry) = self.entries.get_mut(&root) {
                    entry.contends = false;
                }
            } else if now.since(current.applied) >= SWITCHING {
                let newest = self.newest;
                all.push((
                    root,
                    self.apply_by_use(root, current_root, newest, true, now),
                ));
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
        // What is open here may be of either.
        self.apply(root, told.at, self.newest);
        // It is used, if not here.
        if let Some(entry) = self.entries.get_mut(&root) {
            entry.used = true;
        }
        self.settle()
    }

    /// A root becomes current, as it has opened the connection `opened`.
    fn apply(&mut self, root: RootId, at: Instant, opened: Option<u64>) {
        let order = self.next_order();
        let newest = self.newest;
        if let Some(entry) = self.entries.get_mut(&root) {
            entry.applied = at;
            entry.order = order;
            entry.before = newest;
            entry.opened = opened;
            entry.contends = false;
        }
    }
}
