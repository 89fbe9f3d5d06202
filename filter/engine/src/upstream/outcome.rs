//! What a response means for the connection that carried it: whether it expires, or ends, possibly in place of
//! another one.

use std::rc::Rc;

use evenkeel_policy::{Mode, UpstreamRecycling};

use super::allowance::Allowance;
use super::cluster::Cluster;
use super::table::{Connection, State};
use super::{ConnectionKey, MIN_IDLE, Mark, Outcome, Response, Upstreams};
use crate::Instant;

impl Upstreams {
    fn entry(&mut self, key: &ConnectionKey) -> Option<(&mut Connection, &mut Cluster)> {
        let connection = self.table.get_mut(key)?;
        let cluster = self.clusters.get_mut(&connection.cluster)?;
        Some((connection, cluster))
    }

    /// Updates the connection `key`, on which the response to a request without a mark started.
    #[inline(never)]
    pub(super) fn unmarked_response(
        &mut self,
        key: &Rc<ConnectionKey>,
        before: State,
        mode: Mode,
        now: Instant,
        response: &impl Response,
        outcome: &mut Outcome,
    ) {
        let Some((connection, cluster)) = self.entry(key) else {
            return;
        };
        let has_reached_limit = before == State::Serving && connection.has_reached_limit(mode, now);
        if (has_reached_limit || before != State::Serving) && response.is_local_reply() {
            if connection.is_recyclable {
                // A connection presumed closed counts as open again, so its end is reported again.
                connection.state = State::Expired;
                outcome.key = None;
                self.forget(key);
            }
            return;
        }
        match before {
            State::Serving if has_reached_limit => {
                let is_reported = connection.is_reported.get_mut(mode);
                if !connection.is_recyclable {
                    outcome.unproven = !core::mem::replace(is_reported, true);
                } else if response.closes() {
                    self.forget(key);
                    return;
                } else if mode == Mode::DryRun {
                    outcome.expired = !core::mem::replace(is_reported, true);
                } else {
                    outcome.expired = true;
                    connection.state = State::Expired;
                }
            }
            State::Dormant => connection.state = State::Expired,
            State::Closing => connection.state = State::Ignored,
            State::Serving | State::Expired | State::Ignored => {}
        }
        if connection.state == State::Expired {
            cluster.expire(connection.used);
        }
        if outcome.expired || cluster.is_retrying {
            // While the proxy retries, every attempt of a marked request would carry the mark.
            cluster.is_retrying = response.attempts() > 1;
        }
    }

    /// Updates the connection `key`, on which the response to a marked request started.
    #[expect(clippy::too_many_arguments, reason = "all parts of one response")]
    #[inline(never)]
    pub(super) fn marked_response(
        &mut self,
        key: &Rc<ConnectionKey>,
        mark: &Mark,
        before: State,
        is_new: bool,
        limits: &UpstreamRecycling,
        response: &impl Response,
        outcome: &mut Outcome,
    ) {
        let Some((connection, cluster)) = self.entry(key) else {
            return;
        };
        let retries = response.attempts().saturating_sub(1);
        cluster.is_retrying = retries > 0;
        // Each attempt carried the mark.
        outcome.strays = retries;
        let was_expired = matches!(before, State::Expired | State::Dormant);
        let is_ignored = matches!(before, State::Closing | State::Ignored);
        if was_expired {
            outcome.recycled = true;
            cluster.unexpire(connection.used);
        } else if !is_ignored {
            outcome.strays = retries.saturating_add(1);
        }
        // Counted before a connection is forgotten below: it still takes a turn before the expired one.
        let connections = Rc::strong_count(&connection.cluster).saturating_sub(1);
        let allowance = &mut connection.allowances.enforced;
        let left = allowance.clone().filter(|_| !is_new && !is_ignored);
        let restart = allowance
            .as_ref()
            .map(|it| it.restart(limits, connection.used.0));
        if !key.identifies_connection() {
            // Other connections share this entry: it starts again, for the next one.
            *allowance = restart;
            connection.state = State::Serving;
        } else if is_ignored {
            connection.state = State::Ignored;
        } else if response.closes() {
            // A connection presumed closed counts as open again above, so its end is reported again.
            connection.state = State::Expired;
            self.forget(key);
        } else {
            // The server may close without `connection: close`.
            connection.state = State::Closing;
            self.table.end(Rc::clone(key));
        }
        if !was_expired {
            self.replace_expired(key, mark, left, limits, is_new, connections);
        }
    }

    /// A mark ended the connection `stray`, or had no effect: one expired connection fewer has to end.
    fn replace_expired(
        &mut self,
        stray: &ConnectionKey,
        mark: &Mark,
        left: Option<Allowance>,
        limits: &UpstreamRecycling,
        is_new: bool,
        connections: usize,
    ) {
        let Some(cluster) = self.clusters.get_mut(&mark.cluster) else {
            return;
        };
        let Some(used) = cluster.pop_expired() else {
            return;
        };
        let Some((key, connection)) = self.table.used_at(used) else {
            return;
        };
        let idle = mark.at.since(used.0);
        // Envoy opened a connection to this very server instead of using the one that was idle.
        let is_gone = is_new
            && connection.active == 0
            && stray.address == key.address
            && idle >= MIN_IDLE
            && key.identifies_connection();
        if is_gone {
            cluster.record_gone(idle);
            connection.state = State::Dormant;
            self.table.end(key);
            return;
        }
        // Where requests take the servers in turn, the next mark would hit the same one again.
        cluster.skip_requests(connections, used.0.as_nanos());
        connection.state = State::Serving;
        let allowance = &mut connection.allowances.enforced;
        let restart = allowance.as_ref().map(|it| it.restart(limits, used.0));
        *allowance = left.or(restart);
    }
}
