//! Which root of a filter entry is current.
//!
//! Envoy calls `on_configure` once for each configuration that it has a root of. When a policy goes A, B, A, all that
//! shows of the third change is that root A opens connections again. The state of a filter entry with two roots:
//!
//! ```text
//!                  B is configured                B is used
//!   A is current ─────────────────▶ switching ──────────────▶ B is current
//!       ▲ ▲ │                        to B │                       │ ▲
//!       │ │ │   A is used, B not for 2 s  │                       │ │
//!       │ └─┼─────────────────────────────┘                       │ │
//!       └───┼────────────── A is used again ──────────────────────┘ │
//!           └────────────── B is used again ────────────────────────┘
//!                                  │ a root returns twice within 60 s
//!                                  ▼
//!               split: each root keeps its own policy,
//!               until one of them alone is used for 60 s
//! ```
//!
//! Two filter entries of one name with different policies look like an endless A, B, A, B: such roots are split.
//!
//! A stream is weaker evidence than a connection: a listener that changes leaves a connection its filters, so streams
//! of earlier connections come by earlier roots for as long as these live. But Envoy numbers connections in the order
//! in which a worker accepts them, and the HTTP role learns the number of a stream's connection. `evidence.rs` has
//! the table.

use core::time::Duration;

use evenkeel_engine::Instant;

use super::evidence::Evidence;
use super::{Policies, Root, RootId, Turn, Use};

/// How soon a root that becomes current by use a second time shows that two entries share a name.
const SPLIT: Duration = Duration::from_secs(60);

/// What the use of a root changed.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Roots whose connections follow another policy now.
    pub(crate) changed: Vec<RootId>,
    /// The root became current, or is used for the first time, which other workers should know.
    pub(crate) applied: bool,
    /// Two filter entries turn out to have one name.
    pub(crate) conflict: bool,
}

impl Policies {
    /// The number of the connection of the root's next stream would show something that is not known yet: that the
    /// root is used again, which connections are its own, or that Envoy selects filters for each stream.
    pub(crate) fn needs_connection(&self, id: RootId) -> bool {
        let Some(root) = self.roots.get(&id) else {
            return false;
        };
        let mut others = self.roots.iter().filter(|(other, _)| **other != id);
        root.current != id
            || root.history.oldest_opened.is_none()
            || (!root.history.is_per_stream
                && others.any(|(_, other)| other.entry.may_equal(&root.entry)))
    }

    /// Records the use of a root.
    pub(crate) fn used(&mut self, id: RootId, by: Use, now: Instant) -> Used {
        let connection = by.connection();
        self.newest = self.newest.max(connection);
        let Some(root) = self.roots.get_mut(&id) else {
            return Used::default();
        };
        let was_used = core::mem::replace(&mut root.history.is_used, true);
        root.history.last_used = now;
        root.contends = false;
        let is_shared = matches!(root.turn, Turn::Shared { .. });
        // Nearly all streams: the root is current, and nothing is known of the connection.
        if was_used && connection.is_none() && is_shared && root.current == id {
            return Used::default();
        }
        if root.history.is_older(connection) && !root.history.is_per_stream {
            for id in self.ids_of(id) {
                if let Some(root) = self.roots.get_mut(&id) {
                    root.history.is_per_stream = true;
                }
            }
        }
        let Some(root) = self.roots.get_mut(&id) else {
            return Used::default();
        };
        if let Turn::Split { .. } = root.turn {
            return self.used_split(id, now);
        }
        if root.current == id {
            root.history.record_own(connection);
            // Another worker may still have an earlier root with this configuration, which Envoy does not configure
            // again there.
            return Used {
                applied: !was_used,
                ..Used::default()
            };
        }
        let current = root.current;
        let evidence = self.roots.get(&current).map_or(Evidence::Strong, |root| {
            root.history.evidence(by, was_used, now)
        });
        match evidence {
            Evidence::None => Used::default(),
            Evidence::Weak => {
                if let Some(root) = self.roots.get_mut(&id) {
                    root.contends = true;
                }
                Used::default()
            }
            Evidence::Strong => self.apply_by_use(id, current, connection, was_used, now),
        }
    }

    /// Records the use of a root that is split from another one of its name.
    fn used_split(&mut self, id: RootId, now: Instant) -> Used {
        let ids = self.ids_of(id);
        let is_alone = !ids.iter().filter(|other| **other != id).any(|other| {
            matches!(self.roots.get(other), Some(Root { turn: Turn::Split { last_used }, .. })
                if now.since(*last_used) < SPLIT)
        });
        if !is_alone {
            if let Some(root) = self.roots.get_mut(&id) {
                root.turn = Turn::Split { last_used: now };
            }
            return Used::default();
        }
        for id in ids {
            if let Some(root) = self.roots.get_mut(&id) {
                root.turn = Turn::default();
            }
        }
        self.apply(id, now, self.newest);
        Used {
            changed: self.update_current(),
            applied: true,
            conflict: false,
        }
    }

    /// Makes a root current because it has opened `connection` while `current` was current. `is_return` if it was
    /// used before.
    fn apply_by_use(
        &mut self,
        id: RootId,
        current: RootId,
        connection: Option<u64>,
        is_return: bool,
        now: Instant,
    ) -> Used {
        let Some(root) = self.roots.get_mut(&id) else {
            return Used::default();
        };
        let returned = is_return.then_some(now);
        let before = core::mem::replace(&mut root.turn, Turn::Shared { returned });
        let conflict = matches!(before, Turn::Shared { returned: Some(at) }
            if is_return && now.since(at) < SPLIT);
        if conflict {
            for id in [id, current] {
                if let Some(root) = self.roots.get_mut(&id) {
                    root.turn = Turn::Split { last_used: now };
                }
            }
        }
        self.apply(id, now, connection);
        Used {
            changed: self.update_current(),
            applied: !conflict,
            conflict,
        }
    }

    /// Returns the roots that turn out to be current although another one was configured later.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<(RootId, Used)> {
        let contending =
            |(id, root): (&RootId, &Root)| root.contends.then_some((*id, root.current));
        let contending: Vec<_> = self.roots.iter().filter_map(contending).collect();
        let mut all = Vec::new();
        for (id, current) in contending {
            let Some(history) = self.roots.get(&current).map(|root| root.history) else {
                continue;
            };
            if history.is_used {
                // The listener has switched to the later root in time.
                if let Some(root) = self.roots.get_mut(&id) {
                    root.contends = false;
                }
            } else if !history.is_switching(now) {
                all.push((id, self.apply_by_use(id, current, self.newest, true, now)));
            }
        }
        all
    }

    /// Makes a root current, as it has opened `connection`.
    pub(super) fn apply(&mut self, id: RootId, at: Instant, connection: Option<u64>) {
        let order = self.next_order();
        let newest = self.newest;
        if let Some(root) = self.roots.get_mut(&id) {
            root.order = order;
            root.contends = false;
            root.history.applied = at;
            root.history.newest_when_applied = newest;
            root.history.oldest_opened = connection;
        }
    }
}
