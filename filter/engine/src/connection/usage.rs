//! What a connection carries, and whether it counts.

use evenkeel_policy::Direction;

use super::{Connection, DrainState, PendingDrain};
use crate::hosts::UpstreamHostId;
use crate::load::Flow;
use crate::totals::Part;
use crate::{Activity, Instant, Load};

#[derive(Debug, Default)]
pub(super) struct Usage {
    pub(super) requests: u64,
    pub(super) active: u32,
    pub(super) flow: Flow,
    /// HTTP/2: streams are not known.
    pub(super) is_unread: bool,
    /// The upstream host that the connection stays with, or that responded last.
    pub(super) host: Option<UpstreamHostId>,
    /// The requests that were exchanges between peers.
    peer_exchanges: u32,
    /// Rebalancing has selected the connection in vain: not again before.
    pub(super) not_selected_before: Instant,
    /// Dry run: rebalancing would have drained it.
    pub(super) drained_in_dry_run: bool,
}

/// What one event adds to the load of the worker and of an upstream host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Increment {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    pub(crate) is_of_service: bool,
    pub(crate) host: Option<UpstreamHostId>,
}

impl Usage {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            flow: Flow::new(now),
            ..Self::default()
        }
    }

    /// The active requests. At least one where they are not known: such a connection never counts as idle.
    pub(super) fn possibly_active(&self) -> u32 {
        if self.is_unread {
            self.active.max(1)
        } else {
            self.active
        }
    }

    fn load(&self) -> Load {
        Load {
            connections: 1.0,
            active: f64::from(self.active),
            requests: self.flow.requests(),
            bytes: self.flow.bytes(),
        }
    }
}

impl Connection {
    /// Nothing more is known of the streams of the connection.
    pub(crate) fn leave_unread(&mut self) {
        self.usage.is_unread = true;
        self.usage.active = 0;
    }

    #[inline]
    pub(super) fn record_usage(&mut self, activity: &Activity) -> Increment {
        let requests = activity.requests.saturating_sub(self.usage.requests);
        self.usage.flow.add_bytes(activity.bytes);
        self.usage.requests = activity.requests;
        self.usage.active = activity.active;
        Increment {
            requests,
            bytes: activity.bytes,
            is_of_service: self.is_of_service(),
            host: self.usage.host,
        }
    }

    /// Updates the rates of requests and bytes.
    pub(crate) fn update_rates(&mut self, now: Instant) {
        self.usage.flow.update(self.usage.requests, now);
    }

    pub(crate) fn set_upstream_host(&mut self, host: UpstreamHostId) {
        self.usage.host = Some(host);
    }

    pub(crate) fn record_peer_exchange(&mut self) {
        // There are no requests to compare them with.
        if self.usage.is_unread {
            return;
        }
        self.usage.peer_exchanges = self.usage.peer_exchanges.saturating_add(1);
    }

    /// A service's pods are compared by this connection: it is inbound, has a rule, and serves not only peers.
    pub(crate) fn is_of_service(&self) -> bool {
        let Usage {
            peer_exchanges,
            requests,
            ..
        } = self.usage;
        self.terms.rule.is_some()
            && self.origin.direction == Direction::Inbound
            && (peer_exchanges == 0 || u64::from(peer_exchanges) < requests)
    }

    /// The upstream host that the connection stays with for as long as it is open.
    pub(crate) fn fixed_host(&self) -> Option<UpstreamHostId> {
        self.usage.host.filter(|_| !self.is_http())
    }

    /// The connection is to be drained, or drains. One whose client ignores the drain signal stays.
    pub(crate) fn is_leaving(&self) -> bool {
        match self.drain {
            DrainState::Serving | DrainState::Bypassed => false,
            DrainState::Draining(drain) => !drain.reaction.ignores_signal(),
            _ => true,
        }
    }

    pub(crate) fn is_selected(&self) -> bool {
        self.drain.pending().is_some_and(PendingDrain::is_selected)
    }

    pub(crate) fn is_drained_in_dry_run(&self) -> bool {
        self.usage.drained_in_dry_run
    }

    /// What the connection carries. One that drains is no connection that another pod could get, unless its client
    /// ignores the drain signal; but what is in flight on it goes on, perhaps for hours. Of a bypassed one no more is
    /// known than that it is open.
    pub(crate) fn load(&self) -> Load {
        let (is_connection, carries_requests) = self.counts();
        let carried = if carries_requests {
            self.usage.load()
        } else {
            Load::default()
        };
        Load {
            connections: f64::from(u8::from(is_connection)),
            ..carried
        }
    }

    /// Whether it counts as a connection, and whether the requests on it count.
    fn counts(&self) -> (bool, bool) {
        match self.drain {
            DrainState::Closing(_) => (false, false),
            DrainState::Bypassed => (true, false),
            DrainState::Draining(drain) if drain.reaction.ignores_signal() => (true, true),
            DrainState::Draining(_) | DrainState::DrainedByProxy => (false, true),
            DrainState::Serving | DrainState::Pending(_) => (true, true),
        }
    }

    /// What the connection adds to the totals.
    pub(crate) fn part(&self) -> Part {
        // `load` also computes rates, which takes longer.
        let (is_connection, carries_requests) = self.counts();
        Part {
            is_of_service: self.is_of_service(),
            is_connection,
            mode: self.terms.mode,
            is_leaving: self.is_leaving(),
            drained_in_dry_run: self.usage.drained_in_dry_run,
            is_selected: self.is_selected(),
            active: if carries_requests {
                self.usage.active
            } else {
                0
            },
            host: self.fixed_host(),
        }
    }
}
