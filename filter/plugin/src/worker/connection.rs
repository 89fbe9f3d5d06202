//! The events of the network role: what happens to a downstream connection.

use core::time::Duration;
use std::rc::Rc;

use evenkeel_engine::{
    Activity, Connection, ConnectionEnd, ConnectionId, Decision, Origin, TcpTraffic,
    stated_protocol,
};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{Mode, ProtocolSetting, Rule};
use evenkeel_wire::tcp::TcpProtocol;
use evenkeel_wire::{BypassReason, Detection, DrainPoint, ExpectedProtocol, Protocol};

use super::Worker;
use super::log::Warning;
use crate::host::SharedBudget;
use crate::metrics::UpstreamHost;
use crate::policies::{RootId, Use};
use crate::vm::{ClosedBy, ContextId};

/// A property of each connection that the module manages. Envoy keeps it with the connection, as the filter state
/// `wasm.evenkeel.network`, where every VM finds it.
const MANAGED: &str = "evenkeel.network";

impl Worker {
    /// Registers a new downstream connection. None where another filter entry of the module manages the connection:
    /// it would count twice, and take the drain signals of that entry for the proxy's own.
    pub(crate) fn opened(&mut self, root: RootId, context: ContextId) -> Option<ConnectionId> {
        let managed = self.host.property(&[MANAGED]);
        if managed.is_ok_and(|managed| !managed.is_empty()) {
            self.duplicate_filter(root);
            return None;
        }
        // The entries may run in different VMs, so the connection itself carries the mark.
        let _ = self.host.set_property(MANAGED, b"1");
        self.engine.advance(self.now());
        let id = self.connection_id();
        self.use_root(root, Use::Connection(id.map(|id| id.0)));
        // Without an id (no Envoy is known to do so) the context's id stands in, far from real ids.
        let id = id.unwrap_or(ConnectionId(u64::MAX ^ u64::from(context)));
        let direction = self.direction(root);
        let policy = self.policies.get(root);
        let rule = policy.and_then(|policy| policy.otherwise(direction).cloned());
        let mode = policy.map(|policy| policy.mode).unwrap_or_default();
        let origin = Origin {
            policy: root,
            direction,
            port: 0,
        };
        self.engine.open(id, origin, rule, mode, self.seed ^ id.0);
        self.contexts.insert(id.0, context);
        Some(id)
    }

    fn duplicate_filter(&mut self, root: RootId) {
        self.metrics.count(Counter::Plain(Metric::DuplicateFilters));
        let name = self.policies.name(root);
        self.log.warn_once(
            Warning::DuplicateFilter,
            format_args!(
                "{name}: another NETWORK filter entry of this module is before it on the same connection: this one \
                 does nothing there. Remove one of them (Istio: two WasmPlugins select the workload)."
            ),
        );
    }

    /// Returns the protocol that the rule for its port expects of a connection.
    pub(crate) fn expected_protocol(&self, id: ConnectionId) -> ExpectedProtocol {
        let connection = self.engine.connection(id);
        let policy = connection.and_then(|it| self.policies.get(it.origin().policy));
        // The port costs a hostcall.
        if policy.is_none_or(|policy| policy.tcp.is_empty()) {
            return ExpectedProtocol::HttpOrRaw;
        }
        let Some((port, Some(rule))) = self.tcp_rule(id) else {
            return ExpectedProtocol::HttpOrRaw;
        };
        let setting = rule.tcp.protocol;
        match (setting, stated_protocol(setting)) {
            (_, Some(protocol)) => ExpectedProtocol::Stated(protocol),
            (ProtocolSetting::Auto, None) => ExpectedProtocol::Detected { port },
            (_, None) => ExpectedProtocol::HttpOrRaw,
        }
    }

    /// The protocol of a connection was detected, or has changed. `is_known_raw`: its first bytes match no database or
    /// broker. False if the connection is bypassed.
    pub(crate) fn identified(
        &mut self,
        id: ConnectionId,
        detection: Detection,
        is_known_raw: bool,
    ) -> bool {
        let reason = match detection {
            Detection::Detected(Protocol::WebSocket) if !self.engine.upgrade_to_websocket(id) => {
                BypassReason::Tunnel
            }
            Detection::Bypassed(reason) => reason,
            Detection::Pending | Detection::Detected(_) => {
                if let Some(protocol) = detection.protocol() {
                    self.metrics.count(Counter::Connections(protocol));
                }
                match detection.protocol() {
                    Some(Protocol::Session(protocol)) => {
                        self.set_tcp(id, TcpTraffic::Session(protocol));
                    }
                    Some(Protocol::Tcp) if is_known_raw => self.set_tcp(id, TcpTraffic::Raw),
                    Some(Protocol::Tcp) => self.set_tcp(id, TcpTraffic::Unknown),
                    Some(Protocol::Http1 | Protocol::Http2 | Protocol::WebSocket) | None => {}
                }
                return true;
            }
        };
        self.engine.bypass(id);
        self.report_bypass(id, reason);
        false
    }

    /// Puts a connection that is not HTTP under the rule for its listener's port.
    fn set_tcp(&mut self, id: ConnectionId, traffic: TcpTraffic) {
        let Some((port, rule)) = self.tcp_rule(id) else {
            return;
        };
        let traffic = match traffic {
            // On a database's own port, unknown bytes may be its protocol within TLS.
            TcpTraffic::Raw if TcpProtocol::of_port(port).is_some() => TcpTraffic::Unknown,
            traffic => traffic,
        };
        self.engine.set_tcp(id, port, rule, traffic);
    }

    /// The port of a connection's listener, which a later policy may need, and the rule for it.
    fn tcp_rule(&self, id: ConnectionId) -> Option<(u16, Option<Rc<Rule>>)> {
        let origin = self.engine.connection(id)?.origin();
        let port = self
            .host
            .number(&["destination", "port"])
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_default();
        let policy = self.policies.get(origin.policy);
        let rule = policy.and_then(|policy| policy.tcp_rule(origin.direction, port));
        Some((port, rule.map(|rule| Rc::clone(&rule.rule))))
    }

    pub(crate) fn count_requests(&mut self, protocol: Protocol, requests: u64) {
        self.metrics.count_requests(protocol, requests);
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.metrics.count(counter);
    }

    /// The client sent bytes. False if they must not be passed on.
    pub(crate) fn read(&mut self, id: ConnectionId, activity: &Activity) -> bool {
        self.advance_for(id);
        self.engine.read(id, activity)
    }

    /// Whether an HTTP/1 response that begins has to be read: a drain waits for it or will do so soon, or its policy needs
    /// to know when it ends.
    pub(crate) fn needs_response(&mut self, id: ConnectionId) -> bool {
        self.advance_for(id);
        self.engine.check_next_limits(id)
            || self
                .engine
                .connection(id)
                .is_some_and(|it| self.policies.reads_responses(it.origin().policy))
    }

    /// Whether an HTTP/2 connection has to be read whose client tolerates a GOAWAY at any time: a drain waits for it or will
    /// do so soon, or a policy needs to know its streams. One behind a TCP proxy is read, too: its writes are not whole frames.
    pub(crate) fn needs_frames(&mut self, id: ConnectionId) -> bool {
        self.advance_for(id);
        self.engine.check_next_limits(id)
            || self.policies.reads_frames()
            || self.host.has_property(&["upstream", "address"])
    }

    /// The frames of an HTTP/2 connection are not read any more.
    pub(crate) fn left_unread(&mut self, id: ConnectionId) {
        self.engine.leave_unread(id);
    }

    /// Whether a connection awaits a drain point, after its limits were checked.
    pub(crate) fn awaits_drain_point(&mut self, id: ConnectionId) -> bool {
        self.advance_for(id);
        self.engine.check_limits(id)
    }

    /// The server writes. `point` finds the best drain point in the write, if there is one.
    pub(crate) fn wrote(
        &mut self,
        id: ConnectionId,
        activity: &Activity,
        point: impl FnOnce() -> Option<DrainPoint>,
    ) -> Decision {
        self.advance_for(id);
        if self.is_resetting(id) {
            self.pending.resetting.retain(|it| *it != id);
        }
        let bucket = |policy| self.policies.bucket(policy);
        let mut budget = SharedBudget(&*self.host);
        let decision = self.engine.wrote(id, activity, point, bucket, &mut budget);
        if let Decision::Drain(reason) = decision {
            self.metrics.count(Counter::DrainSignal(reason));
            self.log_event(id, format_args!("drain signal: {}", reason.name()));
        }
        self.process_effects();
        decision
    }

    /// The server writes something that is not read, so it has no drain point.
    #[inline(never)]
    pub(crate) fn wrote_unread(&mut self, id: ConnectionId, activity: &Activity) {
        self.wrote(id, activity, || None);
    }

    /// Most events need no exact time, which costs a hostcall: that of the last tick will do.
    fn advance_for(&mut self, id: ConnectionId) {
        let connection = self.engine.connection(id);
        if connection.is_some_and(Connection::needs_exact_time) {
            self.engine.advance(self.now());
        }
    }

    /// The rule that governs a connection.
    pub(crate) fn rule(&self, id: ConnectionId) -> Option<&Rule> {
        self.engine.connection(id)?.rule().map(|rule| &**rule)
    }

    /// The proxy itself drains the connection.
    pub(crate) fn drained_by_proxy(&mut self, id: ConnectionId) {
        self.engine.record_proxy_drain(id);
    }

    /// True if the first RST_STREAM in the current write is that of a gRPC stream past its age: the host resets the stream
    /// right after the tick, before anything else is written.
    pub(crate) fn is_resetting(&self, id: ConnectionId) -> bool {
        self.pending.resetting.contains(&id)
    }

    /// The remaining time and requests for a `Keep-Alive` hint in the current response; None if it gets no hint.
    pub(crate) fn keep_alive_hint(
        &self,
        id: ConnectionId,
    ) -> Option<(Option<Duration>, Option<u64>)> {
        let connection = self.engine.connection(id)?;
        let policy = self.policies.get(connection.origin().policy)?;
        (policy.keepalive.http1_hint && policy.mode == Mode::Enforce)
            .then(|| connection.remaining(self.engine.now()))
    }

    /// Finds the upstream host of a TCP connection, if Envoy has connected to one.
    pub(crate) fn find_tcp_upstream(&mut self, id: ConnectionId) -> Option<Rc<UpstreamHost>> {
        let address = self.host.property_or_empty(&["upstream", "address"]);
        if address.is_empty() {
            return None;
        }
        let cluster = self.host.property_or_empty(&["xds", "cluster_name"]);
        if let Some(host) = self.engine.find_upstream_host(&cluster, &address) {
            self.engine.set_upstream_host(id, host);
        }
        let upstream = self.metrics.upstream_host(&address, self.engine.now());
        upstream.connected(&*self.host);
        Some(upstream)
    }

    /// The connection has closed, and with it that to its TCP `upstream`.
    pub(crate) fn closed(
        &mut self,
        id: ConnectionId,
        by: ClosedBy,
        upstream: Option<Rc<UpstreamHost>>,
    ) {
        if let Some(upstream) = upstream {
            upstream.disconnected(&*self.host);
        }
        let Some(end) = self.engine.closed(id) else {
            return;
        };
        self.contexts.remove(id.0);
        self.shutdowns.remove(id);
        let counter = match (end, by) {
            (ConnectionEnd::NotDrained, _) => return,
            (ConnectionEnd::AfterSignal(reason), ClosedBy::Client) => {
                Counter::DrainedByClient(reason)
            }
            (ConnectionEnd::AfterSignal(reason), ClosedBy::Proxy) => {
                Counter::DrainedByProxy(reason)
            }
            (ConnectionEnd::ClosedByEngine(reason), _) => Counter::DrainedByEvenkeel(reason),
        };
        self.metrics.count(counter);
    }
}
