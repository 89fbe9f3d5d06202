//! The network role: one downstream connection's bytes.

use evenkeel_engine::{Activity, Bearing, ConnectionId, Decision, Moment};
use evenkeel_policy::Goaway;
use evenkeel_wire::h1::Head;
use evenkeel_wire::h2::{self, Client, MAX_STREAM_ID, Write, goaway};

use evenkeel_wire::{Connection, Kind, Place, Source, splice};
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action, PeerType};

use crate::host::{self, Bytes};
use crate::metrics::{self, Cause, Counter, Protocol};
use crate::policies::RootId;
use crate::worker;

pub(crate) struct Network {
    id: ConnectionId,
    wire: Connection,
    /// What the worker has been told that this is.
    told: Kind,
    /// How many of its requests have been counted.
    counted: u64,
    /// The client was told that nothing further will be served: what it sends must not be.
    deaf: bool,
    /// TCP: the host that it is connected to.
    upstream: Option<metrics::Upstream>,
}

/// Where in the write in hand an announcement would go, and in which words.
struct Opening {
    moment: Moment,
    at: usize,
    words: Words,
}

enum Words {
    Close,
    /// Ends an HTTP/2 connection; nothing above the id will be served.
    Goaway {
        exact: u32,
        prefers: h2::Goaway,
    },
}

impl Network {
    pub(crate) fn open(root: RootId, context: u32) -> Self {
        let id =
            worker::with(|worker| worker.open(root, context)).unwrap_or(ConnectionId(u64::MAX));
        Self {
            id,
            wire: Connection::new(),
            told: Kind::Unknown,
            counted: 0,
            deaf: false,
            upstream: None,
        }
    }

    fn activity(&self) -> Activity {
        Activity {
            requests: self.wire.requests(),
            active: self.wire.active(),
        }
    }

    /// What it does matters: it may be moved, or not be known yet.
    fn is_followed(&self) -> bool {
        matches!(
            self.told,
            Kind::Unknown | Kind::Http1 | Kind::Http2 | Kind::Tcp
        )
    }

    /// After each scan: tells the worker what the connection has turned out to be, and its requests.
    fn tell(&mut self) {
        let kind = self.wire.kind();
        let requests = self.wire.requests();
        if kind == self.told && requests == self.counted {
            return;
        }
        let new = requests.saturating_sub(self.counted);
        let became = (kind != self.told).then_some(kind);
        let id = self.id;
        worker::with(|worker| {
            if let (true, Some(protocol)) = (new > 0, Protocol::of(kind)) {
                worker.metrics.count_by(Counter::Requests(protocol), new);
            }
            let Some(became) = became else { return };
            if let Some(protocol) = Protocol::of(became) {
                worker.metrics.count(Counter::Connections(protocol));
            }
            let cause = match became {
                Kind::Tcp => return worker.is_tcp(id),
                Kind::Tunnel => Cause::Tunnel,
                Kind::Opaque(cause) => Cause::NotUnderstood(cause),
                Kind::Unknown | Kind::Http1 | Kind::Http2 => return,
            };
            worker.metrics.count(Counter::Opaque(cause));
            worker.engine.leave(id);
            log::debug!("connection {}: left alone: {}", id.0, cause.name());
        });
        self.told = kind;
        self.counted = requests.max(self.counted);
    }

    /// The best place of the write in hand.
    fn opening(&self, place: Place, len: usize) -> Option<Opening> {
        match place {
            Place::None => None,
            Place::Head(head) => head_opening(head),
            Place::Frames(write) => self
                .wire
                .http2()
                .and_then(|http2| frames_opening(http2, write, len)),
        }
    }

    fn announce(&mut self, bytes: &mut Bytes, opening: &Opening) {
        match opening.words {
            Words::Close => bytes.splice(opening.at, splice::CLOSE),
            Words::Goaway { exact, prefers } => {
                let asked =
                    worker::with(|worker| worker.engine.rule(self.id).map(|rule| rule.goaway))
                        .flatten();
                let quiet = matches!(opening.moment, Moment::Quiet { .. });
                let is_exact = quiet
                    && match asked.unwrap_or_default() {
                        Goaway::Auto => prefers == h2::Goaway::Exact,
                        Goaway::Exact => true,
                        Goaway::Max => false,
                    };
                self.deaf = is_exact;
                bytes.splice(
                    opening.at,
                    &goaway(if is_exact { exact } else { MAX_STREAM_ID }),
                );
            }
        }
    }

    /// Says in the answer's head for how long the connection will be served.
    fn hint(&self, bytes: &mut Bytes, head: Head) {
        let (Some(at), true) = (head.insert_at, head.may_close && !head.keep_alive_hint) else {
            return;
        };
        let left = worker::with(|worker| worker.hint(self.id)).flatten();
        let Some((age, requests)) = left else { return };
        let seconds = age.map(|age| age.as_secs());
        if seconds == Some(0) || requests == Some(0) {
            return;
        }
        if let Some(field) = splice::keep_alive(seconds, requests) {
            bytes.splice(at, &field);
        }
    }
}

fn head_opening(head: Head) -> Option<Opening> {
    let at = head.insert_at.filter(|_| head.may_close && !head.closes)?;
    Some(Opening {
        moment: Moment::Head,
        at,
        words: Words::Close,
    })
}

fn frames_opening(http2: &h2::Connection, write: Write, len: usize) -> Option<Opening> {
    let client = http2.client();
    let bearing = match client.busy {
        h2::Busy::Bears => Bearing::Bears,
        h2::Busy::Avoid => Bearing::Avoid,
        h2::Busy::Never => Bearing::Never,
    };
    let words = Words::Goaway {
        exact: http2.last_stream_id(),
        prefers: client.goaway,
    };
    let boundary = if write.start_fits {
        Some(0)
    } else {
        write.end_fits.then_some(len)
    };
    let quiet = |alone| Moment::Quiet {
        multiplexes: http2.multiplexes(),
        alone,
        bearing,
    };
    let (moment, at) = match write.quiet {
        Some(end) => (quiet(end.alone), quiet_at(client, end, write, len)?),
        None if http2.active() > 0 => (Moment::Busy { bearing }, boundary?),
        // Nothing is going on: a PING, an acknowledgement. What is on its way counts as at any quiet moment.
        None if http2.requests() > 0 => (quiet(true), boundary?),
        None => return None,
    };
    Some(Opening { moment, at, words })
}

/// Before or after the frame that ends the last stream, as the client needs it.
fn quiet_at(client: &Client, end: h2::Quiet, write: Write, len: usize) -> Option<usize> {
    match client.place {
        h2::Place::Before => end.frame_at,
        h2::Place::After => write.end_fits.then_some(len),
    }
}

impl Context for Network {}

impl StreamContext for Network {
    fn on_downstream_data(&mut self, size: usize, _end_of_stream: bool) -> Action {
        let mut bytes = Bytes::downstream(size);
        if self.deaf {
            bytes.swallow();
            return Action::Continue;
        }
        if size == 0 || !self.is_followed() {
            return Action::Continue;
        }
        self.wire.downstream(&mut bytes);
        self.tell();
        if self.is_followed() {
            let activity = self.activity();
            worker::with(|worker| worker.engine.read(self.id, activity));
        }
        Action::Continue
    }

    /// Never closes from here: the write in hand would be lost. Never stops the write, either: a network
    /// filter has no way to go on with it.
    fn on_upstream_data(&mut self, size: usize, _end_of_stream: bool) -> Action {
        let mut bytes = Bytes::upstream(size);
        if size > 0 && self.told == Kind::Tcp && self.upstream.is_none() {
            self.connect();
        }
        if size == 0 || !self.is_followed() {
            return Action::Continue;
        }
        let place = self.wire.upstream(&mut bytes);
        self.tell();
        if !self.is_followed() {
            return Action::Continue;
        }
        if let Place::Frames(Write { goaway: true, .. }) = place {
            // The proxy ends this connection by itself.
            worker::with(|worker| worker.engine.leave(self.id));
            return Action::Continue;
        }
        let opening = self.opening(place, bytes.len());
        let activity = self.activity();
        let moment = opening.as_ref().map(|opening| opening.moment);
        let decision = worker::with(|worker| worker.wrote(self.id, activity, moment))
            .unwrap_or(Decision::Keep);
        match (decision, &opening, place) {
            (Decision::Announce(_) | Decision::Repeat, Some(opening), _) => {
                self.announce(&mut bytes, opening)
            }
            (Decision::Keep, _, Place::Head(head)) if !head.closes => self.hint(&mut bytes, head),
            _ => {}
        }
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer: PeerType) {
        self.close(matches!(peer, PeerType::Remote));
    }
}

impl Network {
    /// TCP: learns, once, which host the proxy has connected to.
    fn connect(&mut self) {
        let address = host::property(&["upstream", "address"]);
        if address.is_empty() {
            return;
        }
        self.upstream = worker::with(|worker| worker.metrics.upstream(&address));
        if let Some(upstream) = self.upstream {
            upstream.connected();
        }
    }

    fn close(&mut self, by_client: bool) {
        worker::with(|worker| worker.closed(self.id, by_client));
        if let Some(upstream) = self.upstream.take() {
            upstream.disconnected();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.close(false);
    }
}
