//! Pods of one service, each an Envoy, that are the endpoints of the cluster `peers`.

use std::net::SocketAddr;

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles, eventually};

use super::socket::Socket;
use super::tls::Identity;
use super::{metric, module_log, wait_until_metric};

/// Returns a policy with exchanges that trust anyone, and these further keys.
pub fn peers(keys: &str) -> String {
    format!(
        r#"{{"version": 1, "peers": {{"cluster": "peers", "trust": "anyone"}}, "defaults": {{"max_connection_age": "off"}}{keys}}}"#
    )
}

/// Returns the load report of a pod with this id, connections and uptime in seconds.
pub fn report(id: u64, connections: u64, uptime: u64) -> String {
    format!("[{id},{connections},0,0,0,1000,{uptime}000,0,0]")
}

/// Returns a message of an exchange with these reports.
pub fn message(reports: &[String]) -> String {
    format!(r#"{{"v":1,"peers":[{}]}}"#, reports.join(","))
}

/// The pods of a service before one server.
pub struct Service {
    pub backend: Backend,
    pub pods: Vec<Envoy>,
    /// The HTTP filter is for the requests of peers only.
    is_on_demand: bool,
}

impl Service {
    /// Starts pods with this policy. With an identity they use mutual TLS, except for the listener `plain`.
    pub async fn start(pods: usize, policy: &str, identity: Option<&Identity>) -> Self {
        Self::start_with(pods, policy, identity, false).await
    }

    /// Starts pods with this policy, whose HTTP filter is for the requests of peers only.
    pub async fn start_on_demand(pods: usize, policy: &str, identity: Option<&Identity>) -> Self {
        Self::start_with(pods, policy, identity, true).await
    }

    async fn start_with(
        pods: usize,
        policy: &str,
        identity: Option<&Identity>,
        is_on_demand: bool,
    ) -> Self {
        let backend = Backend::start("a").await.unwrap();
        let mut service = Self {
            backend,
            pods: Vec::new(),
            is_on_demand,
        };
        for _ in 0..pods {
            let pod = service.pod(policy, identity).await;
            service.pods.push(pod);
        }
        service.update_endpoints(&[]).await;
        service
    }

    async fn pod(&self, policy: &str, identity: Option<&Identity>) -> Envoy {
        let listener = |name| {
            let listener = Listener::http(name).route("/", "app");
            let listener = listener.inbound().evenkeel(Roles::Both, policy);
            match self.is_on_demand {
                true => listener.on_demand(),
                false => listener,
            }
        };
        let (mut secured, mut peers) = (listener("in"), Cluster::new("peers", []));
        if let Some(identity) = identity {
            secured = secured.transport(identity.downstream());
            peers = peers.transport(identity.upstream());
        }
        let bootstrap = Bootstrap::new()
            .listener(secured)
            .listener(listener("plain"))
            .cluster(Cluster::new("app", [self.backend.address()]))
            .cluster(peers);
        Envoy::start(bootstrap).await.unwrap()
    }

    /// Makes all pods, and these others, endpoints of the cluster in each pod.
    pub async fn update_endpoints(&self, others: &[SocketAddr]) {
        let pods = self.pods.iter().map(|pod| pod.address("in"));
        let all: Vec<_> = pods.chain(others.iter().copied()).collect();
        for pod in &self.pods {
            pod.replace_endpoints("peers", &all).await.unwrap();
        }
    }

    /// Waits until every pod knows this number of others, and the mean of their connections within a tenth.
    pub async fn wait_until_known(&self, peers: u64, mean: f64) {
        for pod in &self.pods {
            let known = eventually("the mean of all pods", || async {
                let stats = pod.stats().await?;
                let shown = stats.get("wasmcustom.evenkeel_peers_mean_connections") as f64;
                // The metric is a whole number.
                let is_near = (shown - mean).abs() <= 0.1 * mean + 0.5;
                let is_known = stats.get("wasmcustom.evenkeel_peers_known") == peers;
                Ok((is_known && is_near).then_some(()))
            });
            if let Err(error) = known.await {
                let shown = pod.admin("/stats?filter=evenkeel_(peers|exch|load)").await;
                panic!(
                    "{error:#}\n{}\n{}",
                    shown.unwrap_or_default(),
                    module_log(pod)
                );
            }
        }
    }
}

/// Opens connections that each have carried a request.
pub async fn open(to: SocketAddr, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = Socket::connect(to).await;
        socket.get("/").await;
        sockets.push(socket);
    }
    sockets
}

/// Counts the samples that a pod takes of its load, about one a second. Each changes the metric of the age of open
/// connections, so there must be some.
pub struct Samples<'a> {
    pod: &'a Envoy,
    age: u64,
    taken: u32,
}

impl<'a> Samples<'a> {
    /// Starts to count.
    pub async fn of(pod: &'a Envoy) -> Self {
        let age = metric(pod, AGE).await;
        Self { pod, age, taken: 0 }
    }

    /// Returns how many samples were seen. A caller that polls less often than once a second misses some.
    pub async fn taken(&mut self) -> u32 {
        let age = metric(self.pod, AGE).await;
        if age != self.age {
            self.age = age;
            self.taken += 1;
        }
        self.taken
    }

    /// Waits for this number of samples.
    pub async fn wait_for(mut self, samples: u32) {
        for _ in 0..samples {
            let age = self.age;
            self.age = wait_until_metric(self.pod, AGE, |now| now != age).await;
        }
    }
}

const AGE: &str = "downstream_connections_age_sum_seconds";
