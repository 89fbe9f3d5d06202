//! The configuration of an Envoy: listeners, clusters and, on a listener, the module.

mod cluster;
mod listener;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::evenkeel;
pub use cluster::Cluster;
pub use listener::Listener;

/// Envoy's default of `--drain-time-s`.
pub(crate) const DRAIN_SECONDS: u32 = 600;

/// A builder of the configuration of an Envoy.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    pub(crate) concurrency: u32,
    pub(crate) drain_seconds: u32,
    pub(crate) listeners: Vec<Listener>,
    node: &'static str,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) module: Option<PathBuf>,
}

impl Bootstrap {
    /// Returns a configuration with one worker, without listeners and clusters.
    pub fn new() -> Self {
        Self {
            concurrency: 1,
            drain_seconds: DRAIN_SECONDS,
            node: "evenkeel-test",
            listeners: Vec::new(),
            clusters: Vec::new(),
            envoy: None,
            module: None,
        }
    }

    /// Sets the Envoy to run instead of [`crate::envoy_path`].
    pub fn envoy(mut self, path: &Path) -> Self {
        self.envoy = Some(path.to_owned());
        self
    }

    /// Sets the absolute path of the module to load instead of [`crate::module_path`].
    pub fn module(mut self, path: &Path) -> Self {
        self.module = Some(path.to_owned());
        self
    }

    /// Sets the number of workers; each has a VM.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Sets the time over which Envoy drains connections by itself (`--drain-time-s`).
    #[must_use]
    pub fn drain_seconds(mut self, seconds: u32) -> Self {
        self.drain_seconds = seconds;
        self
    }

    /// Names the node as Istio names a sidecar: only there a listener with the direction outbound is the application's own.
    #[must_use]
    pub fn sidecar(mut self) -> Self {
        self.node = "sidecar~127.0.0.1~app.test~test.svc.cluster.local";
        self
    }

    /// Adds a listener.
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Adds a cluster.
    pub fn cluster(mut self, cluster: Cluster) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// Returns Envoy's configuration, whose watched files are in `directory`.
    pub(crate) fn to_json(&self, directory: &Path) -> Value {
        let listeners: Vec<_> = self
            .listeners
            .iter()
            .map(|l| l.to_json(directory))
            .collect();
        let clusters: Vec<_> = self.clusters.iter().map(|c| c.to_json(directory)).collect();
        json!({
            "node": { "id": self.node, "cluster": "evenkeel-test" },
            "admin": { "address": loopback() },
            "stats_config": { "stats_tags": evenkeel::stats_tags() },
            "static_resources": { "listeners": listeners, "clusters": clusters },
        })
    }
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a loopback address whose port the kernel chooses.
fn loopback() -> Value {
    address(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn address(address: SocketAddr) -> Value {
    let (ip, port) = (address.ip().to_string(), address.port());
    json!({ "socket_address": { "address": ip, "port_value": port } })
}
