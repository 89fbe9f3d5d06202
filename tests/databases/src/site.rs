//! The servers and the Envoy in front of them, with one listener per client program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::contender::Contender;
use crate::row::ModuleCounts;
use crate::server::Servers;
use crate::system::System;

const CLUSTER: &str = "servers";
/// The listener of the first connections to a server that was added.
const ADDED: &str = "added";
const FIRST_CONNECTIONS: usize = 4;

/// Running servers and a proxy. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Site {
    envoy: Envoy,
    servers: Servers,
    system: System,
    contender: Contender,
}

impl Site {
    /// Starts the servers, and an Envoy with a listener for each name in `listeners`.
    ///
    /// # Errors
    /// When a server, Envoy or the module is missing or does not start, or when the module rejects the policy.
    pub(crate) async fn start(
        system: System,
        contender: Contender,
        age: Duration,
        listeners: &[&str],
    ) -> Result<Self> {
        let servers = system.start(system.servers()).await?;
        let is_rebalanced = contender == Contender::Rebalance;
        // What is added later gets connections only then.
        let first = if is_rebalanced {
            1
        } else {
            servers.addresses.len()
        };
        let endpoints = servers.addresses.iter().take(first).copied();
        let mut bootstrap = Bootstrap::new()
            // Hosts are compared within a worker.
            .concurrency(if is_rebalanced { 1 } else { 2 })
            .cluster(Cluster::new(CLUSTER, endpoints));
        if is_rebalanced {
            bootstrap = bootstrap.sidecar();
        }
        let added = is_rebalanced.then_some(ADDED);
        let listeners: Vec<_> = listeners.iter().copied().chain(added).collect();
        for name in &listeners {
            let mut listener = Listener::tcp(name, CLUSTER);
            listener = if is_rebalanced {
                listener.outbound()
            } else {
                listener.inbound()
            };
            if let Some(duration) = contender.duration(age) {
                listener = listener.max_connection_duration(&duration);
            }
            if contender.has_module() {
                // The policy names the port, which Envoy chooses.
                listener = listener.evenkeel(Roles::Network, r#"{ "version": 1 }"#);
            }
            bootstrap = bootstrap.listener(listener);
        }
        let envoy = Envoy::start(bootstrap).await?;
        let site = Self {
            envoy,
            servers,
            system,
            contender,
        };
        if contender.has_module() {
            for name in listeners {
                let policy =
                    contender.policy_with_age(site.address(name).port(), system.protocol(), age)?;
                site.envoy.replace_policy(name, policy).await?;
            }
            site.check_policy().await?;
        }
        Ok(site)
    }

    /// Adds the other servers to the cluster, and opens the first connections to them. They end with the result.
    ///
    /// # Errors
    /// When Envoy does not apply it.
    pub(crate) async fn add_servers(&self) -> Result<Vec<TcpStream>> {
        self.envoy
            .replace_endpoints(CLUSTER, self.servers())
            .await?;
        let mut connections = Vec::new();
        for _ in 0..FIRST_CONNECTIONS {
            let mut connection = TcpStream::connect(self.address(ADDED)).await?;
            connection.write_all(self.system.first_bytes()).await?;
            connections.push(connection);
        }
        Ok(connections)
    }

    async fn check_policy(&self) -> Result<()> {
        let stats = self.envoy.stats().await?;
        let updates = "wasmcustom.evenkeel_policy_updates_total";
        if stats.with(updates, &[("update_result", "rejected")]) > 0 {
            bail!(
                "the module rejects the policy of `{}`\n{}",
                self.contender.name(),
                crate::process::tail(&self.envoy.log())
            );
        }
        Ok(())
    }

    /// Where the client program of that name connects.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.envoy.address(listener)
    }

    /// Where the servers listen, without a proxy.
    pub(crate) fn servers(&self) -> &[SocketAddr] {
        &self.servers.addresses
    }

    /// Variables for the client programs.
    pub(crate) fn environment(&self) -> &[(&'static str, PathBuf)] {
        &self.servers.environment
    }

    /// How many connections the listener accepted so far.
    ///
    /// # Errors
    /// When Envoy's admin interface does not respond.
    pub(crate) async fn connections(&self, listener: &str) -> Result<u64> {
        let stats = self.envoy.stats().await?;
        Ok(stats.get(&format!("tcp.{listener}.downstream_cx_total")))
    }

    /// What the module counted; None where it is not loaded.
    ///
    /// # Errors
    /// When Envoy's admin interface does not respond.
    pub(crate) async fn module_counts(&self) -> Result<Option<ModuleCounts>> {
        if !self.contender.has_module() {
            return Ok(None);
        }
        let stats = self.envoy.stats().await?;
        let full = |name: &str| format!("wasmcustom.evenkeel_{name}_total");
        let get = |name: &str| stats.get(&full(name));
        let by = |name: &str, label: &str| stats.by(&full(name), label);
        Ok(Some(ModuleCounts {
            system: self.system,
            contender: self.contender,
            drained: get("connections_drained"),
            aborted: get("connections_aborted"),
            deferred: by("drain_deferred", "defer_reason"),
            pinned: by("drains_pinned", "pin_reason"),
            bypassed: by("connections_bypassed", "bypass_reason"),
        }))
    }
}
