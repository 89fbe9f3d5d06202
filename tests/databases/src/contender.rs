//! What closes the connections between the clients and the servers.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

/// The age at which connections are closed or drained.
pub(crate) const AGE: Duration = Duration::from_secs(3);

/// What closes the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Contender {
    /// Nothing: the reference.
    None,
    /// Envoy's own limit, `max_downstream_connection_duration`.
    Duration,
    /// Evenkeel's rule for raw TCP: a pause after data from the server.
    Raw,
    /// Evenkeel's rule that parses the protocol.
    Protocol,
    /// Evenkeel at the clients' own proxy: connections to all hosts are rebalanced when one is added.
    Rebalance,
}

impl Contender {
    /// All, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Duration,
        Self::Raw,
        Self::Protocol,
        Self::Rebalance,
    ];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Duration => "duration",
            Self::Raw => "raw",
            Self::Protocol => "protocol",
            Self::Rebalance => "rebalance",
        }
    }

    /// Envoy's limit, for the contender that has one.
    pub(crate) fn duration(self, age: Duration) -> Option<String> {
        (self == Self::Duration).then(|| seconds(age))
    }

    /// Whether the module is loaded.
    pub(crate) fn has_module(self) -> bool {
        matches!(self, Self::Raw | Self::Protocol | Self::Rebalance)
    }

    /// Whether nothing may be in flight, in a transaction, lost or delivered twice.
    pub(crate) fn parses_protocol(self) -> bool {
        matches!(self, Self::Protocol | Self::Rebalance)
    }

    /// The policy for a listener on `port` whose clients speak `protocol`, as `tcp[].protocol` spells it: the example
    /// in `policies/`, with times that suit a short run.
    ///
    /// # Errors
    /// When there is no such example.
    pub fn policy(self, port: u16, protocol: &str) -> Result<Value> {
        self.policy_with_age(port, protocol, AGE)
    }

    /// [`Contender::policy`] with another age of the connections.
    ///
    /// # Errors
    /// When there is no such example.
    pub(crate) fn policy_with_age(self, port: u16, protocol: &str, age: Duration) -> Result<Value> {
        let mut policy = match self {
            Self::Protocol => example(protocol)?,
            Self::Rebalance => example("database-clients")?,
            _ => json!({
                "version": 1,
                "tcp": [{ "name": protocol, "match": {}, "protocol": "raw", "idle_time": "500ms" }],
            }),
        };
        policy["budget"] = "off".into();
        let is_rebalanced = self == Self::Rebalance;
        if is_rebalanced {
            policy["rebalance"] = json!({
                "max_rate": 0.2,
                "min_connections": 4,
                "samples": 3,
                "stabilization_window": "500ms",
            });
        }
        let rules = policy["tcp"].as_array_mut().context("no TCP rule")?;
        rules.retain(|rule| !is_rebalanced || rule["name"] == protocol);
        for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
            for key in ["mean_connection_age", "min_connection_age", "jitter"] {
                rule.remove(key);
            }
            let age = if is_rebalanced {
                "off".to_owned()
            } else {
                seconds(age)
            };
            rule.insert("max_connection_age".to_owned(), age.into());
            rule.insert("drain_timeout".to_owned(), "2s".into());
            rule["match"]["port"] = port.into();
        }
        Ok(policy)
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

fn example(name: &str) -> Result<Value> {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let path = policies.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_gets_the_port_and_short_times_only() {
        let policy = Contender::Protocol.policy(40_000, "mqtt").unwrap();

        let rule = json!({
            "name": "mqtt",
            "match": { "port": 40_000 },
            "protocol": "mqtt",
            "max_connection_age": "3s",
            "drain_timeout": "2s",
        });
        assert_eq!(policy["tcp"], json!([rule]));
    }

    #[test]
    fn rebalanced_connections_are_outbound_and_of_one_protocol() {
        let policy = Contender::Rebalance.policy(40_000, "redis").unwrap();

        let matches = json!({ "port": 40_000, "direction": "outbound" });
        assert_eq!(policy["tcp"].as_array().map(Vec::len), Some(1));
        assert_eq!(policy["tcp"][0]["match"], matches);
    }
}
