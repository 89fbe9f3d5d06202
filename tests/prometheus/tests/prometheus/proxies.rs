//! Envoys in which every event of a query repeats: a pod with excess load, one without peers, and one whose listeners each
//! have another problem.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_test_envoy::{
    Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles, TcpClient, TcpEcho,
};
use evenkeel_test_prometheus::Target;
use evenkeel_test_tasks::{Tasks, drive};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The pause between two rounds of traffic, which only limits the load.
const PACE: Duration = Duration::from_millis(100);

/// A pod that rebalances.
const POLICY: &str = r#"{"version": 1, "defaults": {"max_connection_age": "off"},
    "peers": {"cluster": "peers", "trust": "anyone"},
    "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"},
    "budget": {"per_second": 1, "burst": 1}}"#;

/// The Envoys and their traffic, until this is dropped.
pub struct Proxies {
    /// The first field: the traffic must end before the Envoys.
    traffic: Tasks,
    pub full: Envoy,
    pub idle: Envoy,
    pub without_peers: Envoy,
    pub troubled: Envoy,
    _backends: [Backend; 2],
    _echoes: [TcpEcho; 2],
}

impl Proxies {
    pub async fn start() -> Self {
        let backends = [
            Backend::start("a").await.unwrap(),
            Backend::start("b").await.unwrap(),
        ];
        let echoes = [
            TcpEcho::start("c").await.unwrap(),
            TcpEcho::start("d").await.unwrap(),
        ];
        let full = pod(&backends[0]).await;
        let idle = pod(&backends[0]).await;
        let without_peers = pod(&backends[0]).await;
        for pod in [&full, &idle] {
            let all = [full.address("in"), idle.address("in")];
            pod.replace_endpoints("peers", &all).await.unwrap();
        }
        let mut traffic = Tasks::new();
        let redis = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let troubled = troubled(&backends, &echoes, redis.local_addr().unwrap()).await;
        traffic.spawn(serve_redis(redis));
        crowd(&full, 40, &mut traffic);
        crowd(&without_peers, 1, &mut traffic);
        troubles(&troubled, &mut traffic);
        Self {
            traffic,
            full,
            idle,
            without_peers,
            troubled,
            _backends: backends,
            _echoes: echoes,
        }
    }

    /// Stops the traffic; panics if a request had an unexpected outcome.
    pub async fn stop(self) {
        self.traffic.stop().await;
    }

    /// Applies a policy with another number.
    pub async fn change_policy(&self) {
        let changed = POLICY.replace(r#""max_rate": 0.1"#, r#""max_rate": 0.11"#);
        self.idle.replace_policy("in", changed).await.unwrap();
    }

    /// Returns all Envoys as targets, once with a job only and once with the labels of Istio's scrape.
    pub fn targets(&self) -> Vec<Target> {
        let pods = [
            ("shop", "full", &self.full),
            ("shop", "idle", &self.idle),
            ("without_peers", "without_peers", &self.without_peers),
            ("troubled", "troubled", &self.troubled),
        ];
        let targets = pods.map(|(app, pod, envoy)| {
            let address = envoy.admin_address();
            let labels = json!({ "namespace": "test", "app": app, "pod": pod });
            let plain = Target {
                job: "envoy",
                address,
                labels: json!({}),
            };
            let labeled = Target {
                job: "kubernetes-pods",
                address,
                labels,
            };
            [plain, labeled]
        });
        targets.into_iter().flatten().collect()
    }
}

/// Starts a pod that rebalances; its peers are set later.
async fn pod(backend: &Backend) -> Envoy {
    let listener = Listener::http("in").route("/", "app").inbound();
    let bootstrap = Bootstrap::new()
        .listener(listener.evenkeel(Roles::Both, POLICY))
        .cluster(Cluster::new("app", [backend.address()]))
        .cluster(Cluster::new("peers", []));
    Envoy::start(bootstrap).await.unwrap()
}

async fn troubled(backends: &[Backend; 2], echoes: &[TcpEcho; 2], redis: SocketAddr) -> Envoy {
    let policy = |more: &str| format!(r#"{{"version": 1, "budget": "off", {more}}}"#);
    let rule = |rule: &str| policy(&format!(r#""defaults": {{"jitter": 0, {rule}}}"#));
    let mut bootstrap = Bootstrap::new();
    for (name, roles, policy) in [
        (
            "bad",
            Roles::Both,
            policy(r#""defaults": {"max_connection_aeg": "5m"}"#),
        ),
        (
            "alone",
            Roles::Http,
            policy(r#""routes": [{"name": "all", "match": {"path_prefix": "/"}}]"#),
        ),
        (
            "aborted",
            Roles::Network,
            // Long enough for the last request on a busy machine: only the endless one is aborted.
            rule(
                r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}, "drain_timeout": "3s""#,
            ),
        ),
        (
            "hasty",
            Roles::Network,
            rule(r#""max_requests_per_connection": 1, "drain_timeout": "300ms""#),
        ),
        (
            "chat",
            Roles::Network,
            rule(
                r#""max_connection_age": "300ms", "websocket": {"close_code": "going_away", "idle_timeout": "300ms"}"#,
            ),
        ),
        (
            "observed",
            Roles::Network,
            policy(r#""mode": "dry_run", "defaults": {"max_requests_per_connection": 1}"#),
        ),
        (
            "gateway",
            Roles::Both,
            policy(r#""upstream": {"max_requests_per_connection": 2, "protocol": "http1"}"#),
        ),
    ] {
        // A separate cluster: in a shared one, round robin could select the same host for each of these requests.
        let listener = Listener::http(name).route("/", name);
        bootstrap = bootstrap
            .listener(listener.evenkeel(roles, policy).vm(name))
            .cluster(Cluster::new(
                name,
                backends.each_ref().map(Backend::address),
            ));
    }
    let tcp = Listener::tcp("tcp", "echo").evenkeel(Roles::Network, policy(r#""tcp": []"#));
    let pinned = Listener::tcp("pinned", "redis").evenkeel(Roles::Network, policy(r#""tcp": []"#));
    let bootstrap = bootstrap
        .listener(tcp)
        .listener(pinned.vm("pinned"))
        .cluster(Cluster::new(
            "echo",
            echoes.each_ref().map(TcpEcho::address),
        ))
        .cluster(Cluster::new("redis", [redis]));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    // Envoy has chosen the port.
    let port = envoy.address("pinned").port();
    let rule = policy(&format!(
        r#""tcp": [{{"name": "redis", "match": {{"port": {port}}}, "protocol": "redis", "max_connection_age": "200ms", "drain_timeout": "100ms"}}]"#
    ));
    envoy.replace_policy("pinned", rule).await.unwrap();
    envoy
}

/// Starts clients that send requests and reconnect to the same pod when they are drained.
fn crowd(pod: &Envoy, count: usize, traffic: &mut Tasks) {
    let clients: Vec<_> = (0..count)
        .map(|_| Client::http1(pod.address("in")))
        .collect();
    traffic.spawn(async move {
        loop {
            for client in &clients {
                assert_eq!(client.get("/").await.unwrap().status, 200);
            }
            tokio::time::sleep(PACE).await;
        }
    });
}

fn troubles(envoy: &Envoy, traffic: &mut Tasks) {
    for name in ["bad", "alone", "observed", "gateway"] {
        let client = Client::http1(envoy.address(name));
        traffic.spawn(async move {
            loop {
                assert_eq!(client.get("/").await.unwrap().status, 200);
                tokio::time::sleep(PACE).await;
            }
        });
    }
    let aborted = envoy.address("aborted");
    traffic.spawn(async move {
        loop {
            // The first request never ends and is aborted: the second one reaches the limit of the connection.
            let client = Client::http2(aborted);
            let (held, last) = tokio::join!(client.get("/tail"), client.get("/"));
            assert!(held.is_err() && last.is_ok(), "{held:?} {last:?}");
        }
    });
    let hasty = envoy.address("hasty");
    traffic.spawn(async move {
        loop {
            // Active for longer than the drain timeout, so the drain is deferred.
            let mut sender = hyper(hasty).await;
            for _ in 0..100 {
                let mut other = sender.clone();
                tokio::join!(slow(&mut sender), slow(&mut other));
            }
        }
    });
    let chat = envoy.address("chat");
    traffic.spawn(async move {
        loop {
            silent(chat).await;
        }
    });
    let pinned = envoy.address("pinned");
    traffic.spawn(async move {
        loop {
            monitor(pinned).await;
        }
    });
    let mut clients = [0, 1].map(|_| TcpClient::new(envoy.address("tcp")));
    traffic.spawn(async move {
        loop {
            for client in &mut clients {
                client.exchange("a").await.unwrap();
            }
            tokio::time::sleep(PACE).await;
        }
    });
}

async fn hyper(to: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    drive(connection);
    sender
}

async fn slow(sender: &mut SendRequest<Empty<Bytes>>) {
    let request = Request::get("http://app/delay/5")
        .body(Empty::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Opens a WebSocket without messages, and waits until it is closed.
async fn silent(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let request = "GET /ws/3600000 HTTP/1.1\r\nhost: chat\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: ZXZlbmtlZWxldmVua2VlbA==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    assert!(response.starts_with(b"HTTP/1.1 101 "));
}

/// A Redis server whose clients only send MONITOR.
async fn serve_redis(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 9];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(b"+OK\r\n").await.unwrap();
        // Until the client closes.
        assert_eq!(stream.read(&mut request).await.unwrap(), 0);
    }
}

/// Opens a connection to Redis that is pinned, for longer than its age and drain timeout.
async fn monitor(to: SocketAddr) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(b"MONITOR\r\n").await.unwrap();
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).await.unwrap();
    tokio::time::sleep(10 * PACE).await;
}
