//! Pods of one service, each with an Envoy of its own, that know each other as the cluster `peers`.

use std::net::SocketAddr;

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles, eventually};

use super::socket::{Socket, get};
use super::tls::Identity;
use super::{counted, said, until};

/// A policy in which pods exchange with everybody, and these further keys.
pub fn peers(keys: &str) -> String {
    format!(
        r#"{{"version": 1, "peers": {{"cluster": "peers", "trust": "anyone"}}, "defaults": {{"max_connection_age": "off"}}{keys}}}"#
    )
}

/// What a message tells: a pod with this id and so many connections, which has served for so many seconds,
/// and was asked just now.
pub fn report(id: u64, connections: u64, uptime: u64) -> String {
    format!("[{id},{connections},0,0,0,1000,{uptime}000,0,0]")
}

/// A message with these reports.
pub fn message(reports: &[String]) -> String {
    format!(r#"{{"v":1,"peers":[{}]}}"#, reports.join(","))
}

/// The pods, before one server.
pub struct Service {
    pub backend: Backend,
    pub pods: Vec<Envoy>,
}

impl Service {
    /// Starts so many pods with this policy. With an identity they speak mutual TLS, but for the listener
    /// `plain`.
    pub async fn start(pods: usize, policy: &str, identity: Option<&Identity>) -> Self {
        let backend = Backend::start("a").await.unwrap();
        let mut service = Self {
            backend,
            pods: Vec::new(),
        };
        for _ in 0..pods {
            let pod = service.pod(policy, identity).await;
            service.pods.push(pod);
        }
        service.introduce(&[]).await;
        service
    }

    async fn pod(&self, policy: &str, identity: Option<&Identity>) -> Envoy {
        let listener = |name| {
            let listener = Listener::http(name).route("/", "app");
            listener.inbound().evenkeel(Roles::Both, policy)
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

    /// Tells each pod where all are, itself included, as endpoints are told; and these others.
    pub async fn introduce(&self, others: &[SocketAddr]) {
        let pods = self.pods.iter().map(|pod| pod.address("in"));
        let all: Vec<_> = pods.chain(others.iter().copied()).collect();
        for pod in &self.pods {
            pod.replace_endpoints("peers", &all).await.unwrap();
        }
    }

    /// Waits until every pod knows so many others, and their mean within a tenth.
    pub async fn know(&self, peers: u64, mean: f64) {
        for pod in &self.pods {
            let known = eventually("the mean of all pods", || async {
                let stats = pod.stats().await?;
                let shown = stats.get("wasmcustom.evenkeel_peers_mean_connections") as f64;
                // Shown as a whole number.
                let is_near = (shown - mean).abs() <= 0.1 * mean + 0.5;
                let is_known = stats.get("wasmcustom.evenkeel_peers_known") == peers;
                Ok((is_known && is_near).then_some(()))
            });
            if let Err(error) = known.await {
                let shown = pod.admin("/stats?filter=evenkeel_(peers|exch|load)").await;
                panic!("{error:#}\n{}\n{}", shown.unwrap_or_default(), said(pod));
            }
        }
    }
}

/// So many connections that each have carried a request.
pub async fn open(to: SocketAddr, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = Socket::connect(to).await;
        socket.send(get("/")).await;
        socket.answer().await;
        sockets.push(socket);
    }
    sockets
}

/// The samples that a pod takes of its load, about one a second. Each shows the age of the open connections anew, so
/// there must be some.
pub struct Samples<'a> {
    pod: &'a Envoy,
    age: u64,
    taken: u32,
}

impl<'a> Samples<'a> {
    /// Counts from now on.
    pub async fn of(pod: &'a Envoy) -> Self {
        let age = counted(pod, AGE).await;
        Self { pod, age, taken: 0 }
    }

    /// How many there were so far, of those that this saw: ask at least once a second.
    pub async fn taken(&mut self) -> u32 {
        let age = counted(self.pod, AGE).await;
        if age != self.age {
            self.age = age;
            self.taken += 1;
        }
        self.taken
    }

    /// Waits for so many.
    pub async fn pass(mut self, samples: u32) {
        for _ in 0..samples {
            let age = self.age;
            self.age = until(self.pod, AGE, |now| now != age).await;
        }
    }
}

const AGE: &str = "downstream_connections_age_sum_seconds";
