//! Which upstream HTTP/1 connections to recycle, and which requests to mark for it.
//!
//! A client-side proxy behind a ClusterIP has its connections pinned like any client. A request that
//! carries `connection: close` (the *mark*) makes an HTTP/1 server close the connection that carried it
//! (RFC 9112 section 9.6). But Envoy chooses the connection after the filters ran, and shows which one it
//! was only with the response. So while a cluster has expired connections, requests to it are marked, one
//! at a time for each, until the responses show that the right ones ended:
//!
//! ```text
//!                 over a limit            marked request            `connection: close`
//!   Serving ───────────────────▶ Expired ───────────────▶ Closing ─────────────────────▶ (removed)
//!      ▲                          │    ▲                     │
//!      │ another one ended        │    │ seen again          │ seen again
//!      │ in its place (stray)     ▼    │                     ▼
//!      └──────────────────────── Dormant                  Ignored
//!         idle for as long as others were when they turned out to be gone
//! ```
//!
//! Envoy does not show filters that an upstream connection closed. An expired connection that the server has closed on
//! its idle timeout would attract marks forever, each of which ends another connection. Therefore each
//! mark consumes one expired connection, whatever it hits: where it hits another one (a *stray*), the
//! least recently used expired connection is taken to be gone, or takes over what was left to the stray.
//! So as many connections end as have expired.

use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Mode, UpstreamRecycling};

use crate::Instant;
use cluster::Clusters;
pub use key::ConnectionKey;
use table::{Connection, State, Table};

mod allowance;
mod cluster;
mod key;
mod outcome;
mod table;

/// The most connections that are tracked. A new one beyond it replaces the least recently used one.
pub const MAX_CONNECTIONS: usize = 4096;

/// A connection that carried nothing for so long is presumed closed.
const FORGET: Duration = Duration::from_secs(600);

/// The interval between searches for connections to forget.
const SWEEP: Duration = Duration::from_secs(10);

/// A shorter idle time says nothing about the server's idle timeout: the connection may have had a
/// request in flight.
const MIN_IDLE: Duration = Duration::from_millis(200);

/// Evidence of HTTP/1 is looked for in the first responses over a connection, and then in every
/// [`EVIDENCE_EVERY`]th: each search costs several hostcalls.
const EVIDENCE_FIRST: u64 = 8;
const EVIDENCE_EVERY: u64 = 16;

/// The response whose headers the current callback is about. Each method may cost a hostcall.
pub trait Response {
    /// The name of the cluster that it came from.
    fn cluster(&self) -> Vec<u8>;

    /// It has a field that only HTTP/1 has.
    fn shows_http1(&self) -> bool;

    /// The request came from downstream over HTTP/1.
    fn downstream_is_http1(&self) -> bool;

    /// It has `connection: close`: the proxy closes the connection after it.
    fn closes(&self) -> bool;

    /// The proxy generated it (a local reply): the server sent none, or none that the proxy could use.
    ///
    /// An HTTP/1 connection has ended then. Called only where that makes a difference.
    fn is_local_reply(&self) -> bool;

    /// How often the proxy sent the request; more than once is a retry.
    fn attempts(&self) -> u64;
}

/// The limits of the policy that a response came under.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// What it says about upstream connections.
    pub upstream: &'a UpstreamRecycling,
    /// In dry run a connection that reaches a limit is counted, and stays.
    pub mode: Mode,
}

/// A request that carries the mark and has no response yet. Return it with [`Upstreams::response_started`] or
/// [`Upstreams::request_failed`].
#[derive(Debug)]
#[must_use = "a mark that is not returned keeps its cluster from being marked again"]
pub struct Mark {
    cluster: Vec<u8>,
    at: Instant,
}

/// What one response shows about the connection that carried it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The connection was not known before.
    pub opened: bool,
    /// It reached a limit with this response.
    pub expired: bool,
    /// It reached a limit with this response, and nothing shows that it is HTTP/1: it is not recycled.
    pub unproven: bool,
    /// It ends because of a mark, and was expired.
    pub recycled: bool,
    /// Connections that end because of a mark although they had not expired: more than one where the
    /// marked request was retried.
    pub strays: u64,
    /// The connection; report the end of this response by [`Upstreams::response_ended`].
    pub key: Option<Rc<ConnectionKey>>,
}

/// The upstream connections of one worker.
///
/// Call [`needs_mark`](Self::needs_mark) before a request goes to a cluster and [`record_mark`](Self::record_mark) if it
/// is marked; then [`response_started`](Self::response_started) with the response's headers, or
/// [`request_failed`](Self::request_failed). Connections that are no longer tracked are returned by
/// [`poll_ended`](Self::poll_ended).
#[derive(Debug, Default)]
pub struct Upstreams {
    table: Table,
    clusters: Clusters,
    swept: Instant,
}

impl Upstreams {
    /// How many connections are tracked.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// No connection is tracked.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Some connection is expired: only then can [`Upstreams::needs_mark`] be true.
    pub fn has_expired(&self) -> bool {
        self.clusters.has_expired()
    }

    /// Whether the next request to `cluster` should be marked, budget permitting.
    ///
    /// An HTTP/2 server responds to a marked request with a connection error. A cluster may choose its protocol by
    /// that of the request, so a request is marked only if others of its downstream protocol have gone over HTTP/1.
    #[inline(never)]
    pub fn needs_mark(&mut self, cluster: &[u8], downstream_is_http1: bool, now: Instant) -> bool {
        let Some(cluster) = self.clusters.get_mut(cluster) else {
            return false;
        };
        if !cluster.accepts_marks(downstream_is_http1, now) {
            return false;
        }
        while let Some(used) = cluster.presumed_closed(now) {
            let Some((key, connection)) = self.table.used_at(used) else {
                cluster.unexpire(used);
                continue;
            };
            // With a response in flight it is not idle.
            if connection.active > 0 || !key.identifies_connection() {
                break;
            }
            connection.state = State::Dormant;
            cluster.unexpire(used);
            self.table.end(key);
        }
        cluster.expired() > cluster.marked && !cluster.skip_request()
    }

    /// Records that a request to `cluster` is marked.
    pub fn record_mark(&mut self, cluster: &[u8], now: Instant) -> Mark {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.marked = cluster.marked.saturating_add(1);
        }
        Mark {
            cluster: cluster.to_vec(),
            at: now,
        }
    }

    /// Records that a marked request ended without a response from the server; `server` is the address of the one that
    /// reset it, which is how an HTTP/2 server reacts to the mark.
    pub fn request_failed(&mut self, mark: Mark, server: Option<&[u8]>, now: Instant) {
        let Some(cluster) = self.clusters.get_mut(&mark.cluster) else {
            return;
        };
        cluster.marked = cluster.marked.saturating_sub(1);
        cluster.is_retrying = true;
        if let Some(server) = server {
            cluster.record_refused_mark(server, now);
        }
    }

    /// Records the start of a response on the connection `key`. `mark` is that of its request; `seed` makes the
    /// connection's random choices.
    #[inline(never)]
    pub fn response_started(
        &mut self,
        mut key: ConnectionKey,
        mark: Option<Mark>,
        limits: Limits<'_>,
        now: Instant,
        seed: u64,
        response: &impl Response,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(mark) = &mark
            && let Some(cluster) = self.clusters.get_mut(&mark.cluster)
        {
            cluster.marked = cluster.marked.saturating_sub(1);
        }
        if !key.identifies_connection() {
            // A connection that could not be opened has no local address either.
            if response.is_local_reply() {
                return outcome;
            }
            key.set_cluster(&response.cluster());
        }
        let (key, is_new) = self.track(key, now, response);
        let Some(connection) = self.table.get_mut(&key) else {
            return outcome;
        };
        let Some(cluster) = self.clusters.get_mut(&connection.cluster) else {
            return outcome;
        };
        cluster.used = now;
        let (before, idle) = (connection.state, now.since(connection.used.0));
        outcome.opened = is_new || matches!(before, State::Closing | State::Dormant);
        connection.active = connection.active.saturating_add(1);
        connection.count(limits, seed);
        if connection.find_evidence(limits.upstream, response) {
            cluster.record_http1(&key.address, response);
        } else if connection.is_multiplexed(&key) {
            cluster.record_http2(response, now);
        }
        if !connection.is_recyclable {
            connection.is_recyclable = cluster.is_http1(response.downstream_is_http1());
        }
        if !is_new && key.identifies_connection() {
            cluster.record_alive(idle, response);
        }
        outcome.key = Some(Rc::clone(&key));
        self.table.touch(&key, now, cluster);
        match mark {
            Some(mark) => {
                let limits = limits.upstream;
                self.marked_response(&key, &mark, before, is_new, limits, response, &mut outcome);
            }
            None => self.unmarked_response(&key, before, limits.mode, now, response, &mut outcome),
        }
        outcome
    }

    /// Records the end of the response whose [`Outcome`] named this connection.
    pub fn response_ended(&mut self, key: &ConnectionKey) {
        if let Some(connection) = self.table.get_mut(key) {
            connection.active = connection.active.saturating_sub(1);
        }
    }

    /// Forgets connections that have carried nothing for ten minutes. Cheap to call often.
    pub fn sweep(&mut self, now: Instant) {
        if now.since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        while let Some(key) = self.table.idle_for(FORGET, now) {
            self.forget(&key);
        }
        self.clusters.retain_used(now);
    }

    /// Returns a connection that was reported as opened and is no longer tracked. Call until there is none.
    pub fn poll_ended(&mut self) -> Option<Rc<ConnectionKey>> {
        self.table.poll_ended()
    }

    /// Returns the entry of a connection, and whether it is new.
    #[inline(never)]
    fn track(
        &mut self,
        key: ConnectionKey,
        now: Instant,
        response: &impl Response,
    ) -> (Rc<ConnectionKey>, bool) {
        if let Some(key) = self.table.find(&key) {
            return (key, false);
        }
        if self.table.len() >= MAX_CONNECTIONS
            && let Some(oldest) = self.table.oldest()
        {
            self.forget(&oldest);
        }
        let cluster = self.clusters.name(&response.cluster());
        let key = self.table.insert(key, Connection::new(cluster, now), now);
        (key, true)
    }

    fn forget(&mut self, key: &Rc<ConnectionKey>) {
        if let Some(connection) = self.table.remove(key)
            && let Some(cluster) = self.clusters.get_mut(&connection.cluster)
        {
            cluster.unexpire(connection.used);
        }
    }
}

/// When a connection was last used, at a time that no other one has, and its number.
type Used = (Instant, u64);

#[cfg(test)]
mod tests;
