//! The state that the connections of one cluster share: its marks, and what is known about its servers.

use core::cell::Cell;
use std::rc::Rc;

use core::time::Duration;

use super::{FORGET, Response, Used};
use crate::limits::mix;
use crate::{Instant, OrderedIds, SortedMap};

/// How long two concurrent responses on one connection keep its cluster from being marked.
const MULTIPLEXED: Duration = Duration::from_secs(60);

/// The most servers of a cluster that are remembered to be HTTP/1.
const MAX_SERVERS: usize = 1024;

/// The most clusters that are remembered, beside those that have connections.
const MAX_CLUSTERS: usize = 1024;

/// The most requests that are left unmarked after a stray.
const MAX_SKIP: u64 = 8;

#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// The numbers of expired connections in the order of their last use.
    expired: OrderedIds,
    /// Expired connections of all clusters.
    total: Rc<Cell<usize>>,
    /// Marked requests in flight.
    pub(super) marked: u32,
    /// Requests that are not marked although a connection is expired.
    skip: u64,
    /// The proxy sent the last request that was checked more than once, or it got no response.
    pub(super) is_retrying: bool,
    http1: Downstream,
    later: Downstream,
    /// Servers that have shown that they are HTTP/1.
    http1_servers: SortedMap<Vec<u8>, ()>,
    /// The idle time after which connections are presumed closed by the server.
    idle_timeout: Option<Duration>,
    /// When it last sent a response.
    pub(super) used: Instant,
}

/// What is known about the upstream connections that carry requests of one downstream protocol.
#[derive(Debug, Default)]
struct Downstream {
    is_http1: bool,
    /// Until when it is assumed that some of them are HTTP/2.
    http2_until: Instant,
}

impl Cluster {
    fn of(&self, downstream_is_http1: bool) -> &Downstream {
        if downstream_is_http1 {
            &self.http1
        } else {
            &self.later
        }
    }

    fn of_mut(&mut self, downstream_is_http1: bool) -> &mut Downstream {
        if downstream_is_http1 {
            &mut self.http1
        } else {
            &mut self.later
        }
    }

    /// Leaves a random number of requests unmarked before the next mark, up to the number of `connections`.
    pub(super) fn skip_requests(&mut self, connections: usize, seed: u64) {
        let most = u64::try_from(connections).unwrap_or(u64::MAX);
        let most = most.clamp(1, MAX_SKIP);
        self.skip = mix(seed).checked_rem(most).unwrap_or_default();
    }

    /// Takes one request from those that are left unmarked. False if none is left.
    pub(super) fn skip_request(&mut self) -> bool {
        let skips = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        skips
    }

    /// Whether a mark does no harm to a request with this downstream protocol.
    pub(super) fn accepts_marks(&self, downstream_is_http1: bool, now: Instant) -> bool {
        let of = self.of(downstream_is_http1);
        of.is_http1 && of.http2_until <= now && !self.is_retrying
    }

    /// Whether some connection that carries requests of this protocol has shown that it is HTTP/1.
    pub(super) fn is_http1(&self, downstream_is_http1: bool) -> bool {
        self.of(downstream_is_http1).is_http1
    }

    /// Records that a connection to `server` is HTTP/1.
    pub(super) fn record_http1(&mut self, server: &[u8], response: &impl Response) {
        if !self.http1_servers.contains_key(server) {
            if self.http1_servers.len() >= MAX_SERVERS {
                self.http1_servers.clear();
            }
            self.http1_servers.insert(server.to_vec(), ());
        }
        if !(self.http1.is_http1 && self.later.is_http1) {
            self.of_mut(response.downstream_is_http1()).is_http1 = true;
        }
    }

    /// Records that a connection carries two responses at once. A slow client can make it seem so.
    pub(super) fn record_http2(&mut self, response: &impl Response, now: Instant) {
        let of = self.of_mut(response.downstream_is_http1());
        of.http2_until = of.http2_until.max(now.after(MULTIPLEXED));
    }

    /// Records that `server` reset a marked request.
    pub(super) fn record_refused_mark(&mut self, server: &[u8], now: Instant) {
        if self.http1_servers.contains_key(server) {
            return;
        }
        let until = now.after(FORGET);
        self.http1.http2_until = until;
        self.later.http2_until = until;
    }

    /// Records that a connection was closed after it had been idle for so long.
    pub(super) fn record_gone(&mut self, idle: Duration) {
        let timeout = idle.mul_f64(0.75);
        self.idle_timeout = Some(self.idle_timeout.map_or(timeout, |held| held.min(timeout)));
    }

    /// Records that a connection was open after it had been idle for so long. One that the server was just closing
    /// got a request and no response.
    pub(super) fn record_alive(&mut self, idle: Duration, response: &impl Response) {
        if self.idle_timeout.is_some_and(|timeout| timeout <= idle) && !response.is_local_reply() {
            self.idle_timeout = Some(idle.mul_f64(1.25));
        }
    }

    /// The number of expired connections.
    pub(super) fn expired(&self) -> u32 {
        u32::try_from(self.expired.len()).unwrap_or(u32::MAX)
    }

    /// Adds the connection with this last use to the expired ones.
    pub(super) fn expire(&mut self, (at, number): Used) {
        if self.expired.insert(at.as_nanos(), number) {
            self.total.set(self.total.get().saturating_add(1));
        }
    }

    /// Removes the connection with this last use from the expired ones. False if it was not expired.
    pub(super) fn unexpire(&mut self, (at, number): Used) -> bool {
        let was_expired = self.expired.remove(at.as_nanos(), number);
        if was_expired {
            self.total.set(self.total.get().saturating_sub(1));
        }
        was_expired
    }

    /// The last use of the expired connection that was used least recently.
    fn first_expired(&self) -> Option<Used> {
        let (at, number) = self.expired.first()?;
        Some((Instant::from_nanos(at), number))
    }

    /// Removes the expired connection that was used least recently.
    pub(super) fn pop_expired(&mut self) -> Option<Used> {
        let used = self.first_expired()?;
        self.unexpire(used).then_some(used)
    }

    /// An expired connection that has been idle for so long that the server has closed it.
    pub(super) fn presumed_closed(&self, now: Instant) -> Option<Used> {
        let used = self.first_expired()?;
        (now.since(used.0) >= self.idle_timeout?).then_some(used)
    }
}

/// The clusters by their names. A connection holds the name of its own.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    by_name: SortedMap<Rc<[u8]>, Cluster>,
    expired: Rc<Cell<usize>>,
}

impl Clusters {
    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Cluster> {
        self.by_name.get_mut(name)
    }

    /// The shared name of a cluster, which is added if it is new.
    pub(super) fn name(&mut self, name: &[u8]) -> Rc<[u8]> {
        if let Some((name, _)) = self.by_name.get_key_value(name) {
            return Rc::clone(name);
        }
        if self.by_name.len() >= MAX_CLUSTERS {
            self.retain(|_| false);
        }
        let name: Rc<[u8]> = name.into();
        let cluster = Cluster {
            total: Rc::clone(&self.expired),
            ..Cluster::default()
        };
        self.by_name.insert(Rc::clone(&name), cluster);
        name
    }

    pub(super) fn has_expired(&self) -> bool {
        self.expired.get() > 0
    }

    /// Forgets clusters that have neither connections nor marks, and had no response for ten minutes. What is known about
    /// a cluster's protocol outlives its connections: between two of them it may have none.
    pub(super) fn retain_used(&mut self, now: Instant) {
        self.retain(|cluster| now.since(cluster.used) <= FORGET);
    }

    /// Forgets clusters without connections and marks, unless they are `kept`.
    fn retain(&mut self, kept: impl Fn(&Cluster) -> bool) {
        self.by_name.retain(|name, cluster| {
            cluster.marked > 0 || Rc::strong_count(name) > 1 || kept(cluster)
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}
