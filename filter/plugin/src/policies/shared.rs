//! How workers notify each other that an earlier root is current again: one value per filter entry in shared data.

use evenkeel_engine::{Instant, record};

use super::{Policies, Root, RootId};

/// Which configuration of a filter entry was applied last, for all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    digest: u64,
    at: Instant,
}

impl Applied {
    /// Reads what [`Applied::to_bytes`] wrote; `None` for anything else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [digest, at] = record::read(bytes)?;
        let at = Instant::from_nanos(at);
        Some(Self { digest, at })
    }

    /// In shared data: the digest of the configuration, and the time in nanoseconds of the monotonic clock.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        record::write([self.digest, self.at.as_nanos()])
    }
}

impl Policies {
    /// The keys under which another worker may announce that an earlier configuration was applied again, each with
    /// the root that is current here. None where no earlier root is left.
    pub(crate) fn shared_keys(&self) -> Vec<(String, RootId)> {
        let returning = |(id, root): (&RootId, &Root)| {
            let current = self.roots.get(&root.current)?;
            let may_return = root.current != *id && root.digest != current.digest;
            may_return.then(|| (root.entry.key(), root.current))
        };
        let mut keys = Vec::new();
        for key in self.roots.iter().filter_map(returning) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// The key of the filter entry of a root, and what to store there.
    pub(crate) fn applied(&self, root: RootId) -> Option<(String, Applied)> {
        let root = self.roots.get(&root)?;
        let applied = Applied {
            digest: root.digest,
            at: root.history.applied,
        };
        Some((root.entry.key(), applied))
    }

    /// Another worker has applied a configuration of the filter entry of `current`. Returns the roots whose
    /// connections follow another policy now.
    pub(crate) fn follow(&mut self, current: RootId, applied: Applied) -> Vec<RootId> {
        let Some(root) = self.roots.get(&current) else {
            return Vec::new();
        };
        if applied.at <= root.history.applied || applied.digest == root.digest {
            return Vec::new();
        }
        let found = self.roots.iter().find(|(_, other)| {
            other.digest == applied.digest
                && other.current == current
                && other.entry.may_equal(&root.entry)
        });
        let Some(id) = found.map(|(id, _)| *id) else {
            return Vec::new();
        };
        // Connections that are open here may be of either root.
        self.apply(id, applied.at, self.newest);
        // It is used by the other worker.
        if let Some(root) = self.roots.get_mut(&id) {
            root.history.is_used = true;
        }
        self.update_current()
    }
}
