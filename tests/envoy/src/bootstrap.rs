//! The configuration of an Envoy: listeners, clusters and, on a listener, the module.

mod cluster;
mod listener;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::evenkeel;
pub use cluster::Cluster;
pub use listener::Listener;

/// The configuration of one Envoy, built up by chained calls.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    pub(crate) concurrency: u32,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) module: Option<PathBuf>,
}

impl Bootstrap {
    /// One worker, and nothing to serve yet.
    pub fn new() -> Self {
        Self {
            concurrency: 1,
            listeners: Vec::new(),
            clusters: Vec::new(),
            envoy: None,
            module: None,
        }
    }

    /// Runs this Envoy instead of the one that [`crate::envoy_path`] finds.
    pub fn envoy(mut self, path: &Path) -> Self {
        self.envoy = Some(path.to_owned());
        self
    }

    /// Loads this module instead of the one that [`crate::module_path`] finds. An absolute path.
    pub fn module(mut self, path: &Path) -> Self {
        self.module = Some(path.to_owned());
        self
    }

    /// How many workers, each with a VM of its own.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
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

    /// Envoy's JSON, given the directory where its watched files stand.
    pub(crate) fn to_json(&self, directory: &Path) -> Value {
        let listeners: Vec<_> = self
            .listeners
            .iter()
            .map(|l| l.to_json(directory))
            .collect();
        let clusters: Vec<_> = self.clusters.iter().map(|c| c.to_json(directory)).collect();
        json!({
            "node": { "id": "evenkeel-test", "cluster": "evenkeel-test" },
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

/// Port 0: the kernel's choice, so that no two tests ever want the same.
fn loopback() -> Value {
    address(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn address(address: SocketAddr) -> Value {
    let (ip, port) = (address.ip().to_string(), address.port());
    json!({ "socket_address": { "address": ip, "port_value": port } })
}
