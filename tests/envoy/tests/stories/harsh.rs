//! Peers that behave badly, and worse.

use std::process::Command;

use evenkeel_test_envoy::{Client, Roles};
use evenkeel_test_frames::http2::ClientPreface;

use crate::support::config::{self, Entry, http_listener};
use crate::support::raw_client::RawClient;
use crate::support::server::Server;
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, healthy, rule, site, until};

#[tokio::test]
async fn a_thousand_connections_that_end_in_every_way_leave_nothing_behind() {
    let (envoy, _backend) = site(&[(
        "in",
        Roles::Both,
        &rule(r#""max_requests_per_connection": 2, "close_delay": "200ms""#),
    )])
    .await;
    let to = envoy.address("in");
    for round in 0..1000 {
        match round % 10 {
            0 => Socket::connect(to).await.reset(),
            1 => Socket::connect(to).await.finish().await,
            2 => drop(Socket::connect(to).await),
            kind @ (3 | 4) => {
                let mut socket = Socket::connect(to).await;
                socket
                    .send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
                    .await;
                if kind == 3 {
                    socket.reset()
                } else {
                    socket.finish().await
                }
            }
            kind @ (5 | 6) => {
                let mut socket = Socket::connect(to).await;
                socket.send(get("/")).await;
                socket.head().await;
                if kind == 5 {
                    socket.reset()
                } else {
                    socket.finish().await
                }
            }
            7 => {
                Socket::connect(to)
                    .await
                    .send(&ClientPreface::Go.bytes()[..round % 60])
                    .await
            }
            8 => {
                let mut client = RawClient::connect(to, ClientPreface::Httpx).await;
                client.get(1, "/tail").await;
                client.until(|frame| frame.stream == 1).await;
                client.socket.reset();
            }
            _ => {
                let mut client = RawClient::connect(to, ClientPreface::Go).await;
                client.get(1, "/").await;
                client.answer(1).await;
                client.get(3, "/").await;
                client.goaway().await;
            }
        }
    }

    until(&envoy, "downstream_connections_active", |active| {
        active == 0
    })
    .await;
    until(&envoy, "upstream_active_requests", |active| active == 0).await;
    assert_eq!(Client::http1(to).get("/").await.unwrap().body, "a");
    healthy(&envoy);
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_of_an_answer_breaks_that_answer_only() {
    let server = Server::start(|head| {
        let broken = head.contains("/broken");
        // What follows the first is None, and so the connection's end.
        broken.then(|| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nabc".to_vec()
        })
    })
    .await;
    let policy = rule(r#""max_requests_per_connection": 1"#);
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy: &policy,
    };
    let listener = http_listener("in", 0, &[entry("network", "n")], &[entry("http", "h")]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;

    for _ in 0..20 {
        let mut http1 = Socket::connect(envoy.address("in")).await;
        http1.send(get("/nothing")).await;
        let (head, _) = http1.answer().await;
        assert!(head.starts_with("HTTP/1.1 503") && closes(&head), "{head}");
        let mut http2 = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
        http2.get(1, "/nothing").await;
        http2.goaway().await;
    }

    until(&envoy, "downstream_connections_active", |active| {
        active == 0
    })
    .await;
    assert_eq!(counted(&envoy, "connections_bypassed_total").await, 0);
    healthy(&envoy);
}

#[tokio::test]
async fn an_envoy_that_was_killed_starts_again_and_knows_nothing_of_before() {
    let policy = rule(r#""max_requests_per_connection": 2"#);
    let listeners = [("in", Roles::Both, &*policy)];
    let (killed, _backend) = site(&listeners).await;
    let mut socket = Socket::connect(killed.address("in")).await;
    socket.send(get("/")).await;
    socket.answer().await;
    let kill = Command::new("kill")
        .args(["-KILL", &killed.pid().to_string()])
        .status();
    assert!(kill.unwrap().success());
    socket.ended().await;

    let (envoy, _backend) = site(&listeners).await;

    let client = Client::http1(envoy.address("in"));
    for _ in 0..4 {
        client.get("/").await.unwrap();
    }
    assert_eq!(client.connections_opened().await, 2);
    assert_eq!(counted(&envoy, "drain_signals_total").await, 2);
    healthy(&envoy);
}
