//! A pod: a namespace with an application and an Envoy before it, with a listener for each side.

mod app;
mod configuration;
mod side;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use evenkeel_test_envoy::{Envoy, Stats};

pub use app::App;
use app::Application;
use configuration::bootstrap;
pub use side::Side;

use crate::namespace::Namespace;
use crate::network::{Network, pod_address};

/// The first pod has the address 10.244.0.11.
const FIRST_HOST: usize = 11;

/// The listener of the first side; that of the next one is one higher.
const FIRST_PORT: u16 = 8080;

/// The listener before the first side's server that no policy applies to; that of the next one is one higher.
const FIRST_DIRECT_PORT: u16 = 9000;

/// The cluster that the policies name for `peers`.
const PEERS: &str = "peers";

/// A running pod. Dropping it ends its processes without a notice.
#[derive(Debug)]
pub struct Pod {
    number: usize,
    envoy: Arc<Envoy>,
    app: App,
    application: Application,
    namespace: Namespace,
}

/// What a pod shows at one time.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Open connections of each side.
    pub connections: Vec<u64>,
    /// Drains so far, by reason.
    pub drains: BTreeMap<String, u64>,
}

impl Pod {
    /// Starts the pod with this number, from 0. No Service has it yet.
    ///
    /// # Errors
    /// When its Envoy does not start.
    pub async fn start(network: &Network, number: usize, app: App, sides: &[Side]) -> Result<Self> {
        let namespace = network.pod(host(number)).await?;
        let sides = sides.to_vec();
        let start = namespace.spawn(async move {
            let application = Application::start(app, number, &sides).await?;
            let envoy = Envoy::start(bootstrap(app, &application.addresses, &sides)).await?;
            anyhow::Ok((application, Arc::new(envoy)))
        });
        let (application, envoy) = start.join().await?;
        Ok(Self {
            number,
            envoy,
            app,
            application,
            namespace,
        })
    }

    /// Returns its listener of the side with this index.
    pub fn address(&self, side: usize) -> SocketAddrV4 {
        SocketAddrV4::new(pod_address_of(self.number), port(side))
    }

    /// Returns the address of a side's database or broker past the listener of the side.
    pub fn direct_address(&self, side: usize) -> SocketAddr {
        direct_address(self.number, side)
    }

    /// Returns what client programs of its databases or brokers find in their environment.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        self.application.environment()
    }

    /// Returns the last part of its address.
    pub fn host(&self) -> u8 {
        host(self.number)
    }

    /// Sets the pods with which it compares its load.
    ///
    /// # Errors
    /// When Envoy does not apply it.
    pub async fn set_peers(&self, peers: &[SocketAddrV4]) -> Result<()> {
        let peers: Vec<SocketAddr> = peers.iter().map(|peer| (*peer).into()).collect();
        self.in_namespace(async move |envoy| envoy.replace_endpoints(PEERS, &peers).await)
            .await
    }

    /// Makes its Envoy end each connection with its next response, as a pod that terminates.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn drain(&self) -> Result<()> {
        self.in_namespace(async |envoy| envoy.drain().await).await
    }

    /// Makes its Envoy drain all of its connections over its drain time, and accept others.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn drain_listeners(&self) -> Result<()> {
        self.in_namespace(async |envoy| envoy.drain_listeners().await)
            .await
    }

    /// Counts open connections, by the kernel, and drains, by the module.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn sample(&self, sides: usize) -> Result<Sample> {
        // Raw TCP has no signal.
        let metric = match self.app {
            App::Http | App::Grpc => "evenkeel_drain_signals_total",
            App::Tcp | App::Server(_) => "evenkeel_connections_drained_total",
        };
        self.in_namespace(async move |envoy| {
            let stats = envoy.admin(&format!("/stats?filter={metric}")).await?;
            let drains = Stats::parse(&stats).by(&format!("wasmcustom.{metric}"), "drain_reason");
            let sockets = std::fs::read_to_string("/proc/thread-self/net/tcp")?;
            let connections = (0..sides).map(|side| established(&sockets, port(side)));
            Ok(Sample {
                connections: connections.collect(),
                drains,
            })
        })
        .await
    }

    /// Returns the CPU time of its Envoy so far, in seconds.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.envoy.pid()))?;
        // The name before may contain spaces. Fields 14 and 15: user and system time, in ticks of 10 ms.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = fields.split_whitespace().skip(11).take(2);
        Ok(ticks
            .filter_map(|ticks| ticks.parse::<f64>().ok())
            .sum::<f64>()
            / 100.0)
    }

    /// Returns a metric of the module.
    ///
    /// # Errors
    /// When Envoy has ended.
    pub async fn metric(&self, name: &'static str) -> Result<u64> {
        self.in_namespace(async move |envoy| {
            Ok(envoy
                .stats()
                .await?
                .get(&format!("wasmcustom.evenkeel_{name}")))
        })
        .await
    }

    /// Runs `act` on the Envoy, in its namespace.
    async fn in_namespace<T: Send + 'static, Done>(
        &self,
        act: impl FnOnce(Arc<Envoy>) -> Done + Send + 'static,
    ) -> Result<T>
    where
        Done: Future<Output = Result<T>> + Send + 'static,
    {
        let envoy = Arc::clone(&self.envoy);
        self.namespace
            .spawn(async move { act(envoy).await })
            .join()
            .await
    }
}

fn host(number: usize) -> u8 {
    u8::try_from(FIRST_HOST + number).expect("fewer than 200 pods")
}

/// Returns the port of a side.
pub fn port(side: usize) -> u16 {
    nth_port(FIRST_PORT, side)
}

fn nth_port(first: u16, side: usize) -> u16 {
    first + u16::try_from(side).expect("few sides")
}

fn pod_address_of(number: usize) -> Ipv4Addr {
    pod_address(host(number))
}

fn direct_address(number: usize, side: usize) -> SocketAddr {
    SocketAddr::from((pod_address_of(number), nth_port(FIRST_DIRECT_PORT, side)))
}

/// Counts the established connections of a local port in the text of `/proc/net/tcp`.
fn established(sockets: &str, port: u16) -> u64 {
    const ESTABLISHED: &str = "01";
    let local = format!(":{port:04X}");
    let is_counted = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let (address, _, state) = (words.next(), words.next(), words.next());
        address.is_some_and(|address| address.ends_with(&local)) && state == Some(ESTABLISHED)
    };
    sockets.lines().filter(is_counted).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_established_connections_of_the_port_count() {
        let sockets = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0B00F40A:1F90 C800F40A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0B00F40A:1F90 C800F40A:9C42 06 00000000:00000000 00:00000000 00000000     0        0 0
   3: 0B00F40A:1F91 C800F40A:1F90 01 00000000:00000000 00:00000000 00000000     0        0 3
";
        assert_eq!(established(sockets, 8080), 1);
    }
}
