//! What one VM, and so one worker thread, knows. Both roles reach it through [`with`].

mod pod;
mod tick;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use core::time::Duration;

use evenkeel_engine::upstream::Upstreams;
use evenkeel_engine::{
    Activity, ConnectionId, Decision, End, Engine, Instant, Moment, Origin, mix,
};
use evenkeel_metrics::{Cause, Counter, Metric, Protocol};
use evenkeel_policy::{Direction, Mode, Policy};
use evenkeel_wire::Kind;

use crate::host;
use crate::metrics::Metrics;
use crate::policies::{Policies, RootId};
use pod::Pod;
pub(crate) use tick::Act;
use tick::Observed;

/// How often a worker looks at its timers.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Envoy's `TrafficDirection::OUTBOUND`.
const OUTBOUND: u64 = 2;

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::default();
}

/// Runs `f` on the worker. None, and nothing done, when the host calls in while the worker is at work,
/// which it does only to allocate.
pub(crate) fn with<T>(f: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    WORKER.with(|worker| {
        worker
            .try_borrow_mut()
            .ok()
            .map(|mut worker| f(&mut worker))
    })
}

#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) engine: Engine,
    pub(crate) policies: Policies,
    pub(crate) metrics: Metrics,
    pub(crate) upstreams: Upstreams,
    /// The network contexts of the open connections.
    contexts: HashMap<ConnectionId, u32>,
    /// Makes what is drawn differ between proxies and workers.
    seed: u64,
    is_sidecar: Option<bool>,
    ticked: Instant,
    observed: Observed,
    /// The warning about roles that are not joined has been logged.
    warned: bool,
    /// What this proxy carries, beside the other pods of its service.
    pub(crate) pod: Pod,
    /// The connection that was read last: a request that comes up now came on it.
    reading: Option<ConnectionId>,
    /// On which the host resets a stream, because the tick has told it to.
    resetting: Vec<ConnectionId>,
}

impl Worker {
    /// Takes over a root's configuration, and tells the operator what came of it.
    pub(crate) fn configure(&mut self, root: RootId, text: &[u8]) {
        let name = host::property(&["plugin_name"]);
        let shown = String::from_utf8_lossy(&name).into_owned();
        let now = host::now();
        self.engine.advance(now);
        // All the chance there is: to the nanosecond no two workers begin at the same time.
        self.seed = mix(self.seed ^ now.as_nanos());
        let configured = self.policies.configure(root, name, text, now);
        self.metrics.define();
        match (&configured.errors, self.policies.get(root)) {
            (None, Some(policy)) => {
                log::info!(
                    "{shown}: policy in force: mode {}, {} route(s), {} connection rule(s)",
                    if policy.mode == Mode::Observe {
                        "observe"
                    } else {
                        "enforce"
                    },
                    policy.routes.len(),
                    policy.connections.len(),
                );
                self.metrics.count(Counter::Plain(Metric::PolicyLoads));
            }
            (Some(errors), last_good) => {
                let fate = if last_good.is_some() {
                    "the last good one stays in force"
                } else {
                    "no connection will be moved"
                };
                for error in errors.to_string().lines() {
                    log::error!("{shown}: the policy is refused, {fate}: {error}");
                }
                self.metrics.count(Counter::Plain(Metric::PolicyErrors));
            }
            (None, None) => {}
        }
        for changed in configured.changed {
            self.adopt(changed);
        }
    }

    /// A root is gone. With the last one the VM goes, and what it shows would stay for ever.
    pub(crate) fn forget(&mut self, root: RootId) {
        self.policies.forget(root);
        if self.policies.is_empty() {
            self.metrics.withdraw();
        }
    }

    /// The connections that a root opened follow the policy that is in force for it now.
    fn adopt(&mut self, root: RootId) {
        let policy = self.policies.get(root).cloned();
        let observe = policy
            .as_ref()
            .is_some_and(|policy| policy.mode == Mode::Observe);
        self.engine.adopt(root, observe, |origin, is_tcp, held| {
            let policy = policy.as_ref()?;
            if is_tcp {
                return policy
                    .connection(origin.direction, origin.port)
                    .map(|rule| Rc::clone(&rule.rule));
            }
            let named = policy
                .routes
                .iter()
                .map(|route| &route.rule)
                .find(|rule| held == Some(&*rule.name));
            named
                .or_else(|| policy.otherwise(origin.direction))
                .cloned()
        });
    }

    /// A network context was made: a connection has opened.
    pub(crate) fn open(&mut self, root: RootId, context: u32) -> ConnectionId {
        self.engine.advance(host::now());
        if self.policies.used(root, self.engine.now()) {
            self.adopt(root);
        }
        // Without an id (no Envoy is known to do so) the connection is its own context, out of the way of real ids.
        let id = host::number(&["connection", "id"]).unwrap_or(u64::MAX ^ u64::from(context));
        let id = ConnectionId(id);
        let direction = self.direction();
        let policy = self.policies.get(root);
        let rule = policy.and_then(|policy| policy.otherwise(direction).cloned());
        let observe = policy.is_some_and(|policy| policy.mode == Mode::Observe);
        let origin = Origin {
            policy: root,
            direction,
            port: 0,
        };
        self.engine
            .open(id, origin, rule, observe, self.seed ^ id.0);
        self.contexts.insert(id, context);
        self.metrics.active(1);
        id
    }

    /// The direction of the listener that the current context belongs to. Only a sidecar's outbound ones
    /// are outbound: a gateway's say so too, but their clients are elsewhere.
    pub(crate) fn direction(&mut self) -> Direction {
        let is_sidecar = *self
            .is_sidecar
            .get_or_insert_with(|| host::property(&["xds", "node", "id"]).starts_with(b"sidecar~"));
        if is_sidecar && host::number(&["xds", "listener_direction"]) == Some(OUTBOUND) {
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
        let port = host::number(&["destination", "port"])
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_default();
        let policy = self.policies.get(origin.policy);
        let rule = policy.and_then(|policy| policy.connection(origin.direction, port));
        let rule = rule.map(|rule| Rc::clone(&rule.rule));
        self.engine.is_tcp(id, port, rule);
    }

    /// A connection's bytes have turned out to be this. True when it is left alone.
    pub(crate) fn became(&mut self, id: ConnectionId, kind: Kind) -> bool {
        let cause = match kind {
            Kind::WebSocket if !self.engine.is_websocket(id) => Cause::Tunnel,
            Kind::Tunnel => Cause::Tunnel,
            Kind::Opaque(cause) => Cause::NotUnderstood(cause),
            Kind::Unknown | Kind::Http1 | Kind::Http2 | Kind::WebSocket | Kind::Tcp => {
                if let Some(protocol) = Protocol::of(kind) {
                    self.metrics.count(Counter::Connections(protocol));
                }
                if kind == Kind::Tcp {
                    self.is_tcp(id);
                }
                return false;
            }
        };
        self.metrics.count(Counter::Opaque(cause));
        self.engine.leave(id);
        log::debug!("connection {}: left alone: {}", id.0, cause.name());
        true
    }

    /// The client sent something; `spoke` when a part of a WebSocket message was in it.
    pub(crate) fn read(&mut self, id: ConnectionId, activity: Activity, spoke: bool) {
        self.reading = Some(id);
        if self.engine.is_moving(id) {
            self.engine.advance(host::now());
        }
        if spoke {
            self.engine.spoke(id);
        }
        self.engine.read(id, activity);
    }

    /// The server writes. What to do with it.
    pub(crate) fn wrote(
        &mut self,
        id: ConnectionId,
        activity: Activity,
        moment: Option<Moment>,
    ) -> Decision {
        if self.engine.is_moving(id) {
            self.engine.advance(host::now());
        }
        // Another stream that is reset later is none of ours.
        self.resetting.retain(|resetting| *resetting != id);
        let policy = self
            .engine
            .origin(id)
            .and_then(|origin| self.policies.get(origin.policy));
        let budget = policy.and_then(|policy| policy.budget.as_ref());
        let decision = self
            .engine
            .wrote(id, activity, moment, budget, &mut host::SharedBudget);
        if let Decision::Announce(reason) = decision {
            self.metrics.count(Counter::Announced(reason));
            log::debug!("connection {}: announced its end: {}", id.0, reason.name());
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

    /// Takes a move of an upstream connection from the budget.
    pub(crate) fn spend(&mut self, policy: &Policy) -> bool {
        self.engine
            .spend(policy.budget.as_ref(), &mut host::SharedBudget)
    }

    /// The connection has ended; `by_client` when the client did it.
    pub(crate) fn closed(&mut self, id: ConnectionId, by_client: bool) {
        let Some(end) = self.engine.closed(id) else {
            return;
        };
        self.contexts.remove(&id);
        self.metrics.active(-1);
        match end {
            End::Unasked => {}
            End::Announced(reason) if by_client => {
                self.metrics.count(Counter::ClosedByClient(reason))
            }
            End::Announced(reason) => self.metrics.count(Counter::ClosedByProxy(reason)),
            End::Closed(reason) => self.metrics.count(Counter::ClosedByEvenkeel(reason)),
        }
    }

    /// The connection of the request that comes up now. Good enough for adding up, and costs nothing.
    pub(crate) fn reading(&self) -> Option<ConnectionId> {
        self.reading
    }

    /// A connection stays with an upstream host.
    pub(crate) fn carries_to(&mut self, id: ConnectionId, cluster: &[u8], address: &[u8]) {
        let now = self.engine.now();
        if let Some(host) = self.engine.hosts.find(cluster, address, now) {
            self.engine.carries_to(id, host);
        }
    }

    /// True after a tick that ended a stream in the middle of its answer on this connection: the host
    /// resets it right behind the tick and before anything else, so that the first write is the reset's.
    pub(crate) fn is_resetting(&self, id: ConnectionId) -> bool {
        self.resetting.contains(&id)
    }

    /// An HTTP stream came on a connection that the network role does not know.
    pub(crate) fn unjoined(&mut self) {
        self.metrics.count(Counter::Plain(Metric::Unjoined));
        if !core::mem::replace(&mut self.warned, true) {
            log::warn!(
                "an HTTP stream came on a connection that the network role does not know: its routes' rules cannot act. \
                 Load the module as a NETWORK filter too, with the same vm_id (Istio: the same url). \
                 Connections older than that filter stay unknown until they close."
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
