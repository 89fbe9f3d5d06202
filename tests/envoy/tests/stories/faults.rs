//! Peers that fail or misbehave.

use std::process::Command;

use evenkeel_test_envoy::{Client, Roles};
use evenkeel_test_frames::http2::ClientPreface;

use crate::support::config::{self};
use crate::support::raw_client::RawClient;
use crate::support::server::Server;
use crate::support::socket::{Socket, announces_close, get};
use crate::support::{
    assert_healthy, assert_metric, start_listeners, wait_for_metric, with_defaults,
};

#[tokio::test]
async fn thousand_connections_closed_in_every_way_leave_no_state() {
    let (envoy, _backend) = start_listeners(&[(
        "in",
        Roles::Both,
        &with_defaults(r#""max_requests_per_connection": 2, "close_delay": "200ms""#),
    )])
    .await;
    let to = envoy.address("in");
    for round in 0..1000 {
        match round % 10 {
            0 => Socket::connect(to).await.reset(),
            1 => Socket::connect(to).await.shut_down().await,
            2 => drop(Socket::connect(to).await),
            kind @ (3 | 4) => {
                let mut socket = Socket::connect(to).await;
                socket
                    .send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
                    .await;
                if kind == 3 {
                    socket.reset()
                } else {
                    socket.shut_down().await
                }
            }
            kind @ (5 | 6) => {
                let mut socket = Socket::connect(to).await;
                socket.send(get("/")).await;
                socket.head().await;
                if kind == 5 {
                    socket.reset()
                } else {
                    socket.shut_down().await
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
                client.send_get(1, "/tail").await;
                client.read_until(|frame| frame.stream == 1).await;
                client.socket.reset();
            }
            _ => {
                let mut client = RawClient::connect(to, ClientPreface::Go).await;
                client.send_get(1, "/").await;
                client.read_response(1).await;
                client.send_get(3, "/").await;
                client.read_goaway().await;
            }
        }
    }

    wait_for_metric(&envoy, "downstream_connections_active", 0).await;
    wait_for_metric(&envoy, "upstream_active_requests", 0).await;
    assert_eq!(Client::http1(to).get("/").await.unwrap().body, "a");
    assert_healthy(&envoy);
}

#[tokio::test]
async fn server_failure_in_a_response_affects_that_response_only() {
    let server = Server::start(|head| {
        let broken = head.contains("/broken");
        // Other requests get no response, but a close.
        broken.then(|| {
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\nabc".to_vec()
        })
    })
    .await;
    let policy = with_defaults(r#""max_requests_per_connection": 1"#);
    let listener = config::listener("in", Roles::Both, &policy);
    let envoy = config::start_before(server.address, &[listener]).await;

    for _ in 0..20 {
        let mut http1 = Socket::connect(envoy.address("in")).await;
        let (head, _) = http1.get("/nothing").await;
        assert!(
            head.starts_with("HTTP/1.1 503") && announces_close(&head),
            "{head}"
        );
        let mut http2 = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
        http2.send_get(1, "/nothing").await;
        http2.read_goaway().await;
    }

    wait_for_metric(&envoy, "downstream_connections_active", 0).await;
    assert_metric(&envoy, "connections_bypassed_total", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn killed_envoy_restarts_without_earlier_state() {
    let policy = with_defaults(r#""max_requests_per_connection": 2"#);
    let listeners = [("in", Roles::Both, &*policy)];
    let (killed, _backend) = start_listeners(&listeners).await;
    let mut socket = Socket::connect(killed.address("in")).await;
    socket.get("/").await;
    let kill = Command::new("kill")
        .args(["-KILL", &killed.pid().to_string()])
        .status();
    assert!(kill.unwrap().success());
    socket.wait_closed().await;

    let (envoy, _backend) = start_listeners(&listeners).await;

    let client = Client::http1(envoy.address("in"));
    for _ in 0..4 {
        client.get("/").await.unwrap();
    }
    assert_eq!(client.connections_opened().await, 2);
    assert_metric(&envoy, "drain_signals_total", 2).await;
    assert_healthy(&envoy);
}
