//! The configurations of the roots, and how open connections follow them.

use std::rc::Rc;

use evenkeel_engine::{Instant, mix};
use evenkeel_metrics::{Counter, mode_name};
use evenkeel_policy::{Role, Rule, Scope};

use super::Worker;
use super::log::Warning;
use crate::host::{Buffer, Level};
use crate::policies::{Applied, Configuration, RootId, Use, Used};

impl Worker {
    /// The role of a context under a root. A configuration that does not state a role (an invalid one never does) may
    /// be in both kinds of filter, which then share this root: only an HTTP stream has a request.
    pub(crate) fn role(&self, root: RootId) -> Role {
        let of_request = || {
            let protocol = self.host.property(&["request", "protocol"]);
            protocol.map_or(Role::Network, |_| Role::Http)
        };
        self.policies.role(root).unwrap_or_else(of_request)
    }

    /// Applies the configuration of a root, of `size` bytes, and logs the result.
    #[inline(never)]
    pub(crate) fn configure(&mut self, root: RootId, size: usize) {
        let text = self.host.buffer(Buffer::PluginConfiguration, 0, size);
        let text = text.unwrap_or_default();
        self.log.update_level();
        let name = self.host.property_or_empty(&["plugin_name"]);
        let now = self.now();
        self.engine.advance(now);
        // To the nanosecond, no two workers start at the same time.
        let clocks = self.host.wall_clock().unwrap_or_default() ^ mix(now.as_nanos());
        self.seed = mix(self.seed ^ clocks);
        let configuration = Configuration {
            name,
            direction: self.host.number(&["listener_direction"]),
            text: &text,
        };
        let configured = self.policies.configure(root, configuration, now);
        self.metrics.define();
        let name = self.policies.name(root);
        match (&configured.errors, self.policies.get(root)) {
            (None, Some(policy)) => {
                let mode = mode_name(policy.mode);
                let (routes, rules) = (policy.routes.len(), policy.tcp.len());
                self.log.write(
                    Level::Info,
                    format_args!(
                        "{name}: policy active: mode {mode}, {routes} route(s), {rules} TCP rule(s)"
                    ),
                );
                self.metrics.count(Counter::PolicyUpdate(true));
            }
            (Some(errors), last_valid) => {
                let consequence = if last_valid.is_some() {
                    "the last valid policy stays active"
                } else {
                    "no connection is drained"
                };
                for error in errors.to_string().lines() {
                    self.log.write(
                        Level::Error,
                        format_args!("{name}: policy rejected, {consequence}: {error}"),
                    );
                }
                self.metrics.count(Counter::PolicyUpdate(false));
            }
            (None, None) => {}
        }
        self.apply_policies(&configured.changed);
    }

    /// Removes a root. The VM ends with its last root, whose gauges Envoy would keep forever.
    pub(crate) fn remove_root(&mut self, root: RootId) {
        let changed = self.policies.forget(root);
        self.apply_policies(&changed);
        if self.policies.is_empty() {
            self.metrics.close();
        }
    }

    /// Records that a root opens a stream, on a connection that may be an earlier root's. Asks the host for the
    /// connection only where it matters, and for one stream per tick.
    pub(super) fn use_for_stream(&mut self, root: RootId) {
        let asks = self.policies.needs_connection(root) || !self.has_located_stream;
        self.has_located_stream = true;
        let connection = asks.then(|| self.connection_id()).flatten();
        self.use_root(root, Use::Stream(connection.map(|id| id.0)));
    }

    /// Records the use of a root, whose policy may have been applied again.
    pub(super) fn use_root(&mut self, root: RootId, by: Use) {
        let used = self.policies.used(root, by, self.engine.now());
        self.root_used(root, &used);
    }

    fn root_used(&mut self, root: RootId, used: &Used) {
        self.apply_policies(&used.changed);
        if used.applied
            && let Some((key, applied)) = self.policies.applied(root)
        {
            let (_, token) = self.host.shared(&key);
            self.host.share(&key, &applied.to_bytes(), token);
        }
        if used.conflict {
            let name = self.policies.name(root);
            self.log.warn_once(
                Warning::SharedName(name.clone()),
                format_args!(
                    "{name}: two filter entries with different policies have this name: each keeps its own policy, but \
                     a changed policy may not govern the connections that are open. Give each a name of its own."
                ),
            );
        }
    }

    /// Follows changes of the current roots that show only after some time, or in other workers.
    #[inline(never)]
    pub(super) fn update_current_roots(&mut self, now: Instant) {
        for (root, used) in self.policies.tick(now) {
            self.root_used(root, &used);
        }
        for (key, current) in self.policies.shared_keys() {
            let applied = self.host.shared(&key).0;
            if let Some(applied) = applied.as_deref().and_then(Applied::from_bytes) {
                let changed = self.policies.follow(current, applied);
                self.apply_policies(&changed);
            }
        }
    }

    fn apply_policies(&mut self, changed: &[RootId]) {
        for root in changed {
            self.apply_policy(*root);
        }
    }

    /// Puts the connections that a root opened under the policy that is active for it now.
    #[inline(never)]
    fn apply_policy(&mut self, root: RootId) {
        let policy = self.policies.get(root).cloned();
        let mode = policy
            .as_ref()
            .map(|policy| policy.mode)
            .unwrap_or_default();
        self.engine
            .apply_policy(root, mode, |origin, is_tcp, current| {
                let policy = policy.as_ref()?;
                if is_tcp {
                    return policy
                        .tcp_rule(origin.direction, origin.port)
                        .map(|rule| Rc::clone(&rule.rule));
                }
                let same_route = policy
                    .routes
                    .iter()
                    .map(|route| &route.rule)
                    .find(|rule| current.is_some_and(|current| is_same_route(current, rule)));
                same_route
                    .or_else(|| policy.otherwise(origin.direction))
                    .cloned()
            });
    }
}

/// A route of a changed policy replaces the one of its name. `defaults` are no route, whatever a route is called.
fn is_same_route(current: &Rule, rule: &Rule) -> bool {
    current.scope == Scope::Route && current.name == rule.name
}
