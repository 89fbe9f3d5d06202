//! A case: pods behind Services, clients, and a sample every second.

use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use evenkeel_report::terminal::Status;
use evenkeel_test_envoy::Tally;
use evenkeel_test_tasks::{Task, Tasks};
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::client_group::{Caller, ClientGroup};
use crate::history::{BALANCED, History, Snapshot, max_over_mean};
use crate::namespace::Namespace;
use crate::network::Network;
use crate::pod::{App, Pod, Sample, Side};
use crate::services::{Proxy, Rules, Service};

const BETWEEN_SAMPLES: Duration = Duration::from_secs(1);

/// How long load must stay balanced.
const BALANCED_SECONDS: u32 = 4;

/// The time in which clients connect, on a machine with other work.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(120);

/// How many pods start at the same time: an Envoy compiles the module while it starts.
const STARTING: usize = 2;

/// The address of the namespace of the clients: 10.244.0.250 in the cluster, 192.0.2.250 outside.
const CLIENTS: u8 = 250;

/// Where clients are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClientLocation {
    /// In a pod: they use the ClusterIP.
    Cluster,
    /// Outside of the cluster: they use the NodePort.
    Outside,
}

/// What a case starts with.
pub struct Plan {
    pub app: App,
    pub sides: Vec<Side>,
    /// Pods at the start.
    pub pods: usize,
    /// Pods that there will be in all.
    pub capacity: usize,
    pub rules: Rules,
    pub seed: u64,
}

/// A running case.
pub struct Site {
    client_groups: Vec<Vec<ClientGroup>>,
    sampler: Option<Task<Result<Vec<Snapshot>>>>,
    stop: watch::Sender<bool>,
    pods: Arc<Mutex<Vec<Arc<Pod>>>>,
    serving: Range<usize>,
    services: Vec<Service>,
    proxy: Proxy,
    clients: Namespace,
    outside: Namespace,
    network: Network,
    plan: Plan,
    start: Instant,
}

impl Site {
    /// Starts the pods and gives them to the Services, one for each side.
    ///
    /// # Errors
    /// When a pod does not start, or the rules do not load.
    pub async fn start(plan: Plan) -> Result<Self> {
        let network = Network::create().await?;
        let proxy = Proxy::new(plan.rules)?;
        let sides = plan.sides.iter().zip(0..);
        let services = sides.map(|(side, number)| Service::new(number, side.name));
        let mut site = Self {
            client_groups: Vec::new(),
            sampler: None,
            stop: watch::channel(false).0,
            pods: Arc::default(),
            serving: 0..0,
            services: services.collect(),
            proxy,
            clients: network.pod(CLIENTS).await?,
            outside: network.outside(CLIENTS).await?,
            network,
            start: Instant::now(),
            plan,
        };
        site.start_pods(site.plan.pods).await?;
        site.serve(0..site.plan.pods).await?;
        site.start = Instant::now();
        Ok(site)
    }

    /// Returns the Service of a side.
    pub fn service(&self, side: usize) -> &Service {
        &self.services[side]
    }

    /// Returns the namespace of the clients in the cluster.
    pub fn clients(&self) -> &Namespace {
        &self.clients
    }

    /// Returns the network, for more namespaces.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the pods, in the order in which they started.
    pub fn started_pods(&self) -> Vec<Arc<Pod>> {
        self.pods().clone()
    }

    /// Sets the seed of later clients.
    pub fn seed(&mut self, seed: u64) {
        self.plan.seed = seed;
    }

    /// Starts as many clients for each side, and the clock of the case.
    pub fn call<Running>(
        &mut self,
        location: ClientLocation,
        clients: usize,
        run: impl Fn(Caller) -> Running + Clone + Send + 'static,
    ) where
        Running: Future<Output = ()> + Send + 'static,
    {
        let (namespace, address): (_, fn(&Service) -> _) = match location {
            ClientLocation::Cluster => (&self.clients, Service::cluster_address),
            ClientLocation::Outside => (&self.outside, Service::node_address),
        };
        let client_groups = self.services.iter().map(|service| {
            let tally = Arc::new(Tally::new(self.plan.capacity));
            let counts = (clients, self.plan.seed);
            vec![ClientGroup::start(
                namespace,
                address(service),
                &tally,
                counts,
                run.clone(),
            )]
        });
        let client_groups = client_groups.collect();
        self.watch(client_groups);
    }

    /// Starts the clock of the case, with the running clients of each side. Those of one side share a tally.
    pub fn watch(&mut self, client_groups: Vec<Vec<ClientGroup>>) {
        self.client_groups = client_groups;
        self.start = Instant::now();
        let counters = Counters {
            pods: Arc::clone(&self.pods),
            sides: self.services.len(),
            start: self.start,
        };
        self.stop = watch::channel(false).0;
        self.sampler = Some(Task::spawn(counters.sample(self.stop.subscribe())));
    }

    /// Lets the case run; returns the time since its start, in seconds.
    pub async fn run_for(&self, time: Duration) -> f64 {
        let end = Instant::now() + time;
        let status = Status::new();
        while Instant::now() < end {
            sleep(BETWEEN_SAMPLES.min(end - Instant::now())).await;
            let counts = self.client_groups.iter().zip(&self.plan.sides).filter_map(
                |(client_groups, side)| {
                    let tally = &client_groups.first()?.tally;
                    let (responses, failed) = (tally.responses(), tally.failed());
                    Some(format!(
                        "{} {responses} requests, {failed} failed",
                        side.name
                    ))
                },
            );
            status.show(&counts.collect::<Vec<_>>().join("; "));
        }
        self.start.elapsed().as_secs_f64()
    }

    /// Waits until the clients of a side have this many connections.
    ///
    /// # Errors
    /// When they do not connect, or an Envoy has ended.
    pub async fn wait_for_connections(&self, side: usize, connections: u64) -> Result<()> {
        let end = Instant::now() + CONNECT_TIMEOUT;
        loop {
            let samples = self.sample().await?;
            let open: u64 = samples.iter().map(|sample| sample.connections[side]).sum();
            if open >= connections {
                return Ok(());
            }
            ensure!(
                Instant::now() < end,
                "{open} of {connections} connections after {CONNECT_TIMEOUT:?}"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Samples all pods, in the order in which they started.
    ///
    /// # Errors
    /// When an Envoy has ended.
    pub async fn sample(&self) -> Result<Vec<Sample>> {
        let (pods, sides) = (self.started_pods(), self.services.len());
        try_join_all(pods.iter().map(|pod| pod.sample(sides))).await
    }

    /// Lets the case run until each side has this many responses, at most for `limit`.
    pub async fn run_until_responses(&self, responses: usize, limit: Duration) {
        let end = Instant::now() + limit;
        let has_fewer =
            |client_groups: &Vec<ClientGroup>| client_groups[0].tally.responses() < responses;
        while self.client_groups.iter().any(has_fewer) && Instant::now() < end {
            self.run_for(Duration::from_secs(1)).await;
        }
    }

    /// Lets the case run until the connections of a side have been balanced for some seconds, at most for `limit`.
    ///
    /// # Errors
    /// When an Envoy has ended.
    pub async fn run_until_balanced(&self, side: usize, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut balanced = 0;
        while balanced < BALANCED_SECONDS && Instant::now() < end {
            self.run_for(Duration::from_secs(1)).await;
            let samples = self.sample().await?;
            let serving = &samples[self.serving.clone()];
            let connections = serving.iter().map(|sample| sample.connections[side]);
            let ratio = max_over_mean(&connections.collect::<Vec<_>>());
            balanced = if ratio <= BALANCED { balanced + 1 } else { 0 };
        }
        Ok(())
    }

    /// Starts pods until there are this many; no Service has the new ones yet.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start_pods(&mut self, count: usize) -> Result<()> {
        let first = self.pods().len();
        let starting = (first..count)
            .map(|number| Pod::start(&self.network, number, self.plan.app, &self.plan.sides));
        let mut starting = stream::iter(starting).buffered(STARTING);
        let mut started = Vec::new();
        while let Some(pod) = starting.next().await {
            started.push(Arc::new(pod?));
        }
        drop(starting);
        self.pods().extend(started);
        Ok(())
    }

    /// Gives the Services these pods, and no others.
    ///
    /// # Errors
    /// When the rules do not load, or an Envoy does not apply its peers.
    pub async fn serve(&mut self, serving: Range<usize>) -> Result<()> {
        let pods: Vec<_> = self.pods()[serving.clone()].to_vec();
        for (side, service) in self.services.iter_mut().enumerate() {
            service.endpoints = pods.iter().map(|pod| pod.address(side)).collect();
        }
        self.proxy.load(self.network.node(), &self.services)?;
        self.serving = serving;
        if let Some(side) = self.plan.sides.iter().position(Side::has_peers) {
            let peers: Arc<[_]> = self.services[side].endpoints.as_slice().into();
            let mut updates = Tasks::new();
            for pod in pods {
                let peers = Arc::clone(&peers);
                updates.spawn(async move { pod.set_peers(&peers).await });
            }
            updates
                .join()
                .await
                .into_iter()
                .collect::<Result<Vec<()>>>()?;
        }
        Ok(())
    }

    /// Starts `joining` pods, then serves with them and without the first `leaving`, which drain. Returns the time of the change.
    ///
    /// # Errors
    /// As [`Site::serve`].
    pub async fn change(&mut self, joining: usize, leaving: usize) -> Result<f64> {
        let serving = self.serving.start + leaving..self.serving.end + joining;
        self.start_pods(serving.end).await?;
        let left = self.serving.start..serving.start;
        self.serve(serving).await?;
        let at = self.start.elapsed().as_secs_f64();
        let left: Vec<_> = self.pods()[left].to_vec();
        for pod in left {
            pod.drain().await?;
        }
        Ok(at)
    }

    /// Ends the clients; returns what each side went through since they started.
    ///
    /// # Errors
    /// When an Envoy has ended.
    pub async fn finish(&mut self) -> Result<Vec<History>> {
        self.stop.send_replace(true);
        let snapshots = match self.sampler.take() {
            Some(sampler) => sampler.join().await?,
            None => Vec::new(),
        };
        let client_groups = mem::take(&mut self.client_groups);
        let tallies = client_groups
            .iter()
            .map(|client_groups| Arc::clone(&client_groups[0].tally));
        let tallies: Vec<_> = tallies.collect();
        join_all(client_groups.into_iter().flatten().map(ClientGroup::stop)).await;
        let sides = tallies.into_iter().zip(&self.plan.sides).enumerate();
        let history = |(index, (tally, side))| {
            History::new(side, index, &snapshots, tally, self.serving.clone())
        };
        Ok(sides.map(history).collect())
    }

    fn pods(&self) -> MutexGuard<'_, Vec<Arc<Pod>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the sampler reads.
struct Counters {
    pods: Arc<Mutex<Vec<Arc<Pod>>>>,
    sides: usize,
    start: Instant,
}

impl Counters {
    async fn sample(self, mut stopped: watch::Receiver<bool>) -> Result<Vec<Snapshot>> {
        let mut ticks = interval(BETWEEN_SAMPLES);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut snapshots = Vec::new();
        loop {
            tokio::select! {
                _ = ticks.tick() => snapshots.push(self.snapshot().await?),
                // Before the clients end, and with them their connections.
                _ = stopped.changed() => break,
            }
        }
        snapshots.push(self.snapshot().await?);
        Ok(snapshots)
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        let pods = self
            .pods
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Ok(Snapshot {
            at: self.start.elapsed().as_secs_f64(),
            pods: try_join_all(pods.iter().map(|pod| pod.sample(self.sides))).await?,
        })
    }
}
