//! A gateway evens out the hosts behind it, by the connections that stay with them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, TcpClient, TcpEcho};
use evenkeel_test_frames::websocket::{CLOSE, TEXT, client_frame, server_frame};
use evenkeel_test_tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep};

use crate::support::socket::{Socket, field};
use crate::support::websocket::{frame, status};
use crate::support::{counted, counted_with, healthy};

/// Asks so often: between two questions there is a rest.
const PAUSE: Duration = Duration::from_millis(500);

/// Moves at most 8 a second, and the connections of a port only.
fn policy(port: u16) -> String {
    format!(
        r#"{{"version": 1, "defaults": {{"max_connection_age": "off", "websocket": {{"close_code": "going_away", "idle_time": "0s"}}}},
            "rebalance": {{"max_rate": 0.4, "min_connections": 10, "stabilization_window": "500ms", "samples": 3}},
            "budget": {{"per_second": 8, "burst": 1}},
            "tcp": [{{"name": "mqtt", "match": {{"port": {port}}}, "idle_time": "100ms"}}]}}"#
    )
}

/// Each asks once, none in vain. How many were answered by each host.
async fn ask(clients: &mut [TcpClient]) -> BTreeMap<String, usize> {
    let mut answered = BTreeMap::new();
    for client in clients {
        let answer = client.ask("more").await.unwrap();
        let host = answer.split(' ').next().unwrap_or_default();
        *answered.entry(host.to_owned()).or_default() += 1;
    }
    answered
}

#[tokio::test]
async fn tcp_connections_that_all_went_to_one_host_are_evened_out_and_none_is_cut() {
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
    assert_eq!(ask(&mut clients).await["a"], 36);

    let both = [first.address(), second.address()];
    envoy.replace_endpoints("mqtt", &both).await.unwrap();
    // The first few that find it.
    clients.extend((0..4).map(|_| TcpClient::new(gateway)));

    // The mean is 20; up to a fifth more may stay.
    let start = Instant::now();
    let mut answered = ask(&mut clients).await;
    while answered["a"] > 24 {
        assert!(start.elapsed().as_secs() < 60, "{answered:?}");
        sleep(PAUSE).await;
        answered = ask(&mut clients).await;
    }

    // Half of those that went came back to where there are too many.
    let moved: u64 = clients
        .iter()
        .map(|client| client.connections_opened() - 1)
        .sum();
    assert!((12..=44).contains(&moved), "{moved}");
    let closed = counted_with(
        &envoy,
        "connections_drained_total",
        &[("drain_reason", "rebalance"), ("closed_by", "evenkeel")],
    );
    assert!(closed.await >= moved);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    healthy(&envoy);
}

/// A server of WebSockets: says who it is when one opens, and then something now and again.
struct Chatter {
    address: SocketAddr,
    _tasks: Tasks,
}

impl Chatter {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = Tasks::new();
        tasks.spawn(async move {
            let mut connections = Tasks::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(chat(stream, name));
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }
}

/// Ends with the client, or with its Close.
async fn chat(mut stream: TcpStream, name: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: 0\r\nx-host: {name}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let mut news = interval(PAUSE);
    loop {
        tokio::select! {
            _ = news.tick() => stream.write_all(&server_frame(TEXT, b"news")).await?,
            said = stream.read_u8() => {
                said?;
                stream.write_all(&server_frame(CLOSE, &[3, 233])).await?;
                // Unread bytes would make a reset of the end.
                return stream.read_to_end(&mut Vec::new()).await.map(|_| ());
            }
        }
    }
}

/// A WebSocket through the gateway, and the host that it leads to.
struct Listening {
    socket: Socket,
    host: String,
}

impl Listening {
    async fn open(gateway: SocketAddr) -> Self {
        let mut socket = Socket::connect(gateway).await;
        let request = "GET /chat HTTP/1.1\r\nhost: chat.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: ZXZlbmtlZWxldmVua2VlbA==\r\n\r\n";
        socket.send(request).await;
        let head = socket.head().await;
        let host = field(&head, "x-host").unwrap_or_default().to_owned();
        Self { socket, host }
    }

    /// Hears one message. False when it was the gateway's farewell, which it answers.
    async fn hears(&mut self) -> bool {
        let heard = frame(&mut self.socket).await;
        if heard == server_frame(TEXT, b"news") {
            return true;
        }
        assert_eq!(status(&heard), 1001);
        self.socket.send(client_frame(CLOSE, &[3, 233])).await;
        false
    }
}

#[tokio::test]
async fn websockets_that_all_went_to_one_host_are_evened_out_and_none_is_cut() {
    let (first, second) = (Chatter::start("a").await, Chatter::start("b").await);
    let listener = Listener::http("in").route("/", "chat");
    let listener = listener.evenkeel(Roles::Both, policy(1));
    let cluster = Cluster::new("chat", [first.address]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let gateway = envoy.address("in");
    let mut clients = Vec::new();
    for _ in 0..36 {
        clients.push(Listening::open(gateway).await);
    }
    let both = [first.address, second.address];
    envoy.replace_endpoints("chat", &both).await.unwrap();
    for _ in 0..4 {
        clients.push(Listening::open(gateway).await);
    }

    let start = Instant::now();
    let mut left = Vec::new();
    let on = |clients: &[Listening], host: &str| {
        clients.iter().filter(|client| client.host == host).count()
    };
    while on(&clients, "a") > 24 {
        assert!(start.elapsed().as_secs() < 60, "{}", on(&clients, "a"));
        for client in &mut clients {
            if !client.hears().await {
                let successor = Listening::open(gateway).await;
                left.push(std::mem::replace(client, successor));
            }
        }
    }

    let told = counted_with(
        &envoy,
        "drain_signals_total",
        &[("drain_reason", "rebalance")],
    )
    .await;
    assert!(told >= left.len() as u64);
    assert!((12..=44).contains(&left.len()), "{}", left.len());
    for mut client in left {
        assert_eq!(client.socket.rest().await, b"");
    }
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    healthy(&envoy);
}
