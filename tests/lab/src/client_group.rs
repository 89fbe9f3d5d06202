//! The clients of one side.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_test_envoy::{Client, Protocol, Tally, TcpClient, call, eventually};
use evenkeel_test_tasks::{Task, Tasks};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::namespace::Namespace;

/// What a client needs.
pub struct Caller {
    /// The address of the Service.
    pub service: SocketAddr,
    /// Where it counts its requests.
    pub tally: Arc<Tally>,
    /// What its pauses follow from.
    pub seed: u64,
    /// When it ends.
    pub stopped: watch::Receiver<bool>,
}

impl Caller {
    /// Keeps one connection and sends a request about every `pause`, which starts at a random time.
    pub async fn call(self, protocol: Protocol, pause: Duration) {
        let client = Arc::new(Client::new(self.service, protocol));
        call(client, self.tally, pause, self.seed, self.stopped).await;
    }

    /// Keeps one TCP connection and sends a line about every `pause`.
    pub async fn talk(self, pause: Duration) {
        let mut client = TcpClient::new(self.service);
        let mut chance = fastrand::Rng::with_seed(self.seed);
        while self.is_running() {
            sleep(pause.mul_f64(0.5 + chance.f64())).await;
            self.tally.count(client.exchange("ping").await);
        }
    }

    /// Returns whether it still runs.
    pub fn is_running(&self) -> bool {
        !*self.stopped.borrow()
    }
}

/// Running clients.
pub struct ClientGroup {
    pub tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    clients: Task<()>,
}

impl ClientGroup {
    /// Starts as many clients in a namespace, which count in `tally`.
    pub fn start<Running>(
        namespace: &Namespace,
        service: SocketAddr,
        tally: &Arc<Tally>,
        (clients, seed): (usize, u64),
        run: impl Fn(Caller) -> Running + Send + 'static,
    ) -> Self
    where
        Running: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let mut chance = fastrand::Rng::with_seed(seed);
        let shared = Arc::clone(tally);
        let clients = namespace.spawn(async move {
            let mut tasks = Tasks::new();
            for _ in 0..clients {
                tasks.spawn(run(Caller {
                    service,
                    tally: Arc::clone(&shared),
                    seed: chance.u64(..),
                    stopped: stopped.clone(),
                }));
            }
            tasks.join().await;
        });
        Self {
            tally: Arc::clone(tally),
            stop,
            clients,
        }
    }

    /// Waits for this many further responses.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn wait_for_responses(&self, count: usize) -> Result<()> {
        let target = self.tally.responses() + count;
        eventually("further responses", || {
            ready(Ok((self.tally.responses() >= target).then_some(())))
        })
        .await
    }

    /// Lets every client complete its request.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.clients.join().await;
    }
}
