//! One side of a comparison: a listener of each pod, with a policy or without.

use evenkeel_test_clients::Program;
use serde_json::{Value, json};

/// One side of a comparison: the same pods through another listener.
#[derive(Clone, Debug)]
pub struct Side {
    /// The name, for people and as the id of the VM.
    pub name: &'static str,
    /// The policy of the module; None without the module.
    pub policy: Option<Value>,
    /// Envoy's own limits.
    pub(super) limits: Value,
    /// A server program behind a listener that passes bytes through, instead of the application.
    pub(super) server: Option<(Program, &'static str)>,
}

impl Side {
    pub fn new(name: &'static str, policy: Option<Value>) -> Self {
        let limits = json!({});
        Self {
            name,
            policy,
            limits,
            server: None,
        }
    }

    /// Without the module, with a server program that limits the age of its connections by itself.
    pub fn with_server(name: &'static str, server: Program, age: &'static str) -> Self {
        Self {
            server: Some((server, age)),
            ..Self::new(name, None)
        }
    }

    /// Without the module.
    pub fn before() -> Self {
        Self::new("before", None)
    }

    /// With the module.
    pub fn after(policy: Value) -> Self {
        Self::new("after", Some(policy))
    }

    /// Without the module, with Envoy's own limits (`HttpProtocolOptions`; over TCP `max_connection_duration` only).
    pub fn with_limits(name: &'static str, limits: Value) -> Self {
        Self {
            limits,
            ..Self::new(name, None)
        }
    }

    /// Returns whether drains for this reason are its own: sides share an Envoy, and so its counters.
    pub fn drains_for(&self, reason: &str) -> bool {
        let Some(policy) = &self.policy else {
            return false;
        };
        policy.get("rebalance").is_some() == (reason == "rebalance")
    }

    /// Returns whether pods compare their load.
    pub fn has_peers(&self) -> bool {
        self.policy
            .as_ref()
            .is_some_and(|policy| policy.get("peers").is_some())
    }
}
