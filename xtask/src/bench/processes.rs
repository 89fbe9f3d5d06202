//! What a whole Envoy costs: its start, its memory, and thousands of idle connections, also while all of them expire.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use evenkeel_report::terminal;
use evenkeel_test_envoy::{Client, Envoy};
use serde::Serialize;
use tokio::time::sleep;

use super::contender::{Contender, PROCESSES};
use super::envoy::{Bench, Effort};
use super::process::Process;
use crate::file_limit;

/// The worker threads of each Envoy.
pub const WORKERS: u32 = 2;

/// How many connections expire at once, and are then drained.
const EXPIRED: &str = r#"{"version": 1, "defaults": {"max_connection_age": "1s"},
    "budget": {"per_second": 100, "burst": 100}}"#;

/// The files that this process and Envoy have open beside the connections.
const OTHER_FILES: u64 = 500;

/// How often an Envoy is started, and what is measured on it.
#[derive(Clone, Copy, Serialize)]
pub struct ProcessEffort {
    pub starts: usize,
    /// The time in which idle CPU is measured.
    pub seconds: u32,
    /// Half of them are opened before memory is measured: buffers and caches grow with the first ones.
    pub connections: usize,
}

/// What a whole process costs, with [`WORKERS`] workers: one value for each start.
#[derive(Serialize)]
pub struct ProcessCost {
    pub name: &'static str,
    pub start_cpu_ms: Vec<f64>,
    pub memory_kib: Vec<f64>,
    /// The growth with the second half of the connections.
    pub memory_per_connection_kib: Vec<f64>,
    pub idle_cpu_ms_per_s: Vec<f64>,
    /// With all connections open.
    pub idle_cpu_with_connections_ms_per_s: Vec<f64>,
    /// For contenders that have a policy.
    pub expiries: Vec<Expiry>,
}

/// What it costs that all connections expire at once.
#[derive(Serialize)]
pub struct Expiry {
    /// From the change of the policy on, in each second.
    pub cpu_ms: Vec<f64>,
    /// Connections that the module has drained with the second request on each connection.
    pub drained: u64,
    /// The time in which each connection has sent its second request.
    pub seconds: f64,
}

impl ProcessEffort {
    /// Half as many starts as rounds, and the most connections that the limit of open files allows.
    pub fn new(all: Effort) -> Result<Self> {
        let starts = all.rounds.div_ceil(2);
        let (seconds, most) = (all.seconds.div_ceil(2), 20_000 / all.scale);
        let limit = file_limit::raise()?.saturating_sub(OTHER_FILES);
        Ok(Self {
            starts,
            seconds,
            connections: most.min(limit) as usize,
        })
    }
}

impl Bench<'_> {
    /// Starts an Envoy for each contender in turns, and measures it.
    pub async fn processes(&self, effort: ProcessEffort) -> Result<Vec<ProcessCost>> {
        let cost = |(name, _)| ProcessCost {
            name,
            start_cpu_ms: Vec::new(),
            memory_kib: Vec::new(),
            memory_per_connection_kib: Vec::new(),
            idle_cpu_ms_per_s: Vec::new(),
            idle_cpu_with_connections_ms_per_s: Vec::new(),
            expiries: Vec::new(),
        };
        let mut costs = PROCESSES.map(cost);
        for start in 1..=effort.starts {
            for ((name, contender), cost) in PROCESSES.into_iter().zip(&mut costs) {
                terminal::note(&format!("{name}: start {start} of {}", effort.starts));
                self.measure_process(contender, effort, cost).await?;
            }
        }
        Ok(costs.into())
    }

    async fn measure_process(
        &self,
        contender: Contender,
        effort: ProcessEffort,
        cost: &mut ProcessCost,
    ) -> Result<()> {
        let listener = contender.http("in", &self.modules);
        let proxy = self.start(vec![listener], WORKERS).await?;
        let process = Process(proxy.pid());
        // Workers may still create their VMs when Envoy is ready.
        sleep(Duration::from_secs(1)).await;
        cost.start_cpu_ms.push(millis(process.total_cpu()?));
        cost.memory_kib.push(process.memory()? as f64);
        cost.idle_cpu_ms_per_s
            .push(idle_cpu(process, effort.seconds).await?);

        let mut clients = Vec::new();
        open(&mut clients, effort.connections / 2, &proxy).await?;
        let before = process.memory()?;
        open(&mut clients, effort.connections / 2, &proxy).await?;
        let grown = process.memory()? as f64 - before as f64;
        let half = (effort.connections / 2) as f64;
        cost.memory_per_connection_kib.push(grown / half);
        cost.idle_cpu_with_connections_ms_per_s
            .push(idle_cpu(process, effort.seconds).await?);
        if let Contender::Evenkeel(..) = contender {
            let expiry = expire(&proxy, &clients, effort.seconds).await?;
            cost.expiries.push(expiry);
        }
        Ok(())
    }
}

/// Opens connections with one request each, which Envoy responds to itself.
async fn open(clients: &mut Vec<Client>, count: usize, proxy: &Envoy) -> Result<()> {
    for _ in 0..count {
        let client = Client::http1(proxy.address("in"));
        client.get("/direct").await?;
        clients.push(client);
    }
    Ok(())
}

/// Makes all connections expire, then sends two requests on each: none may fail, and none may have been closed before. The
/// module resumes reading with the response to the first, and the response to the second carries the drain signal.
async fn expire(proxy: &Envoy, clients: &[Client], seconds: u32) -> Result<Expiry> {
    let process = Process(proxy.pid());
    let mut cpu_ms = Vec::new();
    let mut before = process.cpu()?;
    proxy.replace_policy("in", EXPIRED).await?;
    for _ in 0..seconds.max(5) {
        sleep(Duration::from_secs(1)).await;
        let now = process.cpu()?;
        cpu_ms.push(millis(now - before));
        before = now;
    }
    let stats = proxy.stats().await?;
    let expired = stats.get("wasmcustom.evenkeel_connections_expired_total");
    ensure!(
        expired == clients.len() as u64,
        "{expired} of {} connections have expired",
        clients.len()
    );
    request_all(clients).await?;
    let start = Instant::now();
    request_all(clients).await?;
    let seconds = start.elapsed().as_secs_f64();
    // Metrics are published by the tick.
    sleep(Duration::from_secs(1)).await;
    let stats = proxy.stats().await?;
    let drained = stats.get("wasmcustom.evenkeel_connections_drained_total");
    ensure!(drained > 0, "no connection was drained");
    Ok(Expiry {
        cpu_ms,
        drained,
        seconds,
    })
}

/// Sends a request on each connection.
async fn request_all(clients: &[Client]) -> Result<()> {
    for client in clients {
        let response = client.get("/direct").await?;
        ensure!(response.status == 200, "{response:?}");
        let opened = client.connections_opened().await;
        ensure!(opened == 1, "an idle connection was closed");
    }
    Ok(())
}

/// The CPU time in milliseconds per second of a process that has nothing to do.
async fn idle_cpu(process: Process, seconds: u32) -> Result<f64> {
    let before = process.cpu()?;
    sleep(Duration::from_secs(seconds.into())).await;
    Ok(millis(process.cpu()? - before) / f64::from(seconds))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
