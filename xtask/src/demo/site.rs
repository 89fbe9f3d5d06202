//! The servers of the HTTP scenarios, each behind its own Envoy as in a pod.

use std::net::SocketAddr;

use anyhow::Result;
use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;
use serde_json::Value;

use super::Tools;

/// The side of the comparison, which determines the listener of the clients.
#[derive(Clone, Copy)]
pub enum Side {
    Before,
    After,
}

impl Side {
    fn listener(self) -> &'static str {
        match self {
            Side::Before => "plain",
            Side::After => "evenkeel",
        }
    }
}

/// Servers that respond with their number, from 0.
pub struct Site {
    pods: Vec<Pod>,
}

struct Pod {
    envoy: Envoy,
    _backend: Backend,
}

/// The module's counters in all Envoys.
#[derive(Clone, Copy, Default)]
pub struct ModuleCounts {
    pub drain_signals: u64,
    pub aborted: u64,
}

impl Site {
    /// Starts `count` servers and their Envoys.
    pub async fn start(tools: &Tools, count: usize) -> Result<Self> {
        let mut starting = Tasks::new();
        for number in 0..count {
            let backend = Backend::start(&number.to_string()).await?;
            let bootstrap = Bootstrap::new()
                .envoy(&tools.envoy)
                .module(&tools.module)
                .cluster(Cluster::new("app", [backend.address()]))
                .listener(Listener::http("plain").route("/", "app"))
                .listener(
                    Listener::http("evenkeel")
                        .route("/", "app")
                        .evenkeel(Roles::Network, r#"{"version":1}"#),
                );
            starting.spawn(async move {
                Ok((
                    number,
                    Pod {
                        envoy: Envoy::start(bootstrap).await?,
                        _backend: backend,
                    },
                ))
            });
        }
        let mut pods = starting
            .join()
            .await
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        pods.sort_by_key(|(number, _)| *number);
        Ok(Self {
            pods: pods.into_iter().map(|(_, pod)| pod).collect(),
        })
    }

    /// Replaces the policy of every running Envoy.
    pub async fn replace_policy(&self, policy: &Value) -> Result<()> {
        for pod in &self.pods {
            pod.envoy.replace_policy("evenkeel", policy).await?;
        }
        Ok(())
    }

    /// Returns the addresses of the first `count` servers on one side.
    pub fn endpoints(&self, side: Side, count: usize) -> Vec<SocketAddr> {
        let address = |pod: &Pod| pod.envoy.address(side.listener());
        self.pods.iter().take(count).map(address).collect()
    }

    /// Reads the counters of every Envoy.
    pub async fn counts(&self) -> Result<ModuleCounts> {
        let mut sum = ModuleCounts::default();
        for pod in &self.pods {
            sum += ModuleCounts::of(&pod.envoy).await?;
        }
        Ok(sum)
    }
}

impl ModuleCounts {
    /// Reads the counters of an Envoy.
    pub async fn of(envoy: &Envoy) -> Result<Self> {
        let stats = envoy.stats().await?;
        Ok(Self {
            drain_signals: stats.get("wasmcustom.evenkeel_drain_signals_total"),
            aborted: stats.get("wasmcustom.evenkeel_requests_aborted_total")
                + stats.get("wasmcustom.evenkeel_connections_aborted_total"),
        })
    }

    /// Returns the difference to `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            drain_signals: self.drain_signals - earlier.drain_signals,
            aborted: self.aborted - earlier.aborted,
        }
    }
}

impl std::ops::AddAssign for ModuleCounts {
    fn add_assign(&mut self, other: Self) {
        self.drain_signals += other.drain_signals;
        self.aborted += other.aborted;
    }
}
