//! One downstream connection: what all have in common, and the [state of its protocol](ProtocolState).

mod delivery;
mod drain;
mod draining;
mod http;
mod open_requests;
mod protocol;
mod selection;
pub(crate) mod session;
mod tcp;
mod terms;
pub(crate) mod timed_streams;
mod traffic;
mod usage;
mod websocket;

use core::time::Duration;
use std::rc::Rc;

use evenkeel_policy::{CloseCode, Mode, Rule};
use evenkeel_wire::tcp::TcpProtocol;

use crate::timers::{Timers, Wakeup};
use crate::{ConnectionEnd, ConnectionId, DrainReason, Instant, Origin, StreamId, TcpTraffic};
use delivery::Delivery;
use drain::{DrainState, PendingDrain};
use http::HttpState;
use open_requests::OpenRequests;
use protocol::ProtocolState;
use session::TrackedSession;
use tcp::RawTcpState;
use terms::Terms;
use timed_streams::{TimedStream, TimedStreams};
pub(crate) use usage::Increment;
use usage::Usage;
use websocket::WebSocketState;

/// The least time for which a connection promises to stay open. Node's http.Agent also takes the promise as the timeout
/// of its requests: with less, it aborts responses near the end of a connection's life. The promise is kept, because an
/// idle HTTP/1 connection stays open until it carries one more request.
const MIN_KEEP_ALIVE_HINT: Duration = Duration::from_secs(60);

/// How long before its expiry the responses of a connection are read. Only from its second request after an unread response
/// on is the position in its bytes certain: a connection that carries a request in this time is drained when it expires.
const READ_BEFORE_EXPIRY: Duration = Duration::from_secs(60);

/// One downstream connection. Whatever the peers send, it takes at most 256 bytes in the module (a test verifies it),
/// and 48 for each of at most 1024 streams whose age is limited.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    origin: Origin,
    opened: Instant,
    terms: Terms,
    drain: DrainState,
    protocol: ProtocolState,
    /// Open gRPC streams whose age is limited.
    streams: Option<Box<TimedStreams>>,
    delivery: Delivery,
    open_requests: OpenRequests,
    usage: Usage,
    wakeup: Wakeup,
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        origin: Origin,
        rule: Option<Rc<Rule>>,
        mode: Mode,
        seed: u64,
        now: Instant,
    ) -> Self {
        Self {
            id,
            origin,
            opened: now,
            terms: Terms::new(rule, mode, seed, now),
            drain: DrainState::Serving,
            protocol: ProtocolState::Http(HttpState::default()),
            streams: None,
            delivery: Delivery::new(now),
            open_requests: OpenRequests::default(),
            usage: Usage::new(now),
            wakeup: Wakeup::Never,
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// Where the connection came from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    pub(crate) fn mode(&self) -> Mode {
        self.terms.mode
    }

    /// The rule that the connection is under.
    pub fn rule(&self) -> Option<&Rc<Rule>> {
        self.terms.rule.as_ref()
    }

    /// Sets the timer to when the connection needs attention.
    pub(crate) fn schedule(&mut self, timers: &mut Timers) {
        let wakeup = self.next_wakeup().map_or(Wakeup::Never, Wakeup::At);
        self.wait_for(wakeup, timers);
    }

    pub(crate) fn wait_for(&mut self, wakeup: Wakeup, timers: &mut Timers) {
        timers.set(self.id, &mut self.wakeup, wakeup);
    }

    /// Applies the rule of a request. True when the connection must be rescheduled.
    pub(crate) fn apply_rule(&mut self, rule: &Rc<Rule>) -> bool {
        let is_draining = self.is_draining();
        self.terms.apply(rule, &self.protocol, is_draining)
    }

    /// Replaces rule and mode after a change of the policy: `rule` gives the new rule from the origin, whether the
    /// connection is TCP, and the current rule. A drain that has been signaled goes on under the rule that it started
    /// under: false.
    pub(crate) fn apply_policy(
        &mut self,
        mode: Mode,
        rule: impl Fn(Origin, bool, Option<&Rule>) -> Option<Rc<Rule>>,
    ) -> bool {
        if !matches!(self.drain, DrainState::Serving | DrainState::Pending(_)) {
            return false;
        }
        let is_tcp = self.protocol.is_tcp();
        let new = rule(self.origin, is_tcp, self.terms.rule.as_deref());
        self.terms.replace(new, mode, &self.protocol);
        if let Some(streams) = &mut self.streams {
            streams.replace_rules(|held| rule(self.origin, false, Some(held)));
        }
        // What is enforced now is open, whatever a dry run would have done.
        self.usage.drained_in_dry_run &= mode == Mode::DryRun;
        self.drain = DrainState::Serving;
        true
    }

    pub(crate) fn become_tcp(&mut self, port: u16, rule: Option<Rc<Rule>>, traffic: TcpTraffic) {
        self.protocol = match traffic {
            TcpTraffic::Session(protocol) => ProtocolState::Session(TrackedSession::new(protocol)),
            TcpTraffic::Raw => ProtocolState::Tcp(RawTcpState { is_known_raw: true }),
            TcpTraffic::Unknown => ProtocolState::Tcp(RawTcpState {
                is_known_raw: false,
            }),
        };
        self.origin.port = port;
        self.terms.rule = rule;
        self.terms.reset_limits(&self.protocol);
    }

    /// False under a rule that needs the connection to be followed from its first byte, where it was not. Only a changed
    /// policy has such a rule.
    pub(crate) fn is_followed(&self) -> bool {
        let is_tcp = self.protocol.is_tcp();
        let rule = self.terms.rule.as_ref().filter(|_| is_tcp);
        rule.is_none_or(|rule| {
            self.protocol
                .behavior()
                .applicable(rule, self.terms.limits)
                .is_some()
        })
    }

    /// The connection has become a WebSocket. False when its rule leaves WebSockets alone, or when the client was
    /// already sent a drain signal in HTTP.
    pub(crate) fn become_websocket(&mut self, now: Instant) -> bool {
        let closes = |rule: &Rc<Rule>| rule.websocket.close_code != CloseCode::Off;
        if !self.rule().is_some_and(closes) {
            return false;
        }
        match self.drain {
            DrainState::Serving => {}
            // Messages are not requests.
            DrainState::Pending(pending) => {
                if pending.reason == DrainReason::MaxRequestsPerConnection {
                    self.drain = DrainState::Serving;
                }
            }
            _ => return false,
        }
        self.protocol = ProtocolState::WebSocket(WebSocketState {
            last_client_message: now,
        });
        self.terms.limits.requests = None;
        true
    }

    /// The connection is HTTP, so its load is counted in requests.
    pub fn is_http(&self) -> bool {
        matches!(self.protocol, ProtocolState::Http(_))
    }

    /// The protocol of a connection to a database or broker.
    pub fn session_protocol(&self) -> Option<TcpProtocol> {
        match &self.protocol {
            ProtocolState::Session(session) => Some(session.protocol()),
            _ => None,
        }
    }

    pub(crate) fn bypass(&mut self) {
        self.drain = DrainState::Bypassed;
    }

    /// The proxy drains the connection by itself. False when the module already does.
    pub(crate) fn record_proxy_drain(&mut self) -> bool {
        let is_news = matches!(self.drain, DrainState::Serving | DrainState::Pending(_));
        if is_news {
            self.drain = DrainState::DrainedByProxy;
        }
        is_news
    }

    /// True when the connection must be rescheduled.
    pub(crate) fn start_request(&mut self, rule: &Rc<Rule>) -> bool {
        self.open_requests.start(rule);
        self.is_draining()
    }

    /// True when the connection must be rescheduled.
    pub(crate) fn end_request(&mut self, rule: &Rc<Rule>) -> bool {
        self.open_requests.end(rule);
        rule.protect || self.is_draining()
    }

    pub(crate) fn start_stream(&mut self, stream: StreamId, timed: TimedStream) {
        self.streams.get_or_insert_default().insert(stream, timed);
    }

    pub(crate) fn start_stream_response(&mut self, stream: StreamId) {
        let streams = self.streams.as_mut();
        if let Some(timed) = streams.and_then(|streams| streams.get_mut(stream)) {
            timed.response_started = true;
        }
    }

    pub(crate) fn end_stream(&mut self, stream: StreamId, now: Instant) {
        if let Some(streams) = &mut self.streams {
            streams.remove(stream);
        }
        // The connection was to be drained only for this stream.
        let reason = self.drain.pending().map(|it| it.reason);
        if reason == Some(DrainReason::MaxStreamAge) && !self.has_expired_stream(now) {
            self.drain = DrainState::Serving;
        }
    }

    fn has_expired_stream(&self, now: Instant) -> bool {
        let earliest = self.streams.as_ref().and_then(|it| it.earliest());
        earliest.is_some_and(|at| at <= now)
    }

    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.drain, DrainState::Pending(_))
    }

    fn is_draining(&self) -> bool {
        matches!(self.drain, DrainState::Draining(_))
    }

    /// The decision about the next bytes of the connection depends on the exact time.
    pub fn needs_exact_time(&self) -> bool {
        self.awaits_drain_point()
    }

    /// A drain signal is to be sent, or was sent and may be repeated.
    pub(crate) fn awaits_drain_point(&self) -> bool {
        matches!(self.drain, DrainState::Pending(_) | DrainState::Draining(_))
    }

    /// A limit is reached within [`READ_BEFORE_EXPIRY`], or by the next request.
    pub(crate) fn expires_soon(&self, now: Instant) -> bool {
        let soon = now.after(READ_BEFORE_EXPIRY);
        let requests = self.usage.requests.saturating_add(1);
        self.terms.limits.reached(soon, requests).is_some()
    }

    /// Checks the limits. Gives the reason when one has been reached: the drain is pending from now on.
    #[inline]
    pub(crate) fn expire(&mut self, now: Instant) -> Option<DrainReason> {
        if !matches!(self.drain, DrainState::Serving) {
            return None;
        }
        let stream_expired = self.has_expired_stream(now);
        let reason = self
            .terms
            .expired(self.usage.requests, stream_expired, now)?;
        self.drain = DrainState::Pending(PendingDrain::new(reason, now));
        Some(reason)
    }

    /// How long, at least a minute, and for how many more requests the connection stays open; None where nothing limits
    /// it.
    pub fn remaining(&self, now: Instant) -> (Option<Duration>, Option<u64>) {
        if !matches!(self.drain, DrainState::Serving) {
            return (None, None);
        }
        let limits = &self.terms.limits;
        let age = limits.deadline.map(|(at, _)| at.since(now));
        let requests = limits.requests.map(|last| {
            let carried = self.usage.requests;
            last.get().saturating_sub(carried)
        });
        (age.map(|age| age.max(MIN_KEEP_ALIVE_HINT)), requests)
    }

    /// How the connection ended, now that it is closed.
    pub(crate) fn end(&self) -> ConnectionEnd {
        match self.drain {
            DrainState::Draining(drain) => ConnectionEnd::AfterSignal(drain.reason),
            DrainState::Closing(reason) => ConnectionEnd::ClosedByEngine(reason),
            _ => ConnectionEnd::NotDrained,
        }
    }
}
