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

/// Clients that keep a connection each to hosts behind one listener, before and after hosts are added.
pub struct GatewayPlan {
    pub name: &'static str,
    pub protocol: &'static str,
    pub hosts: Vec<SocketAddr>,
    /// The number of hosts before the others are added.
    pub first: usize,
    /// The number of clients per side.
    pub clients: usize,
    /// How long there are only the first hosts.
    pub before: Duration,
    /// How long there are all.
    pub after: Duration,
    /// The rule of the after side, without name and port.
    pub rule: Value,
    pub unit: &'static str,
    pub setup: String,
    pub reading: &'static str,
}

/// A client with at most one connection.
pub trait Exchange: Send + 'static {
    /// Sends a request; the text of the response starts with the number of the host.
    fn exchange(&mut self) -> impl Future<Output = Result<String>> + Send;

    /// Returns the number of connections so far.
    fn connections_opened(&self) -> u64;
}

impl Exchange for TcpClient {
    fn exchange(&mut self) -> impl Future<Output = Result<String>> + Send {
        TcpClient::exchange(self, "ping")
    }

    fn connections_opened(&self) -> u64 {
        TcpClient::connections_opened(self)
    }
}

pub async fn measure(tools: &Tools, quick: bool, seed: u64) -> Result<Scenario> {
    let (age, before, after) = if quick { ("2s", 1, 6) } else { ("3s", 2, 8) };
    let mut hosts = Vec::new();
    for number in 0..ALL {
        hosts.push(TcpEcho::start(&number.to_string()).await?);
    }
    let plan = GatewayPlan {
        name: "gateway",
        protocol: "TCP",
        hosts: hosts.iter().map(TcpEcho::address).collect(),
        first: FIRST,
        clients: CLIENTS,
        before: Duration::from_secs(before),
        after: Duration::from_secs(after),
        rule: json!({
            "max_connection_age": age, "jitter": 0.5, "idle_time": "100ms", "drain_timeout": "10s",
        }),
        unit: "messages",
        setup: format!(
            "{CLIENTS} clients keep a raw TCP connection each to one listener of a gateway with {FIRST} upstream \
             hosts, and send a message about every {PAUSE:?}. After {before} s there are {ALL} hosts. Messages \
             are counted from then on."
        ),
        reading: "Before, the new hosts get nothing. After, connections that have reached their age are closed \
                  while they are idle, clients reconnect, and all hosts get a share.",
    };
    compare(tools, seed, plan, TcpClient::new).await
}

/// Runs both sides at the same time.
pub async fn compare<C: Exchange>(
    tools: &Tools,
    seed: u64,
    plan: GatewayPlan,
    connect: impl Fn(SocketAddr) -> C,
) -> Result<Scenario> {
    let GatewayPlan {
        name,
        protocol,
        first,
        ..
    } = plan;
    terminal::note(&format!(
        "{name}, {protocol}: before and after side by side, {} s",
        (plan.before + plan.after).as_secs()
    ));
    let all = plan.hosts.len();
    let early = || plan.hosts.iter().take(first).copied();
    let bootstrap = Bootstrap::new()
        .envoy(&tools.envoy)
        .module(&tools.module)
        // One kube-proxy each: a shared one would distribute the connections of both sides in turn.
        .cluster(Cluster::new("plain", early()))
        .cluster(Cluster::new("evenkeel", early()))
        .listener(Listener::tcp("plain", "plain"))
        .listener(
            Listener::tcp("evenkeel", "evenkeel").evenkeel(Roles::Network, r#"{"version":1}"#),
        );
    let envoy = Envoy::start(bootstrap).await?;
    let policy = policy(envoy.address("evenkeel").port(), &plan);
    envoy.replace_policy("evenkeel", &policy).await?;

    let start_clients = |listener| {
        let target = envoy.address(listener);
        let clients = (0..plan.clients).map(|_| connect(target));
        Clients::start(clients, all, seed)
    };
    let (plain, evenkeel) = (start_clients("plain"), start_clients("evenkeel"));
    let status = Status::new();
    let start = tokio::time::Instant::now();
    sleep_until(start + plan.before).await;
    for cluster in ["plain", "evenkeel"] {
        envoy.replace_endpoints(cluster, &plan.hosts).await?;
    }
    let joined_at = evenkeel.tally.elapsed();
    while start.elapsed() < plan.before + plan.after {
        sleep(Duration::from_millis(200)).await;
        let new = evenkeel
            .tally
            .per_backend_since(joined_at)
            .iter()
            .skip(first)
            .sum::<u64>();
        let (responses, unit) = (evenkeel.tally.responses(), plan.unit);
        status.show(&format!(
            "{responses} {unit}; new hosts, with the module: {new}"
        ));
    }
    let plain = plain.stop(joined_at, ModuleCounts::default()).await;
    let evenkeel = evenkeel
        .stop(joined_at, ModuleCounts::of(&envoy).await?)
        .await;
    Ok(Scenario {
        name,
        protocol,
        before: plain,
        after: evenkeel,
        joined: all - first,
        description: Description {
            setup: plan.setup,
            reading: plan.reading,
            unit: plan.unit,
            policy,
            labels: (1..=all).map(|number| number.to_string()).collect(),
            joined_at: plan.before,
            span: SPAN,
        },
    })
}

/// The kernel chooses the port, so the policy is written when the listener exists.
fn policy(port: u16, plan: &GatewayPlan) -> Value {
    let mut rule = plan.rule.clone();
    rule["name"] = plan.name.into();
    rule["match"] = json!({ "port": port });
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
    fn start<C: Exchange>(clients: impl Iterator<Item = C>, hosts: usize, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let tally = Arc::new(Tally::new(hosts));
        let (stop, stopped) = watch::channel(false);
        let clients = clients
            .map(|client| {
                let tally = Arc::clone(&tally);
                send_requests(client, tally, chance.u64(..), stopped.clone())
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

/// Sends requests with random pauses. Returns the number of connections that it opened.
async fn send_requests(
    mut client: impl Exchange,
    tally: Arc<Tally>,
    seed: u64,
    mut stopped: watch::Receiver<bool>,
) -> u64 {
    let mut chance = fastrand::Rng::with_seed(seed);
    while !*stopped.borrow() {
        tally.count(client.exchange().await);
        let pause = PAUSE.mul_f64(0.8 + 0.4 * chance.f64());
        // The last pause ends early.
        let _ = timeout(pause, stopped.changed()).await;
    }
    client.connections_opened()
}
