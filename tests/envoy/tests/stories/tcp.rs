//! Raw TCP: closed by a rule for its port, at a silent moment if there is one, and else left alone.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, TcpClient, TcpEcho};
use evenkeel_test_tasks::{Tasks, block};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};

use crate::support::server::Server;
use crate::support::socket::{Socket, get};
use crate::support::{counted, counted_with, until, until_with, within};

/// A policy with one rule, for this port.
fn port_rule(port: u16, rule: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": "off", "tcp": [
            {{"name": "db", "match": {{"port": {port}}}, "jitter": 0, {rule}}}]}}"#
    )
}

/// An Envoy before `server`; the listener `in` has the rule, `free` has the module and no rule.
async fn gateway(server: SocketAddr, rule: &str) -> Envoy {
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
    // Only now is the port known.
    let policy = port_rule(envoy.address("in").port(), rule);
    envoy.replace_policy("in", policy).await.unwrap();
    envoy
}

/// An HTTP server that keeps connections as HTTP/1.0 servers do, in so many words.
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

/// An Envoy before `server` whose TCP proxy carries HTTP, of which each second request is a connection's last.
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

    socket.send(get("/")).await;
    let (first, _) = socket.answer().await;
    socket.send(get("/")).await;
    let (last, body) = socket.answer().await;

    assert!(
        first.contains("Keep-Alive: timeout=5, max=100\r\n"),
        "{first}"
    );
    assert_eq!(
        last,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
    );
    assert_eq!(body, b"ok");
    assert_eq!(socket.rest().await, b"");
}

/// 60 GETs by Python's own client, which looks at the first `Connection` field alone.
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
async fn pythons_client_loses_nothing_on_a_tcp_port() {
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
async fn reader_that_is_slow_gets_every_byte_of_an_answer() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "200ms", "idle_time": "200ms", "drain_timeout": "1s""#;
    let envoy = gateway(server.local_addr().unwrap(), rule).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = within("a connection", socket.connect(envoy.address("in"))).await;
    let mut client = Socket::of(stream.unwrap());
    let (stream, _) = within("the server's end", server.accept()).await.unwrap();
    let mut upstream = Socket::of(stream);
    client.send("everything").await;
    upstream.take(10).await;

    let write = async {
        upstream.send(vec![b'x'; LENGTH]).await;
        upstream
    };
    let read = async {
        let mut read = client.take(LENGTH / 2).await.len();
        // The connection is past its age and drain timeout, and both sides are silent.
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.send("and more").await;
        read += client.take(LENGTH / 2).await.len();
        read
    };
    let (mut upstream, read) = tokio::join!(write, read);

    assert_eq!(read, LENGTH);
    assert_eq!(upstream.take(8).await, b"and more");
}

#[tokio::test]
async fn protocol_without_line_ends_is_raw_tcp() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rule = r#""max_connection_age": "200ms", "idle_time": "200ms", "drain_timeout": "20s""#;
    let envoy = gateway(server.local_addr().unwrap(), rule).await;
    let mut client = Socket::connect(envoy.address("in")).await;
    client.send("hello").await;
    let (stream, _) = within("the server's end", server.accept()).await.unwrap();
    let mut upstream = Socket::of(stream);
    upstream.take(5).await;
    upstream.send("hello").await;
    assert_eq!(client.take(5).await, b"hello");
    until(&envoy, "connections_expired_total", |expired| expired == 1).await;

    client.send("again").await;
    upstream.take(5).await;
    upstream.send("again").await;

    assert_eq!(client.rest().await, b"again");
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    assert_eq!(
        counted_with(
            &envoy,
            "downstream_connections_total",
            &[("connection_protocol", "tcp")]
        )
        .await,
        1
    );
}

/// Asks without a pause until the connection is closed, and tells how often that was answered.
async fn talk(client: &mut TcpClient) -> u32 {
    let mut asked = 0;
    while client.ask("more").await.is_ok() && client.connections_opened() == 1 {
        asked += 1;
    }
    asked
}

#[tokio::test]
async fn a_silent_connection_past_its_age_is_closed_and_one_without_a_rule_is_not() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(
        echo.address(),
        r#""max_connection_age": "1s", "idle_time": "200ms", "drain_timeout": "500ms""#,
    )
    .await;
    let mut free = TcpClient::new(envoy.address("free"));
    let mut client = TcpClient::new(envoy.address("in"));
    assert_eq!(free.ask("one").await.unwrap(), "a one");
    assert_eq!(client.ask("one").await.unwrap(), "a one");

    within("its end", client.closed()).await;

    assert_eq!(client.ask("two").await.unwrap(), "a two");
    assert_eq!(free.ask("two").await.unwrap(), "a two");
    assert_eq!(
        (client.connections_opened(), free.connections_opened()),
        (2, 1)
    );
    until_with(
        &envoy,
        "connections_drained_total",
        &[("closed_by", "evenkeel")],
        1,
    )
    .await;
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

#[tokio::test]
async fn a_chatty_connection_is_closed_when_its_grace_is_over_and_counted_as_cut() {
    let echo = TcpEcho::start("a").await.unwrap();
    let rule = r#""max_connection_age": "300ms", "idle_time": "20s", "drain_timeout": "1s""#;
    let envoy = gateway(echo.address(), rule).await;
    let mut client = TcpClient::new(envoy.address("in"));

    let asked = within("the end of a conversation", talk(&mut client)).await;

    assert!(asked > 1);
    until(&envoy, "requests_aborted_total", |cut| cut == 1).await;
    until_with(
        &envoy,
        "connections_drained_total",
        &[("closed_by", "evenkeel")],
        1,
    )
    .await;
}

#[tokio::test]
async fn a_protocol_in_which_the_server_speaks_first_is_raw_tcp() {
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

    assert_eq!(client.take(18).await, b"220 mail.example\r\n");
    assert_eq!(client.rest().await, b"");
    assert_eq!(
        counted_with(
            &envoy,
            "downstream_connections_total",
            &[("connection_protocol", "tcp")]
        )
        .await,
        1
    );
}

#[tokio::test]
async fn what_is_encrypted_passes_untouched() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = Tasks::new();
    server.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.into_split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let envoy = gateway(address, r#""max_connection_age": "1h""#).await;
    // A TLS record's header (RFC 8446 5.1), and behind it bytes as random as a cipher's.
    let mut chance = fastrand::Rng::with_seed(7);
    let mut sent = vec![0x16, 0x03, 0x01, 0x40, 0x00];
    sent.extend(std::iter::repeat_with(|| chance.u8(..)).take(64 * 1024));

    let mut client = Socket::connect(envoy.address("in")).await;
    client.send(&sent).await;

    assert!(client.take(sent.len()).await == sent);
    assert_eq!(
        counted_with(
            &envoy,
            "downstream_connections_total",
            &[("connection_protocol", "tcp")]
        )
        .await,
        1
    );
}

#[tokio::test]
async fn a_rule_that_comes_later_governs_connections_that_are_open() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(echo.address(), r#""max_connection_age": "off""#).await;
    let (mut silent, mut free) = (
        TcpClient::new(envoy.address("in")),
        TcpClient::new(envoy.address("free")),
    );
    silent.ask("one").await.unwrap();
    free.ask("one").await.unwrap();

    for (listener, client) in [("in", &mut silent), ("free", &mut free)] {
        let policy = port_rule(
            envoy.address(listener).port(),
            r#""max_connection_age": "300ms", "idle_time": "100ms", "drain_timeout": "200ms""#,
        );
        envoy.replace_policy(listener, policy).await.unwrap();
        within(listener, client.closed()).await;
    }

    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

#[tokio::test]
async fn a_conversation_that_a_later_rule_came_to_govern_is_not_taken_for_silence() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(echo.address(), r#""max_connection_age": "1h""#).await;
    let port = envoy.address("in").port();
    // A policy that has rules, but none for this port.
    let other = port_rule(1, r#""max_connection_age": "1h""#);
    envoy.replace_policy("in", other).await.unwrap();
    let mut client = TcpClient::new(envoy.address("in"));
    client.ask("one").await.unwrap();

    let rule = r#""max_connection_age": "100ms", "idle_time": "700ms", "drain_timeout": "2s""#;
    envoy
        .replace_policy("in", port_rule(port, rule))
        .await
        .unwrap();
    within("the end of a conversation", talk(&mut client)).await;

    until(&envoy, "requests_aborted_total", |cut| cut == 1).await;
}
