//! A dry run counts and logs drains, and changes no byte.

use evenkeel_test_envoy::{
    Bootstrap, Client, Cluster, Envoy, Listener, Roles, TcpEcho, eventually,
};
use evenkeel_test_frames::http2::ClientPreface;
use serde_json::Value;

use crate::http1::{without_fields, without_times};
use crate::support::config::{self, http_listener, manager};
use crate::support::raw_client::{Frame, RawClient};
use crate::support::server::{Server, ok, path};
use crate::support::socket::Socket;
use crate::support::{
    BY_REQUESTS, assert_metric, assert_metric_with, metric, start_listeners, wait_until_metric,
};

const DRY_RUN: &str = r#"{"version": 1, "mode": "dry_run", "budget": "off", "keepalive": {"http1_hint": true},
    "defaults": {"jitter": 0, "max_requests_per_connection": 1}, "upstream": {"max_requests_per_connection": 1, "jitter": 0}}"#;

#[tokio::test]
async fn http1_bytes_are_unchanged_in_both_directions() {
    let server = Server::start(|head| Some(ok(path(head)))).await;
    let listeners = [
        http_listener("plain", 0, &[], &[]),
        config::listener("in", Roles::Both, DRY_RUN),
    ];
    let envoy = config::start_before(server.address, &listeners).await;

    let mut received = Vec::new();
    let mut forwarded = Vec::new();
    for listener in ["plain", "in"] {
        let before = server.heads_by_connection().concat().len();
        let mut socket = Socket::connect(envoy.address(listener)).await;
        let mut responses = Vec::new();
        for request in ["/1", "/2", "/3"] {
            socket
                .send(format!(
                    "POST {request} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab"
                ))
                .await;
            let (head, body) = socket.response().await;
            responses.push((without_times(&head), body));
        }
        received.push(responses);
        let heads = server.heads_by_connection().concat();
        let heads = heads[before..].iter();
        let heads = heads.map(|head| without_fields(head, &["x-request-id:"]));
        forwarded.push(heads.collect::<Vec<_>>());
        assert!(socket.is_open());
    }

    assert_eq!(received[0], received[1]);
    assert_eq!(forwarded[0], forwarded[1]);
    assert_metric_with(&envoy, "dry_run_drains_total", BY_REQUESTS, 3).await;
    assert_metric(&envoy, "drain_signals_total", 0).await;
    eventually("a line in the log", || async {
        let is_logged = envoy.log().contains("dry run: would have drained");
        Ok(is_logged.then_some(()))
    })
    .await
    .unwrap();
}

/// Runs with and without the module; all must be equal.
const RUNS: u64 = 20;

/// The streams and paths of a run.
const REQUESTS: [(u32, &str); 3] = [(1, "/1"), (3, "/2"), (5, "/3")];

/// Returns all frames that a client receives on a new connection.
async fn received_frames(envoy: &Envoy, listener: &str) -> Vec<Frame> {
    let mut client = RawClient::connect(envoy.address(listener), ClientPreface::Go).await;
    let mut frames = Vec::new();
    for (stream, path) in REQUESTS {
        client.send_get(stream, path).await;
        frames.extend(client.read_response(stream).await);
    }
    frames
}

/// Returns a response with a constant date.
fn dated(body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// Turns off Envoy's headers, which have the duration of the upstream request.
fn without_envoy_headers(mut listener: Value) -> Value {
    let filters = manager(&mut listener)["http_filters"].as_array_mut();
    let router = filters.unwrap().last_mut().unwrap();
    router["typed_config"]["suppress_envoy_headers"] = true.into();
    listener
}

#[tokio::test]
async fn http2_bytes_are_unchanged() {
    // Envoy adds a date only where the server sent none.
    let server = Server::start(|head| Some(dated(path(head)))).await;
    let listeners = [
        without_envoy_headers(http_listener("plain", 0, &[], &[])),
        without_envoy_headers(config::listener("in", Roles::Both, DRY_RUN)),
    ];
    let envoy = config::start_before(server.address, &listeners).await;

    let first = received_frames(&envoy, "plain").await;
    for _ in 0..RUNS {
        assert_eq!(received_frames(&envoy, "plain").await, first);
        assert_eq!(received_frames(&envoy, "in").await, first);
    }

    let drains = RUNS * REQUESTS.len() as u64;
    assert_metric(&envoy, "dry_run_drains_total", drains).await;
    assert_metric(&envoy, "drain_signals_total", 0).await;
}

#[tokio::test]
async fn tcp_connection_stays_open() {
    let echo = TcpEcho::start("a").await.unwrap();
    let listener = Listener::tcp("in", "db").evenkeel(Roles::Network, DRY_RUN);
    let bootstrap = Bootstrap::new().cluster(Cluster::new("db", [echo.address()]));
    let envoy = Envoy::start(bootstrap.listener(listener)).await.unwrap();
    let port = envoy.address("in").port();
    let policy = format!(
        r#"{{"version": 1, "mode": "dry_run", "tcp": [{{"name": "db", "match": {{"port": {port}}},
            "max_connection_age": "300ms", "idle_time": "0s", "drain_timeout": "100ms", "jitter": 0}}]}}"#
    );
    envoy.replace_policy("in", policy).await.unwrap();

    let mut socket = Socket::connect(envoy.address("in")).await;
    for line in ["one", "two"] {
        socket.send(format!("{line}\n")).await;
        assert_eq!(
            socket.read_until(b"\n").await,
            format!("a {line}\n").into_bytes()
        );
        let before = metric(&envoy, "dry_run_drains_total").await;
        wait_until_metric(&envoy, "dry_run_drains_total", |count| count > before).await;
    }

    assert!(socket.is_open());
    assert_metric(&envoy, "connections_drained_total", 0).await;
}

#[tokio::test]
async fn dry_run_counts_what_enforce_drains() {
    let policy = |mode| {
        format!(
            r#"{{"version": 1, "mode": "{mode}", "budget": "off", "defaults": {{"jitter": 0, "max_requests_per_connection": 3}}}}"#
        )
    };
    let (dry_run, enforce) = (policy("dry_run"), policy("enforce"));
    let listeners = [
        ("dry_run", Roles::Network, &*dry_run),
        ("enforce", Roles::Network, &*enforce),
    ];
    let (envoy, _backend) = start_listeners(&listeners).await;

    let mut socket = Socket::connect(envoy.address("dry_run")).await;
    for _ in 0..12 {
        socket.get("/").await;
    }
    let client = Client::http1(envoy.address("enforce"));
    for _ in 0..12 {
        client.get("/").await.unwrap();
    }

    assert_metric(&envoy, "dry_run_drains_total", 4).await;
    assert_metric(&envoy, "drain_signals_total", 4).await;
}
