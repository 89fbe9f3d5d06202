//! The pods of a scenario: an Envoy each, with a listener for each side.
//!
//! The Envoys respond themselves instead of an application: the scenarios are about connections, and thousands of requests
//! per second would exhaust a small machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, Stats};
use evenkeel_test_tasks::Tasks;
use serde_json::Value;

use super::plan::Plan;
use super::scenario::Side;
use crate::demo::Tools;

/// The cluster of the peers.
const PEERS: &str = "peers";

/// The running pods, in the order in which they started.
pub struct Pods {
    envoy: PathBuf,
    module: PathBuf,
    age: Value,
    rebalance: Value,
    running: Vec<Arc<Envoy>>,
}

impl Pods {
    /// Starts the first pods.
    pub async fn start(tools: &Tools, plan: &Plan) -> Result<Self> {
        let pods = Self {
            envoy: tools.envoy.clone(),
            module: tools.module.clone(),
            age: plan.age.policy(),
            rebalance: plan.rebalance.clone(),
            running: Vec::new(),
        };
        let first = pods.start_further(plan.first).await?;
        Ok(Self {
            running: first,
            ..pods
        })
    }

    /// Starts further pods. They get no connections yet, and are no peers of the others.
    pub async fn start_further(&self, count: usize) -> Result<Vec<Arc<Envoy>>> {
        let mut starting = Tasks::new();
        for number in self.running.len()..self.running.len() + count {
            let bootstrap = self.bootstrap(number);
            starting.spawn(async move { Ok((number, Envoy::start(bootstrap).await?)) });
        }
        let started: Result<Vec<_>> = starting.join().await.into_iter().collect();
        let mut started = started?;
        started.sort_by_key(|(number, _)| *number);
        Ok(started.into_iter().map(|(_, pod)| Arc::new(pod)).collect())
    }

    /// Adds started pods.
    pub fn add(&mut self, started: Vec<Arc<Envoy>>) {
        self.running.extend(started);
    }

    /// Sides share an Envoy but no VM, so they have separate budgets and peers.
    fn bootstrap(&self, number: usize) -> Bootstrap {
        let body = number.to_string();
        let listener = |side: Side| {
            Listener::http(side.name())
                .direct_response("/", 200, &body)
                .inbound()
        };
        let carrying = |side: Side, roles: Roles, policy: &Value| {
            let listener = listener(side);
            listener.evenkeel(roles, policy).vm(side.name())
        };
        Bootstrap::new()
            .envoy(&self.envoy)
            .module(&self.module)
            .cluster(Cluster::new(PEERS, []).random())
            .listener(listener(Side::None))
            .listener(carrying(Side::Age, Roles::Network, &self.age))
            .listener(carrying(Side::Rebalance, Roles::Both, &self.rebalance))
    }

    /// Sets the pods that serve in the cluster of peers of every Envoy.
    pub async fn set_peers(&self, serving: Range<usize>) -> Result<()> {
        let peers: Arc<[_]> = self.addresses(Side::Rebalance)[serving].into();
        let mut updates = Tasks::new();
        for pod in self.running.iter().map(Arc::clone) {
            let peers = Arc::clone(&peers);
            updates.spawn(async move { pod.replace_endpoints(PEERS, &peers).await });
        }
        updates.join().await.into_iter().collect()
    }

    /// Returns the address of each pod for one side.
    pub fn addresses(&self, side: Side) -> Vec<SocketAddr> {
        let address = |pod: &Arc<Envoy>| pod.address(side.name());
        self.running.iter().map(address).collect()
    }

    /// Makes pods close their connections, each with its next response.
    pub async fn drain(&self, leaving: Range<usize>) -> Result<()> {
        for pod in &self.running[leaving] {
            pod.drain().await?;
        }
        Ok(())
    }

    /// Returns the drain signals sent so far, by reason.
    pub async fn drain_signals(&self) -> Result<BTreeMap<String, u64>> {
        // In parallel, so that the sums are of one instant.
        let mut queried = Tasks::new();
        for pod in self.running.iter().map(Arc::clone) {
            queried.spawn(async move {
                pod.admin("/stats?filter=evenkeel_drain_signals_total")
                    .await
            });
        }
        let mut sums = BTreeMap::new();
        while let Some(text) = queried.next().await {
            let stats = Stats::parse(&text?);
            for (reason, count) in
                stats.by("wasmcustom.evenkeel_drain_signals_total", "drain_reason")
            {
                *sums.entry(reason).or_default() += count;
            }
        }
        Ok(sums)
    }
}
