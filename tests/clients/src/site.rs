//! What a client talks to: an Envoy with two workers, and behind it the server that counts.

use std::net::SocketAddr;

use anyhow::Result;
use clap::ValueEnum;
use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles};
use serde::Serialize;

/// Every connection is moved after two requests: a storm, in which a flaw that strikes once in thousands
/// of moves shows within seconds.
const POLICY: &str = r#"{
    "version": 1,
    "budget": "off",
    "defaults": { "max_requests": 2, "jitter": 0 }
}"#;

const LISTENER: &str = "in";

/// What moves the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// The module, in both of its roles.
    Evenkeel,
    /// Nothing: what fails here is no one's fault but the client's.
    None,
}

impl Against {
    /// As the command line and the tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "evenkeel",
            Self::None => "none",
        }
    }
}

/// A running Envoy and its server. Dropping it ends both.
#[derive(Debug)]
pub struct Site {
    envoy: Envoy,
    backend: Backend,
}

/// What the site saw, however the client tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that Envoy accepted.
    pub connections: u64,
    /// Connections whose end the module announced.
    pub announced: u64,
    /// Requests that the module cut.
    pub cut: u64,
    /// Request ids that the server executed, each counted once.
    pub executed: u64,
    /// Executions beyond the first of the same request.
    pub duplicated: u64,
}

impl Site {
    /// Starts both.
    ///
    /// # Errors
    /// When Envoy or the module is missing (says which command provides it), or Envoy does not run.
    pub async fn start(against: Against) -> Result<Self> {
        let backend = Backend::start("evenkeel").await?;
        let listener = Listener::http(LISTENER).route("/", "app");
        let listener = match against {
            Against::Evenkeel => listener.evenkeel(Roles::Both, POLICY),
            Against::None => listener,
        };
        let bootstrap = Bootstrap::new()
            .concurrency(2)
            .listener(listener)
            .cluster(Cluster::new("app", [backend.address()]));
        let envoy = Envoy::start(bootstrap).await?;
        Ok(Self { envoy, backend })
    }

    /// Where the clients connect.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address(LISTENER)
    }

    /// How many requests the server has executed so far.
    pub fn requests(&self) -> u64 {
        self.backend.requests()
    }

    /// What was seen so far.
    ///
    /// # Errors
    /// When Envoy does not answer, because it died.
    pub async fn counts(&self) -> Result<Counts> {
        let stats = self.envoy.stats().await?;
        let by_id = self.backend.requests_by_id();
        let executions: u64 = by_id.values().sum();
        let executed = by_id.len() as u64;
        Ok(Counts {
            connections: stats.get(&format!("http.{LISTENER}.downstream_cx_total")),
            announced: stats.get("wasmcustom.evenkeel_announced_total"),
            cut: stats.get("wasmcustom.evenkeel_cut_total"),
            executed,
            duplicated: executions - executed,
        })
    }
}
