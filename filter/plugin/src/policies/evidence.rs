//! What the use of an earlier root shows about which root of its filter entry is current.

use core::time::Duration;

use evenkeel_engine::Instant;

/// How long a root that was just configured and has opened nothing stays current although an earlier one opens
/// connections: Envoy configures a root a little before the listener uses it.
pub(super) const SWITCHING: Duration = Duration::from_secs(2);

/// What a root is used for, with Envoy's number of the connection. None where the host has no number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    /// A connection opens.
    Connection(Option<u64>),
    /// A stream opens, on a connection that may be older.
    Stream(Option<u64>),
}

impl Use {
    pub(super) fn connection(self) -> Option<u64> {
        let (Self::Connection(id) | Self::Stream(id)) = self;
        id
    }
}

/// What the use of an earlier root shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nothing: it may be a stream of an earlier connection.
    None,
    /// The earlier root is current again, unless the current one is about to be used for the first time.
    Weak,
    /// The earlier root is current again.
    Strong,
}

/// How one root was used. Connections are Envoy's numbers, which grow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct History {
    /// When it last became current.
    pub(super) applied: Instant,
    pub(super) last_used: Instant,
    /// It has opened something since it was configured.
    pub(super) is_used: bool,
    /// The newest connection when it was configured: it cannot have opened that one.
    pub(super) newest_when_configured: Option<u64>,
    /// The newest connection when it last became current.
    pub(super) newest_when_applied: Option<u64>,
    /// The oldest connection that it has opened since it last became current.
    pub(super) oldest_opened: Option<u64>,
    /// Envoy selects the filters of its entry for each stream (ECDS), so streams change their root with the policy.
    pub(super) is_per_stream: bool,
}

impl History {
    /// The history of a root that is configured at `now`, when `newest` is the newest connection.
    pub(super) fn new(newest: Option<u64>, now: Instant) -> Self {
        Self {
            applied: now,
            last_used: now,
            newest_when_configured: newest,
            newest_when_applied: newest,
            ..Self::default()
        }
    }

    /// The connection is older than the root itself.
    pub(super) fn is_older(&self, connection: Option<u64>) -> bool {
        connection.is_some() && connection <= self.newest_when_configured
    }

    /// Records a use of the current root: the connection is its own, unless it is an earlier root's.
    pub(super) fn record_own(&mut self, connection: Option<u64>) {
        if connection > self.newest_when_applied {
            self.oldest_opened = self.oldest_opened.min(connection).or(connection);
        }
    }

    /// The root was configured so recently that the listener may not use it yet.
    pub(super) fn is_switching(&self, now: Instant) -> bool {
        !self.is_used && now.since(self.applied) < SWITCHING
    }

    /// What it shows that an earlier root is used at `now`, while this is the history of the current one.
    /// `was_used` if the earlier root was used before.
    ///
    /// ```text
    ///  use of the earlier root        current root               evidence
    ///  connection, first use ever     any                        Strong
    ///  connection                     is switching               Weak
    ///  connection                     used, or never switched    Strong
    ///  stream without a number        any                        None
    ///  stream on a connection later
    ///    than the current's first     has opened one             Strong
    ///    than the current's start     is switching               Weak
    ///    than the current's start     never used                 Strong
    ///  stream on an earlier one       per stream, unused for 2 s Strong
    ///                                 otherwise                  None
    /// ```
    pub(super) fn evidence(&self, by: Use, was_used: bool, now: Instant) -> Evidence {
        let contests = if self.is_switching(now) {
            Evidence::Weak
        } else {
            Evidence::Strong
        };
        match (by, self.oldest_opened) {
            (Use::Connection(_), _) if was_used => contests,
            (Use::Connection(_), _) => Evidence::Strong,
            (Use::Stream(None), _) => Evidence::None,
            (Use::Stream(id), Some(oldest)) if id > Some(oldest) => Evidence::Strong,
            // As far as is known, the connection opened after the current root was applied.
            (Use::Stream(id), None)
                if !self.is_used
                    && self.newest_when_applied.is_some()
                    && id > self.newest_when_applied =>
            {
                contests
            }
            // Streams of earlier connections keep their earlier root for as long as they live. Only where Envoy
            // selects filters for each stream do they show a change, once the current root gets none any more.
            (Use::Stream(_), _) => {
                let last = self.last_used.max(self.applied);
                if self.is_per_stream && now.since(last) >= SWITCHING {
                    Evidence::Strong
                } else {
                    Evidence::None
                }
            }
        }
    }
}
