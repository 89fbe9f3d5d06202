//! A client with an Envoy of its own in its namespace.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener};

use crate::namespace::Namespace;
use crate::network::Network;

/// The name of the cluster to the Service.
pub const UPSTREAM: &str = "service";

/// A running client-side Envoy.
#[derive(Debug)]
pub struct Sidecar {
    envoy: Arc<Envoy>,
    namespace: Namespace,
}

impl Sidecar {
    /// Starts it with the address 10.244.0.`host`.
    ///
    /// # Errors
    /// When Envoy does not start.
    pub async fn start(
        network: &Network,
        host: u8,
        listener: Listener,
        cluster: Cluster,
    ) -> Result<Self> {
        let namespace = network.pod(host).await?;
        let bootstrap = Bootstrap::new()
            .listener(listener.outbound())
            .cluster(cluster);
        let envoy = namespace.spawn(Envoy::start(bootstrap)).join().await?;
        Ok(Self {
            envoy: Arc::new(envoy),
            namespace,
        })
    }

    /// Returns a metric of the module.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let envoy = Arc::clone(&self.envoy);
        let stats = self.namespace.spawn(async move { envoy.stats().await });
        Ok(stats
            .join()
            .await?
            .get(&format!("wasmcustom.evenkeel_{name}")))
    }

    /// Returns its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns the address for clients in its namespace.
    pub fn address(&self) -> SocketAddr {
        self.envoy.address("out")
    }
}
