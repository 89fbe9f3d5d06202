//! Persistent raw TCP connections through one listener of a gateway. 2 upstream hosts become 4.
//!
//! Raw TCP has no drain signal: a connection can only be closed, so it must be closed while it is idle. That
//! requires clients that pause, and that reconnect after a close, as database pools and message brokers do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_report::terminal::{self, Status};
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, Tally, TcpClient, TcpEcho};
use evenkeel_test_tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use super::Tools;
use super::outcome::{Description, Outcome, Scenario, max_over_mean};
use super::site::ModuleCounts;

const FIRST: usize = 2;
const ALL: usize = 4;
const CLIENTS: usize = 40;
/// A close that crosses a message of the client loses that message, because raw TCP has no drain signal. Long pauses make
/// that rare.
const PAUSE: Duration = Duration::from_millis(1000);
const SPAN: Duration = Duration::from_millis(2000);

pub async fn measure(tools: &Tools, quick: bool, seed: u64) -> Result<Scenario> {
    let (age, before, after) = if quick { ("2s", 1, 6) } else { ("3s", 2, 8) };
    let (before, after) = (Duration::from_secs(before), Duration::from_secs(after));
    let seconds = (before + after).as_secs();
    terminal::note(&format!(
        "gateway, TCP: before and after side by side, {seconds} s"
    ));
    let mut hosts = Vec::new();
    for number in 0..ALL {
        hosts.push(TcpEcho::start(&number.to_string()).await?);
    }
    let addresses: Vec<_> = hosts.iter().map(TcpEcho::address).collect();
    let first = || addresses.iter().take(FIRST).copied();
    let bootstrap = Bootstrap::new()
        .envoy(&tools.envoy)
        .module(&tools.module)
        // One kube-proxy each: a shared one would distribute the connections of both sides in turn.
        .cluster(Cluster::new("plain", first()))
        .cluster(Cluster::new("evenkeel", first()))
        .listener(Listener::tcp("plain", "plain"))
        .listener(
            Listener::tcp("evenkeel", "evenkeel").evenkeel(Roles::Network, r#"{"version":1}"#),
        );
    let envoy = Envoy::start(bootstrap).await?;
    let policy = policy(envoy.address("evenkeel").port(), age);
    envoy.replace_policy("evenkeel", &policy).await?;

    let plain = Clients::start(envoy.address("plain"), seed);
    let evenkeel = Clients::start(envoy.address("evenkeel"), seed);
    let status = Status::new();
    let start = tokio::time::Instant::now();
    sleep_until(start + before).await;
    for cluster in ["plain", "evenkeel"] {
        envoy.replace_endpoints(cluster, &addresses).await?;
    }
    let joined_at = evenkeel.tally.elapsed();
    while start.elapsed() < before + after {
        sleep(Duration::from_millis(200)).await;
        let new = evenkeel
            .tally
            .per_backend_since(joined_at)
            .iter()
            .skip(FIRST)
            .sum::<u64>();
        let all = evenkeel.tally.responses();
        status.show(&format!(
            "{all} messages; new hosts, with the module: {new}"
        ));
    }
    let plain = plain.stop(joined_at, ModuleCounts::default()).await;
    let evenkeel = evenkeel
        .stop(joined_at, ModuleCounts::of(&envoy).await?)
        .await;
    Ok(Scenario {
        name: "gateway",
        protocol: "TCP",
        before: plain,
        after: evenkeel,
        joined: ALL - FIRST,
        description: Description {
            setup: format!(
                "{CLIENTS} clients keep a raw TCP connection each to one listener of a gateway with {FIRST} \
                 upstream hosts, and send a message about every {PAUSE:?}. After {} s there are {ALL} \
                 hosts. Messages are counted from then on.",
                before.as_secs()
            ),
            reading: "Before, the new hosts get nothing. After, connections that have reached their age \
                      are closed while they are idle, clients reconnect, and all hosts get a share.",
            unit: "messages",
            policy,
            labels: (1..=ALL).map(|number| number.to_string()).collect(),
            joined_at: before,
            span: SPAN,
        },
    })
}

/// The kernel chooses the port, so the policy is written when the listener exists.
fn policy(port: u16, age: &str) -> Value {
    let rule = json!({
        "name": "gateway", "match": { "port": port },
        "max_connection_age": age, "jitter": 0.5, "idle_time": "100ms", "drain_timeout": "10s",
    });
    json!({
        "version": 1,
        "tcp": [rule],
        "budget": { "per_second": 50, "burst": 20 },
    })
}

/// The clients of one side.
struct Clients {
    tally: Arc<Tally>,
    stop: watch::Sender<bool>,
    clients: Tasks<u64>,
}

impl Clients {
    fn start(target: SocketAddr, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let tally = Arc::new(Tally::new(ALL));
        let (stop, stopped) = watch::channel(false);
        let clients = (0..CLIENTS)
            .map(|_| {
                send_messages(
                    TcpClient::new(target),
                    Arc::clone(&tally),
                    chance.u64(..),
                    stopped.clone(),
                )
            })
            .collect();
        Self {
            tally,
            stop,
            clients,
        }
    }

    async fn stop(self, joined_at: Duration, counts: ModuleCounts) -> Outcome {
        self.stop.send_replace(true);
        let opened = self.clients.join().await;
        let per_backend = self.tally.per_backend_since(joined_at);
        Outcome {
            max_over_mean: max_over_mean(&per_backend),
            requests: per_backend.iter().sum(),
            per_backend,
            runs_by_backends_used: None,
            failed: self.tally.failed(),
            connections_opened: opened.iter().sum(),
            drain_signals: counts.drain_signals,
            aborted: counts.aborted,
            timeline: self.tally.timeline(SPAN),
            first_failure: self.tally.first_failure(),
        }
    }
}

/// Sends messages with random pauses. Returns the number of connections that it
/// opened.
async fn send_messages(
    mut client: TcpClient,
    tally: Arc<Tally>,
    seed: u64,
    mut stopped: watch::Receiver<bool>,
) -> u64 {
    let mut chance = fastrand::Rng::with_seed(seed);
    while !*stopped.borrow() {
        tally.count(client.exchange("ping").await);
        let pause = PAUSE.mul_f64(0.8 + 0.4 * chance.f64());
        // The last pause ends early.
        let _ = timeout(pause, stopped.changed()).await;
    }
    client.connections_opened()
}
