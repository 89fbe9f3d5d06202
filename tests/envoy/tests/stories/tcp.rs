//! Raw TCP connections: a rule for their port closes them when they are idle.

use std::net::SocketAddr;
use std::process::Command;

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, TcpClient, TcpEcho};
use evenkeel_test_tasks::{Tasks, block};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::{
    CLOSED_BY_MODULE, assert_metric, assert_metric_with, wait_for_metric, wait_for_metric_with,
    within,
};

/// Returns a policy with one rule, for this port.
fn port_rule(port: u16, rule: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": "off", "tcp": [
            {{"name": "db", "match": {{"port": {port}}}, "jitter": 0, {rule}}}]}}"#
    )
}

/// Starts an Envoy before `server`: the listener `in` has the rule, `free` has the module and no rule.
pub async fn gateway(server: SocketAddr, rule: &str) -> Envoy {
    let none = r#"{"version": 1, "defaults": {"max_connection_age": "100ms"}}"#;
    let listener = |name| Listener::tcp(name, "db").evenkeel(Roles::Network, none);
    let bootstrap = Bootstrap::new().cluster(Cluster::new("db", [server]));
    let envoy = Envoy::start(
        bootstrap
            .listener(listener("in"))
            .listener(listener("free")),
    )
    .await;
    let envoy = envoy.unwrap();
    // Envoy has chosen the port.
    let policy = port_rule(envoy.address("in").port(), rule);
    envoy.replace_policy("in", policy).await.unwrap();
    envoy
}

/// Starts an HTTP server that announces persistent connections, as for HTTP/1.0.
async fn keep_alive_server() -> Server {
    Server::start(|_| {
        Some(
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\n\
              Content-Length: 2\r\n\r\nok"
                .to_vec(),
        )
    })
    .await
}

/// Starts an Envoy whose TCP proxy carries HTTP, with a limit of two requests.
async fn http_over_tcp(server: SocketAddr) -> Envoy {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0, "max_requests_per_connection": 2}}"#;
    let listener = Listener::tcp("in", "app").evenkeel(Roles::Network, policy);
    let bootstrap = Bootstrap::new().cluster(Cluster::new("app", [server]));
    Envoy::start(bootstrap.listener(listener)).await.unwrap()
}

#[tokio::test]
async fn http_on_a_tcp_port_has_one_connection_field_and_no_keep_alive() {
    let server = keep_alive_server().await;
    let envoy = http_over_tcp(server.address).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    let (first, _) = socket.get("/").await;
    let (last, body) = socket.get("/").await;

    assert!(
        first.contains("Keep-Alive: timeout=5, max=100\r\n"),
        "{first}"
    );
    assert_eq!(
        last,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    );
    assert_eq!(body, b"ok");
    assert_eq!(socket.read_to_end().await, b"");
}

/// 60 GETs by Python's own client, which reads the first `Connection` field only.
const PYTHON: &str = "
import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
opened = 0
for _ in range(60):
    if connection.sock is None:
        opened += 1
    connection.request('GET', '/')
    assert connection.getresponse().read() == b'ok'
print(opened)
";

#[tokio::test]
async fn python_client_loses_nothing_on_a_tcp_port() {
    let server = keep_alive_server().await;
    let envoy = http_over_tcp(server.address).await;
    let port = envoy.address("in").port().to_string();

    let python = move || {
        Command::new("python3")
            .args(["-c", PYTHON, &port])
            .output()
            .unwrap()
    };
    let output = block(python).await;

    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "30");
}

#[tokio::test]
async fn protocol_without_line_ends_is_raw_tcp() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "200ms", "idle_time": "200ms", "drain_timeout": "20s""#;
    let envoy = gateway(server.local_addr().unwrap(), rule).await;
    let mut client = Socket::connect(envoy.address("in")).await;
    client.send("hello").await;
    let mut upstream = Socket::accept(&server).await;
    upstream.read_exact(5).await;
    upstream.send("hello").await;
    assert_eq!(client.read_exact(5).await, b"hello");
    wait_for_metric(&envoy, "connections_expired_total", 1).await;

    client.send("again").await;
    upstream.read_exact(5).await;
    upstream.send("again").await;

    assert_eq!(client.read_to_end().await, b"again");
    assert_metric(&envoy, "connections_aborted_total", 0).await;
    assert_is_tcp(&envoy).await;
}

/// The module has taken the only connection for raw TCP.
async fn assert_is_tcp(envoy: &Envoy) {
    let tcp = [("connection_protocol", "tcp")];
    assert_metric_with(envoy, "downstream_connections_total", &tcp, 1).await;
}

/// Exchanges lines without a pause until the connection is closed; returns how often.
async fn exchange_until_closed(client: &mut TcpClient) -> u32 {
    let mut exchanges = 0;
    while client.exchange("more").await.is_ok() && client.connections_opened() == 1 {
        exchanges += 1;
    }
    exchanges
}

#[tokio::test]
async fn expired_idle_connection_is_closed_only_with_a_rule() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(
        echo.address(),
        r#""max_connection_age": "1s", "idle_time": "200ms", "drain_timeout": "500ms""#,
    )
    .await;
    let mut free = TcpClient::new(envoy.address("free"));
    let mut client = TcpClient::new(envoy.address("in"));
    assert_eq!(free.exchange("one").await.unwrap(), "a one");
    assert_eq!(client.exchange("one").await.unwrap(), "a one");

    within("the close", client.wait_closed()).await;

    assert_eq!(client.exchange("two").await.unwrap(), "a two");
    assert_eq!(free.exchange("two").await.unwrap(), "a two");
    assert_eq!(
        (client.connections_opened(), free.connections_opened()),
        (2, 1)
    );
    wait_for_metric_with(&envoy, "connections_drained_total", CLOSED_BY_MODULE, 1).await;
    assert_metric(&envoy, "connections_aborted_total", 0).await;
}

#[tokio::test]
async fn active_connection_is_aborted_at_the_drain_timeout() {
    let echo = TcpEcho::start("a").await.unwrap();
    let rule = r#""max_connection_age": "300ms", "idle_time": "20s", "drain_timeout": "1s""#;
    let envoy = gateway(echo.address(), rule).await;
    let mut client = TcpClient::new(envoy.address("in"));

    let exchanges = within("the close", exchange_until_closed(&mut client)).await;

    assert!(exchanges > 1);
    wait_for_metric(&envoy, "connections_aborted_total", 1).await;
    wait_for_metric_with(&envoy, "connections_drained_total", CLOSED_BY_MODULE, 1).await;
}

#[tokio::test]
async fn server_first_protocol_is_raw_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Tasks::new();
    server.spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"220 mail.example\r\n").await.unwrap();
            held.push(stream);
        }
    });
    let envoy = gateway(
        address,
        r#""max_connection_age": "500ms", "idle_time": "100ms", "drain_timeout": "500ms""#,
    )
    .await;

    let mut client = Socket::connect(envoy.address("in")).await;

    assert_eq!(client.read_exact(18).await, b"220 mail.example\r\n");
    assert_eq!(client.read_to_end().await, b"");
    assert_is_tcp(&envoy).await;
}

#[tokio::test]
async fn encrypted_bytes_pass_unchanged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Tasks::new();
    server.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.into_split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let envoy = gateway(address, r#""max_connection_age": "1h""#).await;
    // The header of a TLS record (RFC 8446 5.1) and random bytes.
    let mut random = fastrand::Rng::with_seed(7);
    let mut sent = vec![0x16, 0x03, 0x01, 0x40, 0x00];
    sent.extend(std::iter::repeat_with(|| random.u8(..)).take(64 * 1024));

    let mut client = Socket::connect(envoy.address("in")).await;
    client.send(&sent).await;

    assert!(client.read_exact(sent.len()).await == sent);
    assert_is_tcp(&envoy).await;
}

#[tokio::test]
async fn later_rule_applies_to_open_connections() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(echo.address(), r#""max_connection_age": "off""#).await;
    let (mut client, mut free) = (
        TcpClient::new(envoy.address("in")),
        TcpClient::new(envoy.address("free")),
    );
    client.exchange("one").await.unwrap();
    free.exchange("one").await.unwrap();

    for (listener, client) in [("in", &mut client), ("free", &mut free)] {
        let policy = port_rule(
            envoy.address(listener).port(),
            r#""max_connection_age": "300ms", "idle_time": "100ms", "drain_timeout": "200ms""#,
        );
        envoy.replace_policy(listener, policy).await.unwrap();
        within(listener, client.wait_closed()).await;
    }

    assert_metric(&envoy, "connections_aborted_total", 0).await;
}

#[tokio::test]
async fn later_rule_waits_for_an_idle_time_of_its_own() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(echo.address(), r#""max_connection_age": "1h""#).await;
    let port = envoy.address("in").port();
    // A policy that has rules, but none for this port.
    let other = port_rule(1, r#""max_connection_age": "1h""#);
    envoy.replace_policy("in", other).await.unwrap();
    let mut client = TcpClient::new(envoy.address("in"));
    client.exchange("one").await.unwrap();

    let rule = r#""max_connection_age": "100ms", "idle_time": "700ms", "drain_timeout": "2s""#;
    envoy
        .replace_policy("in", port_rule(port, rule))
        .await
        .unwrap();
    within("the close", exchange_until_closed(&mut client)).await;

    wait_for_metric(&envoy, "connections_aborted_total", 1).await;
}
