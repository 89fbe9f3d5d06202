//! Connections to upstream hosts, as the HTTP role sees them, and their recycling.
//!
//! A client-side proxy behind a ClusterIP has its connections pinned like any client. A request that says
//! `connection: close` makes an HTTP/1 upstream end the connection that it went over; but which one that
//! will be is known only when the answer comes. So while a cluster has connections that are past a limit,
//! requests to it are marked, one for each at a time, until the answers show that the right ones went.

use std::collections::HashMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_policy::{Protocol, Upstream};

use crate::Instant;
use crate::limits::Draw;

/// The most connections that are followed; further ones are not recycled.
pub const MAX_LINKS: usize = 4096;

/// A connection that carried nothing for so long is taken to be gone.
const FORGET: Duration = Duration::from_secs(600);

/// How often the forgotten are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// Names one upstream connection: the host's address and the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    /// `upstream.address`
    pub address: Vec<u8>,
    /// `upstream.local_address`
    pub local: Vec<u8>,
}

/// The answer in hand, as the host knows it.
pub trait Answer {
    /// The name of the cluster that it came from.
    fn cluster(&self) -> Vec<u8>;

    /// It has a field that only HTTP/1 has.
    fn is_http1(&self) -> bool;

    /// The request came over HTTP/1.
    fn asked_by_http1(&self) -> bool;
}

/// What one answer showed of the connection that it came on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The connection had not been seen before.
    pub opened: bool,
    /// It went past a limit with this answer.
    pub due: bool,
    /// It is being closed because of a mark, and was past a limit.
    pub recycled: bool,
    /// It is being closed because of a mark that was meant for another one.
    pub stray: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not known to be HTTP/1: a mark could harm it.
    Unproven,
    Serving,
    Due,
    /// A marked request went over it.
    Retired,
    /// It outlived a marked request: not HTTP/1.
    Deaf,
}

#[derive(Debug)]
struct Link {
    cluster: Rc<[u8]>,
    state: State,
    deadline: Option<Instant>,
    last: Option<u64>,
    requests: u64,
    seen: Instant,
}

#[derive(Debug, Default)]
struct Cluster {
    due: u32,
    marked: u32,
    /// Connections that are not known to be HTTP/1.
    unproven: u32,
    /// Over which downstream protocols requests have come to connections that are.
    proven: Downstreams,
}

#[derive(Debug, Default)]
struct Downstreams {
    http1: bool,
    later: bool,
}

impl Downstreams {
    fn of(&mut self, is_http1: bool) -> &mut bool {
        if is_http1 {
            &mut self.http1
        } else {
            &mut self.later
        }
    }
}

/// The upstream connections of one worker.
#[derive(Debug, Default)]
pub struct Upstreams {
    links: HashMap<LinkId, Link>,
    clusters: HashMap<Rc<[u8]>, Cluster>,
    due: u32,
    swept: Instant,
}

impl Upstreams {
    /// How many connections are followed.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// No connection is followed.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Some connection is past a limit: only then is [`Upstreams::wants_mark`] worth a look.
    pub fn any_due(&self) -> bool {
        self.due > 0
    }

    /// A request to `cluster` that came over HTTP/1, or a later version, should say `connection: close`,
    /// budget permitting. If it does, tell [`Upstreams::marked`].
    ///
    /// An HTTP/2 upstream would refuse such a request. A cluster may choose its protocol by that of the
    /// request, so only those are marked whose like is known to have gone over HTTP/1.
    pub fn wants_mark(&self, cluster: &[u8], is_http1: bool) -> bool {
        self.clusters.get(cluster).is_some_and(|cluster| {
            let proven = if is_http1 {
                cluster.proven.http1
            } else {
                cluster.proven.later
            };
            proven && cluster.unproven == 0 && cluster.due > cluster.marked
        })
    }

    /// A request to `cluster` has been marked.
    pub fn marked(&mut self, cluster: &[u8]) {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.marked = cluster.marked.saturating_add(1);
        }
    }

    /// A marked request to `cluster` is over: it was answered, or it never will be.
    pub fn unmarked(&mut self, cluster: &[u8]) {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.marked = cluster.marked.saturating_sub(1);
        }
    }

    /// An answer came over `id`. `marked` says that its request was; `seed` is the connection's chance.
    /// What else there is to know is asked of `answer`, and only until it is known.
    pub fn answered(
        &mut self,
        id: LinkId,
        marked: bool,
        limits: &Upstream,
        now: Instant,
        seed: u64,
        answer: &impl Answer,
    ) -> Seen {
        let mut seen = Seen::default();
        if !self.links.contains_key(&id) {
            if marked || self.links.len() >= MAX_LINKS {
                // Who counts what opens and what ends must come out even.
                seen.opened = marked;
                seen.stray = marked;
                return seen;
            }
            let cluster: Rc<[u8]> = answer.cluster().into();
            let held = self.clusters.entry(Rc::clone(&cluster)).or_default();
            held.unproven = held.unproven.saturating_add(1);
            self.links
                .insert(id.clone(), Link::new(cluster, limits, now, seed));
            seen.opened = true;
        }
        let Some(link) = self.links.get_mut(&id) else {
            return seen;
        };
        link.seen = now;
        link.requests = link.requests.saturating_add(1);
        if link.state == State::Unproven
            && (limits.protocol == Protocol::Http1 || answer.is_http1())
        {
            link.state = State::Serving;
            if let Some(cluster) = self.clusters.get_mut(&link.cluster) {
                cluster.unproven = cluster.unproven.saturating_sub(1);
                *cluster.proven.of(answer.asked_by_http1()) = true;
            }
        }
        let was = link.state;
        link.state = match (was, marked) {
            (State::Unproven, _) => State::Unproven,
            (State::Deaf, _) => State::Deaf,
            (State::Retired, _) => State::Deaf,
            (State::Serving | State::Due, true) => State::Retired,
            (State::Serving, false) if link.is_over(now) => State::Due,
            (state, false) => state,
        };
        seen.recycled = was == State::Due && link.state == State::Retired;
        seen.stray = was == State::Serving && link.state == State::Retired;
        seen.due = was == State::Serving && link.state == State::Due;
        let (cluster, change) = (
            Rc::clone(&link.cluster),
            (was == State::Due, link.state == State::Due),
        );
        self.count(&cluster, change);
        seen
    }

    /// Forgets connections that have carried nothing for ten minutes, and gives those that were not known
    /// to have ended. Cheap to call often.
    pub fn sweep(&mut self, now: Instant) -> Vec<LinkId> {
        let mut ended = Vec::new();
        if now.since(self.swept) < SWEEP {
            return ended;
        }
        self.swept = now;
        let gone: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| now.since(link.seen) > FORGET)
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some(link) = self.links.remove(&id) {
                self.count(&link.cluster, (link.state == State::Due, false));
                if link.state == State::Unproven
                    && let Some(cluster) = self.clusters.get_mut(&link.cluster)
                {
                    cluster.unproven = cluster.unproven.saturating_sub(1);
                }
                // One that outlived its mark was told to have ended when it was hit.
                if !matches!(link.state, State::Retired | State::Deaf) {
                    ended.push(id);
                }
            }
        }
        let held = |name: &Rc<[u8]>| Rc::strong_count(name) > 1;
        self.clusters
            .retain(|name, cluster| cluster.marked > 0 || held(name));
        ended
    }

    fn count(&mut self, cluster: &Rc<[u8]>, change: (bool, bool)) {
        let Some(cluster) = self.clusters.get_mut(cluster) else {
            return;
        };
        match change {
            (false, true) => {
                cluster.due = cluster.due.saturating_add(1);
                self.due = self.due.saturating_add(1);
            }
            (true, false) => {
                cluster.due = cluster.due.saturating_sub(1);
                self.due = self.due.saturating_sub(1);
            }
            _ => {}
        }
    }
}

impl Link {
    fn new(cluster: Rc<[u8]>, limits: &Upstream, now: Instant, seed: u64) -> Self {
        let draw = Draw::new(seed);
        Self {
            cluster,
            state: State::Unproven,
            deadline: limits
                .max_age
                .map(|max| now.after(draw.age(max, limits.jitter))),
            last: limits
                .max_requests
                .map(|max| draw.requests(max, limits.jitter).get()),
            requests: 0,
            seen: now,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|at| at <= now)
            || self.last.is_some_and(|last| self.requests >= last)
    }
}

#[cfg(test)]
mod tests;
