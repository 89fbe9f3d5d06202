//! What closes the connections between the clients and the servers.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

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
    /// Evenkeel's rule that reads the protocol.
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
    pub(crate) fn duration(self) -> Option<&'static str> {
        (self == Self::Duration).then_some("3s")
    }

    /// Whether the module is loaded.
    pub(crate) fn has_module(self) -> bool {
        matches!(self, Self::Raw | Self::Protocol | Self::Rebalance)
    }

    /// Whether nothing may be in flight, in a transaction, lost or delivered twice.
    pub(crate) fn reads_protocol(self) -> bool {
        matches!(self, Self::Protocol | Self::Rebalance)
    }

    /// The policy for a listener on `port` whose clients speak `protocol`, as `tcp[].protocol` spells it.
    pub(crate) fn policy(self, port: u16, protocol: &str) -> Value {
        let direction = if self == Self::Rebalance {
            "outbound"
        } else {
            "inbound"
        };
        let rule = json!({
            "name": protocol,
            "match": { "port": port, "direction": direction },
            "protocol": if self.reads_protocol() { protocol } else { "raw" },
            "max_connection_age": if self == Self::Rebalance { "off" } else { "3s" },
            "idle_time": "500ms",
            "drain_timeout": "2s",
        });
        let mut policy = json!({ "version": 1, "budget": "off", "tcp": [rule] });
        if self == Self::Rebalance {
            policy["rebalance"] = json!({
                "max_rate": 0.2,
                "min_connections": 4,
                "samples": 3,
                "stabilization_window": "500ms",
            });
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_and_protocol_differ_in_the_protocol_only() {
        let mut raw = Contender::Raw.policy(5432, "postgresql");
        let protocol = Contender::Protocol.policy(5432, "postgresql");

        assert_eq!(raw["tcp"][0]["protocol"], "raw");
        raw["tcp"][0]["protocol"] = "postgresql".into();
        assert_eq!(raw, protocol);
    }
}
