//! What one VM, and so one worker thread, knows. Both roles are given it with each callback.

mod exchange;
mod pod;
mod tick;

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::upstream::Upstreams;
use evenkeel_engine::{
    Activity, ConnectionEnd, ConnectionId, Decision, Engine, Instant, Origin, mix,
};
use evenkeel_metrics::{Counter, Metric};
use evenkeel_policy::{Direction, Mode, Role, Rule, Scope};
use evenkeel_wire::{BypassReason, Detection, DrainPoint, Protocol};

use crate::host::{Buffer, Host, Level, SharedBudget};
use crate::metrics::Metrics;
use crate::policies::{Applied, Configuration, Policies, RootId, Use, Used};
use crate::vm::Peer;
use pod::Pod;
pub(crate) use tick::Act;
use tick::Observed;

/// How often a worker looks at its timers.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// A property of each connection that the module manages. Envoy keeps it with the connection (as the filter
/// state `wasm.evenkeel.network`), where every VM finds it.
const MANAGED: &str = "evenkeel.network";

/// Envoy's `TrafficDirection::OUTBOUND`.
const OUTBOUND: u64 = 2;

#[derive(Debug)]
pub(crate) struct Worker {
    host: Rc<dyn Host>,
    /// The lowest level that the host logs; asked for from time to time.
    log_level: Level,
    pub(crate) engine: Engine,
    pub(crate) policies: Policies,
    pub(crate) metrics: Metrics,
    pub(crate) upstreams: Upstreams,
    /// The network contexts of the open connections.
    contexts: BTreeMap<ConnectionId, u32>,
    /// Since the last tick a stream has told the number of its connection: the newest one that is known is not
    /// much older than that.
    has_sampled: bool,
    /// Makes what is drawn differ between proxies and workers.
    seed: u64,
    is_sidecar: Option<bool>,
    ticked: Instant,
    observed: Observed,
    /// What the host is to do at the next tick, wherever it was decided.
    acts: Vec<Act>,
    /// The warning about roles that are not joined has been logged.
    warned: bool,
    /// The warning about upstream connections of unknown protocol has been logged.
    pub(crate) warned_unproven: bool,
    /// So has the one about two filter entries on one connection.
    warned_of_duplicate: bool,
    /// The names that two filter entries have, each of which has been logged.
    conflicts: BTreeSet<String>,
    /// What this proxy carries, beside the other pods of its service.
    pub(crate) pod: Pod,
    /// On which the host resets a stream, because the tick has told it to.
    resetting: Vec<ConnectionId>,
}

impl Worker {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        Self {
            metrics: Metrics::new(Rc::clone(&host)),
            host,
            log_level: Level::default(),
            engine: Engine::default(),
            policies: Policies::default(),
            upstreams: Upstreams::default(),
            contexts: BTreeMap::new(),
            has_sampled: false,
            seed: 0,
            is_sidecar: None,
            ticked: Instant::default(),
            observed: Observed::default(),
            acts: Vec::new(),
            warned: false,
            warned_unproven: false,
            warned_of_duplicate: false,
            conflicts: BTreeSet::new(),
            pod: Pod::default(),
            resetting: Vec::new(),
        }
    }

    /// The host, for as long as a callback needs it beside the worker.
    pub(crate) fn host(&self) -> Rc<dyn Host> {
        Rc::clone(&self.host)
    }

    /// The time by the host's monotonic clock; the last that is known where the host does not say.
    pub(crate) fn now(&self) -> Instant {
        self.host
            .monotonic_time()
            .unwrap_or_else(|_| self.engine.now())
    }

    /// Logs, if the host logs at that level. What is not logged is not formatted.
    pub(crate) fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        if level >= self.log_level {
            self.host.log(level, &message.to_string());
        }
    }

    /// Asks the host what it logs. An operator may change that at any time.
    fn update_log_level(&mut self) {
        let Ok(lowest) = self.host.log_level() else {
            return;
        };
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        let is_logged = |level: &Level| *level as u32 >= lowest;
        let level = levels.into_iter().find(is_logged);
        self.log_level = level.unwrap_or(Level::Critical);
    }

    /// What a context under a root is for. A configuration that does not say (a broken one never does) may
    /// even stand in both kinds of filter, which then share this root: only an HTTP stream has a request.
    pub(crate) fn role(&self, root: RootId) -> Role {
        let of_request = || {
            let protocol = self.host.property(&["request", "protocol"]);
            protocol.map_or(Role::Network, |_| Role::Http)
        };
        self.policies.role(root).unwrap_or_else(of_request)
    }

    /// Takes over a root's configuration, of `size` bytes, and tells the operator what came of it.
    pub(crate) fn configure(&mut self, root: RootId, size: usize) {
        let text = self.host.buffer(Buffer::PluginConfiguration, 0, size);
        let text = text.unwrap_or_default();
        self.update_log_level();
        let name = self.host.property_or_empty(&["plugin_name"]);
        let shown = String::from_utf8_lossy(&name).into_owned();
        let now = self.now();
        self.engine.advance(now);
        // All the chance there is: to the nanosecond no two workers begin at the same time.
        let clocks = self.host.wall_clock().unwrap_or_default() ^ mix(now.as_nanos());
        self.seed = mix(self.seed ^ clocks);
        let configuration = Configuration {
            name,
            direction: self.host.number(&["listener_direction"]),
            text: &text,
        };
        let configured = self.policies.configure(root, configuration, now);
        self.metrics.define();
        match (&configured.errors, self.policies.get(root)) {
            (None, Some(policy)) => {
                let mode = match policy.mode {
                    Mode::DryRun => "dry_run",
                    Mode::Enforce => "enforce",
                };
                let (routes, rules) = (policy.routes.len(), policy.tcp.len());
                self.log(
                    Level::Info,
                    format_args!(
                        "{shown}: policy active: mode {mode}, {routes} route(s), {rules} TCP rule(s)"
                    ),
                );
                self.metrics.count(Counter::PolicyUpdate(true));
            }
            (Some(errors), last_good) => {
                let fate = if last_good.is_some() {
                    "the last valid policy stays active"
                } else {
                    "no connection is drained"
                };
                for error in errors.to_string().lines() {
                    self.log(
                        Level::Error,
                        format_args!("{shown}: policy rejected, {fate}: {error}"),
                    );
                }
                self.metrics.count(Counter::PolicyUpdate(false));
            }
            (None, None) => {}
        }
        self.adopt_all(&configured.changed);
    }

    /// A root is gone. With the last one the VM goes, and what it shows would stay for ever.
    pub(crate) fn forget(&mut self, root: RootId) {
        let changed = self.policies.forget(root);
        self.adopt_all(&changed);
        if self.policies.is_empty() {
            self.metrics.withdraw();
        }
    }

    /// A root opens a stream, of a connection that may be an earlier root's. The host is asked which one where that
    /// matters, and for one stream a tick.
    pub(crate) fn opens_stream(&mut self, root: RootId) {
        let asks = self.policies.needs_connection(root) || !self.has_sampled;
        self.has_sampled = true;
        let connection = asks.then(|| self.connection_id()).flatten();
        self.uses(root, Use::Stream(connection.map(|id| id.0)));
    }

    /// A root is used: its policy may have been applied again.
    fn uses(&mut self, root: RootId, by: Use) {
        let now = self.engine.now();
        let used = self.policies.used(root, by, now);
        self.follow(root, &used);
    }

    fn follow(&mut self, root: RootId, used: &Used) {
        self.adopt_all(&used.changed);
        if let Some((key, applied)) = self.policies.applied(root).filter(|_| used.applied) {
            let (_, token) = self.host.shared(&key);
            self.host.share(&key, &applied.to_bytes(), token);
        }
        if used.conflict {
            let name = self.policies.name(root);
            if self.conflicts.insert(name.clone()) {
                self.log(
                    Level::Warn,
                    format_args!(
                        "{name}: two filter entries with different policies have this name: each keeps its own policy, \
                         but a changed policy may not govern the connections that are open. Give each a name of its own."
                    ),
                );
            }
        }
    }

    /// Which policies are active may have changed without an event of this worker's.
    fn follow_others(&mut self, now: Instant) {
        for (root, used) in self.policies.tick(now) {
            self.follow(root, &used);
        }
        for (key, current) in self.policies.shared_keys() {
            let told = self.host.shared(&key).0;
            if let Some(told) = told.as_deref().and_then(Applied::from_bytes) {
                let changed = self.policies.follow(current, told);
                self.adopt_all(&changed);
            }
        }
    }

    fn adopt_all(&mut self, changed: &[RootId]) {
        for root in changed {
            self.adopt(*root);
        }
    }

    /// The connections that a root opened follow the policy that is in force for it now.
    fn adopt(&mut self, root: RootId) {
        let policy = self.policies.get(root).cloned();
        let mode = policy
            .as_ref()
            .map(|policy| policy.mode)
            .unwrap_or_default();
        self.engine
            .apply_policy(root, mode, |origin, is_tcp, held| {
                let policy = policy.as_ref()?;
                if is_tcp {
                    return policy
                        .tcp_rule(origin.direction, origin.port)
                        .map(|rule| Rc::clone(&rule.rule));
                }
                let named = policy
                    .routes
                    .iter()
                    .map(|route| &route.rule)
                    .find(|rule| held.is_some_and(|held| is_same_route(held, rule)));
                named
                    .or_else(|| policy.otherwise(origin.direction))
                    .cloned()
            });
    }

    /// A network context was made: a connection has opened. None where another filter entry of the module has
    /// the connection already: it would count twice, and take the drain signals of that one for the proxy's own.
    pub(crate) fn open(&mut self, root: RootId, context: u32) -> Option<ConnectionId> {
        if self
            .host
            .property(&[MANAGED])
            .is_ok_and(|by| !by.is_empty())
        {
            self.duplicate(root);
            return None;
        }
        // The entries may run in different VMs, so the connection itself carries the mark.
        let _ = self.host.set_property(MANAGED, b"1");
        self.engine.advance(self.now());
        let id = self.connection_id();
        self.uses(root, Use::Connection(id.map(|id| id.0)));
        // Without an id (no Envoy is known to do so) the connection is its own context, out of the way of real ids.
        let own = ConnectionId(u64::MAX ^ u64::from(context));
        let id = id.unwrap_or(own);
        let direction = self.direction();
        let policy = self.policies.get(root);
        let rule = policy.and_then(|policy| policy.otherwise(direction).cloned());
        let mode = policy.map(|policy| policy.mode).unwrap_or_default();
        let origin = Origin {
            policy: root,
            direction,
            port: 0,
        };
        self.engine.open(id, origin, rule, mode, self.seed ^ id.0);
        self.contexts.insert(id, context);
        self.metrics.active(1);
        Some(id)
    }

    /// A connection is managed by an earlier filter entry.
    fn duplicate(&mut self, root: RootId) {
        let count = Counter::Plain(Metric::DuplicateFilters);
        self.metrics.count(count);
        if !core::mem::replace(&mut self.warned_of_duplicate, true) {
            let name = self.policies.name(root);
            self.log(
                Level::Warn,
                format_args!(
                    "{name}: another NETWORK filter entry of this module is before it on the same connection: \
                     this one does nothing there. Remove one of them (Istio: two WasmPlugins select the workload)."
                ),
            );
        }
    }

    /// The direction of the listener that the current context belongs to. Only a sidecar's outbound ones
    /// are outbound: a gateway's say so too, but their clients are elsewhere.
    pub(crate) fn direction(&mut self) -> Direction {
        let host = &*self.host;
        let node_id = || host.property_or_empty(&["xds", "node", "id"]);
        let is_sidecar = *self
            .is_sidecar
            .get_or_insert_with(|| node_id().starts_with(b"sidecar~"));
        if is_sidecar && host.number(&["xds", "listener_direction"]) == Some(OUTBOUND) {
            Direction::Outbound
        } else {
            Direction::Inbound
        }
    }

    /// A connection's bytes are not HTTP.
    fn is_tcp(&mut self, id: ConnectionId) {
        let Some(origin) = self.engine.origin(id) else {
            return;
        };
        // Asked even if no rule looks at it: a later policy may.
        let port = self
            .host
            .number(&["destination", "port"])
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_default();
        let policy = self.policies.get(origin.policy);
        let rule = policy.and_then(|policy| policy.tcp_rule(origin.direction, port));
        let rule = rule.map(|rule| Rc::clone(&rule.rule));
        self.engine.set_tcp(id, port, rule);
    }

    /// A connection's bytes have turned out to be this. True when it is left alone.
    pub(crate) fn became(&mut self, id: ConnectionId, detection: Detection) -> bool {
        let reason = match detection {
            Detection::Detected(Protocol::WebSocket) if !self.engine.upgrade_to_websocket(id) => {
                BypassReason::Tunnel
            }
            Detection::Bypassed(reason) => reason,
            Detection::Pending | Detection::Detected(_) => {
                if let Some(protocol) = detection.protocol() {
                    self.metrics.count(Counter::Connections(protocol));
                }
                if detection == Detection::Detected(Protocol::Tcp) {
                    self.is_tcp(id);
                }
                return false;
            }
        };
        self.metrics.count(Counter::Bypassed(reason));
        self.engine.bypass(id);
        self.log(
            Level::Debug,
            format_args!("connection {}: bypassed: {}", id.0, reason.name()),
        );
        true
    }

    /// The client sent something; `spoke` when a part of a WebSocket message was in it. False when it is not
    /// to be passed on.
    pub(crate) fn read(&mut self, id: ConnectionId, activity: Activity, spoke: bool) -> bool {
        if self.engine.needs_exact_time(id) {
            self.engine.advance(self.now());
        }
        if spoke {
            self.engine.record_client_message(id);
        }
        self.engine.read(id, activity)
    }

    /// The server writes. What to do with it.
    pub(crate) fn wrote(
        &mut self,
        id: ConnectionId,
        activity: Activity,
        point: Option<DrainPoint>,
    ) -> Decision {
        if self.engine.needs_exact_time(id) {
            self.engine.advance(self.now());
        }
        // Another stream that is reset later is none of ours.
        self.resetting.retain(|resetting| *resetting != id);
        let origin = self.engine.origin(id);
        let bucket = origin.and_then(|origin| self.policies.bucket(origin.policy));
        let decision =
            self.engine
                .wrote(id, activity, point, bucket, &mut SharedBudget(&*self.host));
        if let Decision::Drain(reason) = decision {
            self.metrics.count(Counter::DrainSignal(reason));
            self.log(
                Level::Debug,
                format_args!("connection {}: drain signal: {}", id.0, reason.name()),
            );
        }
        self.tell();
        decision
    }

    /// Whether, and with how much left, the answer in hand should carry a `Keep-Alive` hint.
    pub(crate) fn hint(&self, id: ConnectionId) -> Option<(Option<Duration>, Option<u64>)> {
        let origin = self.engine.origin(id)?;
        let policy = self.policies.get(origin.policy)?;
        (policy.keepalive.http1_hint && policy.mode == Mode::Enforce)
            .then(|| self.engine.remaining(id))
    }

    /// Takes a move of an upstream connection from the budget of a root's policy.
    pub(crate) fn spend(&mut self, root: RootId) -> bool {
        let bucket = self.policies.bucket(root);
        self.engine
            .take_token(bucket, &mut SharedBudget(&*self.host))
    }

    /// The connection has ended.
    pub(crate) fn closed(&mut self, id: ConnectionId, by: Peer) {
        let Some(end) = self.engine.closed(id) else {
            return;
        };
        self.contexts.remove(&id);
        self.metrics.active(-1);
        match end {
            ConnectionEnd::NotDrained => {}
            ConnectionEnd::AfterSignal(reason) if by == Peer::Client => {
                self.metrics.count(Counter::DrainedByClient(reason))
            }
            ConnectionEnd::AfterSignal(reason) => {
                self.metrics.count(Counter::DrainedByProxy(reason))
            }
            ConnectionEnd::ClosedByEngine(reason) => {
                self.metrics.count(Counter::DrainedByEvenkeel(reason))
            }
        }
    }

    /// The connection of the context in hand, as the host tells it. Which connection was read last is no
    /// answer: a request comes here late if a filter before the module made it wait.
    pub(crate) fn connection_id(&self) -> Option<ConnectionId> {
        self.host.number(&["connection", "id"]).map(ConnectionId)
    }

    /// A connection stays with an upstream host.
    pub(crate) fn carries_to(&mut self, id: ConnectionId, cluster: &[u8], address: &[u8]) {
        if let Some(host) = self.engine.find_upstream_host(cluster, address) {
            self.engine.set_upstream_host(id, host);
        }
    }

    /// True after a tick that ended a stream in the middle of its answer on this connection: the host
    /// resets it right behind the tick and before anything else, so that the first write is the reset's.
    pub(crate) fn is_resetting(&self, id: ConnectionId) -> bool {
        self.resetting.contains(&id)
    }

    /// An HTTP stream came on a connection that the network role does not know.
    pub(crate) fn unjoined(&mut self) {
        self.metrics.count(Counter::Plain(Metric::StreamsUnmatched));
        if !core::mem::replace(&mut self.warned, true) {
            self.host.log(
                Level::Warn,
                "an HTTP stream came on a connection that the network role does not know: its routes' rules cannot act. \
                 Load the module as a NETWORK filter too, with the same vm_id (Istio: the same url). \
                 Connections older than that filter stay unknown until they close.",
            );
        }
    }

    /// A chance for something that is no connection of a client.
    pub(crate) fn chance(&self, of: &[u8]) -> u64 {
        of.iter().fold(self.seed, |seed, byte| {
            seed.wrapping_mul(0x100_0000_01b3) ^ u64::from(*byte)
        })
    }
}

/// A route of a changed policy takes the place of the one that had its name. `defaults` are no route, whatever a
/// route is called.
fn is_same_route(held: &Rule, rule: &Rule) -> bool {
    held.scope == Scope::Route && held.name == rule.name
}
