//! A substitute for kube-proxy: one address for a Service, and a random endpoint for each connection.
//!
//! In iptables mode, kube-proxy has a chain of rules for each Service with `-m statistic --mode random --probability P`: 1/n
//! for the first endpoint, 1/(n-1) for the next, and 1 for the last. Only the first packet of a connection traverses the
//! chain, so only new connections are balanced.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use evenkeel_test_tasks::Tasks;
use fastrand::Rng;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// How a Service selects the endpoint of a connection.
#[derive(Debug)]
pub enum Scheduler {
    /// As kube-proxy's rules: at random.
    Random(Rng),
    /// As the IPVS scheduler `rr`: one endpoint after the other.
    RoundRobin(usize),
    /// As the IPVS scheduler `lc`: the endpoint with the fewest open connections through this balancer.
    LeastConnections,
    /// As the IPVS scheduler `sh`: by the address of the client.
    SourceHash,
}

/// A Service on loopback. Dropping it closes its port and every connection through it.
#[derive(Debug)]
pub struct KubeProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _tasks: Tasks,
}

#[derive(Debug)]
struct State {
    endpoints: Vec<SocketAddr>,
    scheduler: Scheduler,
    connections: BTreeMap<SocketAddr, u64>,
    open: BTreeMap<SocketAddr, u64>,
}

impl KubeProxy {
    /// Starts a Service with these endpoints. The same `seed` leads to the same selections.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(endpoints: impl IntoIterator<Item = SocketAddr>, seed: u64) -> Result<Self> {
        Self::with_scheduler(endpoints, Scheduler::Random(Rng::with_seed(seed))).await
    }

    /// Starts a Service that selects endpoints with this scheduler. It is a balancer in user space, not IPVS: connections end in it.
    ///
    /// # Errors
    /// As [`KubeProxy::start`].
    pub async fn with_scheduler(
        endpoints: impl IntoIterator<Item = SocketAddr>,
        scheduler: Scheduler,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            endpoints: endpoints.into_iter().collect(),
            scheduler,
            connections: BTreeMap::new(),
            open: BTreeMap::new(),
        }));
        let mut tasks = Tasks::new();
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            _tasks: tasks,
        })
    }

    /// Returns the address of the Service.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the endpoints, as a change of the EndpointSlice does. Open connections stay open.
    pub fn replace_endpoints(&self, endpoints: impl IntoIterator<Item = SocketAddr>) {
        lock(&self.state).endpoints = endpoints.into_iter().collect();
    }

    /// Returns the number of connections to each endpoint so far.
    pub fn connections(&self) -> BTreeMap<SocketAddr, u64> {
        lock(&self.state).connections.clone()
    }

    /// Returns the number of open connections to each endpoint that has had one.
    pub fn open_connections(&self) -> BTreeMap<SocketAddr, u64> {
        lock(&self.state).open.clone()
    }

    /// Returns the number of connections so far.
    pub fn connections_opened(&self) -> u64 {
        lock(&self.state).connections.values().sum()
    }
}

impl State {
    /// Selects an endpoint. `None` without endpoints: kube-proxy then refuses the connection.
    fn select(&mut self, client: IpAddr) -> Option<SocketAddr> {
        let count = self.endpoints.len();
        let open = |endpoint: &SocketAddr| self.open.get(endpoint).copied().unwrap_or(0);
        let endpoint = match &mut self.scheduler {
            // As the chain does.
            Scheduler::Random(random) => {
                let mut rules = (1..=count).rev().zip(&self.endpoints);
                let (_, endpoint) = rules.find(|(left, _)| random.f64() * (*left as f64) < 1.0)?;
                endpoint
            }
            Scheduler::RoundRobin(next) => {
                *next += 1;
                self.endpoints.get((*next - 1) % count.max(1))?
            }
            Scheduler::LeastConnections => self
                .endpoints
                .iter()
                .min_by_key(|endpoint| open(endpoint))?,
            Scheduler::SourceHash => {
                let mut hasher = DefaultHasher::new();
                client.hash(&mut hasher);
                self.endpoints
                    .get(hasher.finish() as usize % count.max(1))?
            }
        };
        let endpoint = *endpoint;
        *self.connections.entry(endpoint).or_default() += 1;
        *self.open.entry(endpoint).or_default() += 1;
        Some(endpoint)
    }

    fn ended(&mut self, endpoint: SocketAddr) {
        if let Some(open) = self.open.get_mut(&endpoint) {
            *open -= 1;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = Tasks::new();
    loop {
        tokio::select! {
            Ok((client, from)) = listener.accept() => {
                if let Some(endpoint) = lock(&state).select(from.ip()) {
                    connections.spawn(forward(client, endpoint));
                }
            }
            Some(endpoint) = connections.next() => lock(&state).ended(endpoint),
        }
    }
}

/// Forwards both directions, and each close separately, as NAT does. Returns the endpoint.
async fn forward(mut client: TcpStream, endpoint: SocketAddr) -> SocketAddr {
    // The other end sees each refusal, close and RST.
    if let Ok(mut server) = TcpStream::connect(endpoint).await {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn service(endpoints: u16) -> State {
        scheduled(endpoints, Scheduler::Random(Rng::with_seed(7)))
    }

    fn scheduled(endpoints: u16, scheduler: Scheduler) -> State {
        let endpoint = |port| SocketAddr::from(([127, 0, 0, 1], port));
        State {
            endpoints: (1..=endpoints).map(endpoint).collect(),
            scheduler,
            connections: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    #[test]
    fn endpoints_have_equal_probability() {
        let mut state = service(3);

        for _ in 0..30_000 {
            state.select(CLIENT);
        }

        // 10,000 each; the standard deviation is 82.
        assert_eq!(state.connections.len(), 3);
        assert!(
            state
                .connections
                .values()
                .all(|count| count.abs_diff(10_000) < 400)
        );
    }

    #[test]
    fn one_endpoint_gets_every_connection_and_none_refuses() {
        assert!((0..100).all(|_| service(1).select(CLIENT).is_some()));
        assert_eq!(service(0).select(CLIENT), None);
    }

    #[test]
    fn three_connections_reach_one_two_or_three_of_three_endpoints() {
        let mut state = service(3);
        let mut runs = [0; 4];

        for _ in 0..27_000 {
            let mut used: Vec<_> = (0..3).filter_map(|_| state.select(CLIENT)).collect();
            used.sort();
            used.dedup();
            runs[used.len()] += 1;
        }

        // 3, 18 and 6 of 27 combinations: the 11, 67 and 22 % of the demo.
        let expected: [u32; 4] = [0, 3_000, 18_000, 6_000];
        assert!(
            runs.iter()
                .zip(expected)
                .all(|(run, expected)| expected.abs_diff(*run) < 400)
        );
    }

    #[test]
    fn schedulers_of_ipvs_select_in_turn_by_load_and_by_client() {
        let ports = |state: &mut State, clients: [u8; 6]| {
            clients.map(|client| {
                let client = IpAddr::V4(Ipv4Addr::new(10, 0, 0, client));
                state.select(client).unwrap().port()
            })
        };

        let mut round_robin = scheduled(3, Scheduler::RoundRobin(0));
        assert_eq!(ports(&mut round_robin, [1; 6]), [1, 2, 3, 1, 2, 3]);

        let mut least = scheduled(2, Scheduler::LeastConnections);
        assert_eq!(ports(&mut least, [1; 6]), [1, 2, 1, 2, 1, 2]);
        least.ended(SocketAddr::from(([127, 0, 0, 1], 2)));
        least.ended(SocketAddr::from(([127, 0, 0, 1], 2)));
        assert_eq!(ports(&mut least, [1; 6]), [2, 2, 1, 2, 1, 2]);

        let mut hash = scheduled(3, Scheduler::SourceHash);
        let [a, b, c, d, e, f] = ports(&mut hash, [1, 2, 3, 1, 2, 3]);
        assert_eq!([a, b, c], [d, e, f]);
    }
}
