//! A gateway rebalances the long-lived connections to the hosts of a cluster.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, TcpClient, TcpEcho};
use evenkeel_test_frames::websocket::{CLOSE, TEXT, client_frame, server_frame, upgrade_request};
use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep};

use crate::support::socket::{Socket, field};
use crate::support::websocket::{close_code, read_frame};
use crate::support::{assert_healthy, assert_metric, metric_with};

/// The interval between messages, longer than `idle_time`.
const PAUSE: Duration = Duration::from_millis(500);

/// Drains at most 8 connections a second, TCP connections of this port only.
fn policy(port: u16) -> String {
    format!(
        r#"{{"version": 1, "defaults": {{"max_connection_age": "off", "websocket": {{"close_code": "going_away", "idle_time": "0s"}}}},
            "rebalance": {{"max_rate": 0.4, "min_connections": 10, "stabilization_window": "500ms", "samples": 3}},
            "budget": {{"per_second": 8, "burst": 1}},
            "tcp": [{{"name": "mqtt", "match": {{"port": {port}}}, "idle_time": "100ms"}}]}}"#
    )
}

/// Exchanges a line on each connection; returns how many hosts responded how often.
async fn exchange_all(clients: &mut [TcpClient]) -> BTreeMap<String, usize> {
    let mut by_host = BTreeMap::new();
    for client in clients {
        let line = client.exchange("more").await.unwrap();
        let host = line.split(' ').next().unwrap_or_default();
        *by_host.entry(host.to_owned()).or_default() += 1;
    }
    by_host
}

#[tokio::test]
async fn tcp_connections_of_one_host_are_rebalanced_without_an_abort() {
    let (first, second) = (
        TcpEcho::start("a").await.unwrap(),
        TcpEcho::start("b").await.unwrap(),
    );
    let listener = Listener::tcp("in", "mqtt").evenkeel(Roles::Network, r#"{"version": 1}"#);
    let cluster = Cluster::new("mqtt", [first.address()]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let gateway = envoy.address("in");
    envoy
        .replace_policy("in", policy(gateway.port()))
        .await
        .unwrap();
    let mut clients: Vec<_> = (0..36).map(|_| TcpClient::new(gateway)).collect();
    assert_eq!(exchange_all(&mut clients).await["a"], 36);

    let both = [first.address(), second.address()];
    envoy.replace_endpoints("mqtt", &both).await.unwrap();
    // The first connections to the new host.
    clients.extend((0..4).map(|_| TcpClient::new(gateway)));

    // The mean is 20, and the high watermark 20 % above.
    let start = Instant::now();
    let mut by_host = exchange_all(&mut clients).await;
    while by_host["a"] > 24 {
        assert!(start.elapsed().as_secs() < 60, "{by_host:?}");
        sleep(PAUSE).await;
        by_host = exchange_all(&mut clients).await;
    }

    // Half of the drained connections come back to the fuller host.
    let drained: u64 = clients
        .iter()
        .map(|client| client.connections_opened() - 1)
        .sum();
    assert!((12..=44).contains(&drained), "{drained}");
    let closed = metric_with(
        &envoy,
        "connections_drained_total",
        &[("drain_reason", "rebalance"), ("closed_by", "evenkeel")],
    );
    assert!(closed.await >= drained);
    assert_metric(&envoy, "connections_aborted_total", 0).await;
    assert_healthy(&envoy);
}

/// A WebSocket server that puts its name into the 101 and sends messages.
struct WebSocketServer {
    address: SocketAddr,
    _tasks: Tasks,
}

impl WebSocketServer {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = Tasks::new();
        tasks.spawn(async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, name));
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }
}

/// Serves a WebSocket until the client closes it.
async fn serve(mut stream: TcpStream, name: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: 0\r\nx-host: {name}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).await?;
    let mut news = interval(PAUSE);
    loop {
        tokio::select! {
            _ = news.tick() => stream.write_all(&server_frame(TEXT, b"news")).await?,
            byte = stream.read_u8() => {
                byte?;
                stream.write_all(&server_frame(CLOSE, &[3, 233])).await?;
                // A close with unread bytes would become a RST.
                return stream.read_to_end(&mut Vec::new()).await.map(|_| ());
            }
        }
    }
}

/// A WebSocket through the gateway, and its host.
struct WebSocketClient {
    socket: Socket,
    host: String,
}

impl WebSocketClient {
    async fn open(gateway: SocketAddr) -> Self {
        let mut socket = Socket::connect(gateway).await;
        socket.send(upgrade_request("/chat")).await;
        let head = socket.head().await;
        let host = field(&head, "x-host").unwrap_or_default().to_owned();
        Self { socket, host }
    }

    /// Reads a message; false when it was a Close frame, which the client completes.
    async fn read_message(&mut self) -> bool {
        let message = read_frame(&mut self.socket).await;
        if message == server_frame(TEXT, b"news") {
            return true;
        }
        assert_eq!(close_code(&message), 1001);
        self.socket.send(client_frame(CLOSE, &[3, 233])).await;
        false
    }
}

#[tokio::test]
async fn websockets_of_one_host_are_rebalanced_without_an_abort() {
    let (first, second) = (
        WebSocketServer::start("a").await,
        WebSocketServer::start("b").await,
    );
    let listener = Listener::http("in").route("/", "chat");
    let listener = listener.evenkeel(Roles::Both, policy(1));
    let cluster = Cluster::new("chat", [first.address]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let gateway = envoy.address("in");
    let mut clients = Vec::new();
    for _ in 0..36 {
        clients.push(WebSocketClient::open(gateway).await);
    }
    let both = [first.address, second.address];
    envoy.replace_endpoints("chat", &both).await.unwrap();
    for _ in 0..4 {
        clients.push(WebSocketClient::open(gateway).await);
    }

    let start = Instant::now();
    let mut drained = Vec::new();
    let on = |clients: &[WebSocketClient], host: &str| {
        clients.iter().filter(|client| client.host == host).count()
    };
    while on(&clients, "a") > 24 {
        assert!(start.elapsed().as_secs() < 60, "{}", on(&clients, "a"));
        for client in &mut clients {
            if !client.read_message().await {
                let successor = WebSocketClient::open(gateway).await;
                drained.push(std::mem::replace(client, successor));
            }
        }
    }

    let signals = metric_with(
        &envoy,
        "drain_signals_total",
        &[("drain_reason", "rebalance")],
    )
    .await;
    assert!(signals >= drained.len() as u64);
    assert!((12..=44).contains(&drained.len()), "{}", drained.len());
    for mut client in drained {
        assert_eq!(client.socket.read_to_end().await, b"");
    }
    assert_metric(&envoy, "connections_aborted_total", 0).await;
    assert_healthy(&envoy);
}
