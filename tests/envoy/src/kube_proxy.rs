//! A stand-in for kube-proxy on layer 4: one address for a Service, an endpoint by chance per connection.
//!
//! In iptables mode kube-proxy writes a chain of rules per Service, each matched with
//! `-m statistic --mode random --probability P`: 1/n for the first endpoint, 1/(n-1) for the next, and so
//! on until the last takes what is left. Only the first packet of a connection walks the chain. That is
//! the whole of the problem: what is never opened anew is never balanced anew.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use evenkeel_test_tasks::Tasks;
use fastrand::Rng;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

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
    chance: Rng,
    connections: BTreeMap<SocketAddr, u64>,
    open: BTreeMap<SocketAddr, u64>,
}

impl KubeProxy {
    /// Starts a Service with these endpoints. The same `seed` makes the same choices.
    ///
    /// # Errors
    /// When loopback gives no port.
    pub async fn start(endpoints: impl IntoIterator<Item = SocketAddr>, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            endpoints: endpoints.into_iter().collect(),
            chance: Rng::with_seed(seed),
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

    /// The Service's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Rewrites the rules, as a change of the EndpointSlice does: connections there are stay where they are.
    pub fn replace_endpoints(&self, endpoints: impl IntoIterator<Item = SocketAddr>) {
        lock(&self.state).endpoints = endpoints.into_iter().collect();
    }

    /// How many connections each endpoint was given so far.
    pub fn connections(&self) -> BTreeMap<SocketAddr, u64> {
        lock(&self.state).connections.clone()
    }

    /// How many connections each endpoint has at this moment, of those it was ever given one.
    pub fn open_connections(&self) -> BTreeMap<SocketAddr, u64> {
        lock(&self.state).open.clone()
    }

    /// How many connections clients opened so far.
    pub fn connections_opened(&self) -> u64 {
        lock(&self.state).connections.values().sum()
    }
}

impl State {
    /// Walks the chain. `None` when the Service has no endpoints: then kube-proxy refuses.
    fn pick(&mut self) -> Option<SocketAddr> {
        let rules = (1..=self.endpoints.len()).rev();
        for (left, endpoint) in rules.zip(&self.endpoints) {
            if self.chance.f64() * (left as f64) < 1.0 {
                *self.connections.entry(*endpoint).or_default() += 1;
                *self.open.entry(*endpoint).or_default() += 1;
                return Some(*endpoint);
            }
        }
        None
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
            Ok((client, _)) = listener.accept() => {
                if let Some(endpoint) = lock(&state).pick() {
                    connections.spawn(forward(client, endpoint));
                }
            }
            Some(endpoint) = connections.next() => lock(&state).ended(endpoint),
        }
    }
}

/// Both directions until both have ended; each end is passed on by itself, as a NAT would. Returns whose
/// connection it was.
async fn forward(mut client: TcpStream, endpoint: SocketAddr) -> SocketAddr {
    // Who refuses, resets or goes away is seen by the other end, and counted there.
    if let Ok(mut server) = TcpStream::connect(endpoint).await {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(endpoints: u16) -> State {
        let endpoint = |port| SocketAddr::from(([127, 0, 0, 1], port));
        State {
            endpoints: (1..=endpoints).map(endpoint).collect(),
            chance: Rng::with_seed(7),
            connections: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    #[test]
    fn gives_every_endpoint_the_same_chance() {
        let mut state = service(3);

        for _ in 0..30_000 {
            state.pick();
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
    fn one_endpoint_gets_everything_and_none_nothing() {
        assert!((0..100).all(|_| service(1).pick().is_some()));
        assert_eq!(service(0).pick(), None);
    }

    #[test]
    fn three_connections_reach_one_two_or_three_of_three_endpoints() {
        let mut state = service(3);
        let mut runs = [0; 4];

        for _ in 0..27_000 {
            let mut used: Vec<_> = (0..3).filter_map(|_| state.pick()).collect();
            used.sort();
            used.dedup();
            runs[used.len()] += 1;
        }

        // 3, 18 and 6 of 27 ways: the 11, 67 and 22 percent of the demo.
        let expected: [u32; 4] = [0, 3_000, 18_000, 6_000];
        assert!(
            runs.iter()
                .zip(expected)
                .all(|(run, expected)| expected.abs_diff(*run) < 400)
        );
    }
}
