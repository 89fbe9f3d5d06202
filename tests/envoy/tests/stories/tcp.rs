//! Raw TCP: closed by a rule for its port, at a silent moment if there is one, and else left alone.

use std::net::SocketAddr;

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, TcpClient, TcpEcho};
use evenkeel_test_tasks::Tasks;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::socket::Socket;
use crate::support::{counted, counted_with, until, until_with, within};

/// A policy with one rule, for this port.
fn port_rule(port: u16, rule: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": "off", "connections": [
            {{"name": "db", "match": {{"port": {port}}}, "jitter": 0, {rule}}}]}}"#
    )
}

/// An Envoy before `server`; the listener `in` has the rule, `free` has the module and no rule.
async fn gateway(server: SocketAddr, rule: &str) -> Envoy {
    let none = r#"{"version": 1, "defaults": {"max_age": "100ms"}}"#;
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
        r#""max_age": "1s", "quiet_wait": "200ms", "grace": "500ms""#,
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
    until_with(&envoy, "closed_total", &[("by", "evenkeel")], 1).await;
    assert_eq!(counted(&envoy, "cut_total").await, 0);
}

#[tokio::test]
async fn a_chatty_connection_is_closed_when_its_grace_is_over_and_counted_as_cut() {
    let echo = TcpEcho::start("a").await.unwrap();
    let rule = r#""max_age": "300ms", "quiet_wait": "20s", "grace": "1s""#;
    let envoy = gateway(echo.address(), rule).await;
    let mut client = TcpClient::new(envoy.address("in"));

    let asked = within("the end of a conversation", talk(&mut client)).await;

    assert!(asked > 1);
    until(&envoy, "cut_total", |cut| cut == 1).await;
    until_with(&envoy, "closed_total", &[("by", "evenkeel")], 1).await;
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
        r#""max_age": "500ms", "quiet_wait": "100ms", "grace": "500ms""#,
    )
    .await;

    let mut client = Socket::connect(envoy.address("in")).await;

    assert_eq!(client.take(18).await, b"220 mail.example\r\n");
    assert_eq!(client.rest().await, b"");
    assert_eq!(
        counted_with(&envoy, "connections_total", &[("protocol", "tcp")]).await,
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
    let envoy = gateway(address, r#""max_age": "1h""#).await;
    // A TLS record's header (RFC 8446 5.1), and behind it bytes as random as a cipher's.
    let mut chance = fastrand::Rng::with_seed(7);
    let mut sent = vec![0x16, 0x03, 0x01, 0x40, 0x00];
    sent.extend(std::iter::repeat_with(|| chance.u8(..)).take(64 * 1024));

    let mut client = Socket::connect(envoy.address("in")).await;
    client.send(&sent).await;

    assert!(client.take(sent.len()).await == sent);
    assert_eq!(
        counted_with(&envoy, "connections_total", &[("protocol", "tcp")]).await,
        1
    );
}

#[tokio::test]
async fn a_rule_that_comes_later_governs_connections_that_are_open() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(echo.address(), r#""max_age": "off""#).await;
    let (mut silent, mut free) = (
        TcpClient::new(envoy.address("in")),
        TcpClient::new(envoy.address("free")),
    );
    silent.ask("one").await.unwrap();
    free.ask("one").await.unwrap();

    for (listener, client) in [("in", &mut silent), ("free", &mut free)] {
        let policy = port_rule(
            envoy.address(listener).port(),
            r#""max_age": "300ms", "quiet_wait": "100ms", "grace": "200ms""#,
        );
        envoy.replace_policy(listener, policy).await.unwrap();
        within(listener, client.closed()).await;
    }

    assert_eq!(counted(&envoy, "cut_total").await, 0);
}

#[tokio::test]
async fn a_conversation_that_a_later_rule_came_to_govern_is_not_taken_for_silence() {
    let echo = TcpEcho::start("a").await.unwrap();
    let envoy = gateway(echo.address(), r#""max_age": "1h""#).await;
    let port = envoy.address("in").port();
    // A policy that has rules, but none for this port.
    let other = port_rule(1, r#""max_age": "1h""#);
    envoy.replace_policy("in", other).await.unwrap();
    let mut client = TcpClient::new(envoy.address("in"));
    client.ask("one").await.unwrap();

    let rule = r#""max_age": "100ms", "quiet_wait": "700ms", "grace": "2s""#;
    envoy
        .replace_policy("in", port_rule(port, rule))
        .await
        .unwrap();
    within("the end of a conversation", talk(&mut client)).await;

    until(&envoy, "cut_total", |cut| cut == 1).await;
}
