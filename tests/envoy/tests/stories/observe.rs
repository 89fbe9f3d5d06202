//! Observe mode: everything is counted and said, and not one byte is different.

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, TcpEcho, eventually};
use evenkeel_test_frames::http2::ClientPreface;

use serde_json::Value;

use crate::http1::steady;
use crate::support::config::{self, Entry, http_listener};
use crate::support::raw_client::{Frame, RawClient};
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, get};
use crate::support::{counted, counted_with, until};

const OBSERVE: &str = r#"{"version": 1, "mode": "dry_run", "budget": "off", "keepalive": {"http1_hint": true},
    "defaults": {"jitter": 0, "max_requests_per_connection": 1}, "upstream": {"max_requests_per_connection": 1, "jitter": 0}}"#;

#[tokio::test]
async fn http1_bytes_are_the_same_in_both_directions() {
    let server = Server::start(|head| Some(ok(path(head)))).await;
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy: OBSERVE,
    };
    let listeners = [
        http_listener("plain", 0, &[], &[]),
        http_listener("in", 0, &[entry("network", "n")], &[entry("http", "h")]),
    ];
    let envoy = config::start(&config::whole(&listeners, server.address)).await;

    let mut received = Vec::new();
    let mut passed_on = Vec::new();
    for listener in ["plain", "in"] {
        let before = server.seen().concat().len();
        let mut socket = Socket::connect(envoy.address(listener)).await;
        let mut answers = Vec::new();
        for request in ["/1", "/2", "/3"] {
            socket
                .send(format!(
                    "POST {request} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab"
                ))
                .await;
            let (head, body) = socket.answer().await;
            answers.push((steady(&head), body));
        }
        received.push(answers);
        let same = |head: &String| {
            let moves = |line: &&str| line.starts_with("x-request-id:");
            head.lines()
                .filter(|line| !moves(line))
                .collect::<Vec<_>>()
                .join("\n")
        };
        passed_on.push(
            server.seen().concat()[before..]
                .iter()
                .map(same)
                .collect::<Vec<_>>(),
        );
        assert!(socket.is_open());
    }

    assert_eq!(received[0], received[1]);
    assert_eq!(passed_on[0], passed_on[1]);
    assert_eq!(
        counted_with(
            &envoy,
            "dry_run_drains_total",
            &[("drain_reason", "max_requests_per_connection")]
        )
        .await,
        3
    );
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
    eventually("a line in the log", || async {
        let said = envoy.log().contains("dry run: would have drained");
        Ok(said.then_some(()))
    })
    .await
    .unwrap();
}

/// Pairs of runs, every one of which must be the same.
const RUNS: u64 = 20;

/// The streams and paths of a run.
const REQUESTS: [(u32, &str); 3] = [(1, "/1"), (3, "/2"), (5, "/3")];

/// Everything that a client receives on a new connection.
async fn frames_of_a_run(envoy: &Envoy, listener: &str) -> Vec<Frame> {
    let mut client = RawClient::connect(envoy.address(listener), ClientPreface::Go).await;
    let mut frames = Vec::new();
    for (stream, path) in REQUESTS {
        client.get(stream, path).await;
        frames.extend(client.answer(stream).await);
    }
    frames
}

/// An answer with a date of its own.
fn dated(body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// The listener without Envoy's header that tells how long the server took.
fn without_times(mut listener: Value) -> Value {
    let filters = listener["filter_chains"][0]["filters"].as_array_mut();
    let manager = filters.unwrap().last_mut().unwrap();
    let filters = manager["typed_config"]["http_filters"].as_array_mut();
    let router = filters.unwrap().last_mut().unwrap();
    router["typed_config"]["suppress_envoy_headers"] = true.into();
    listener
}

#[tokio::test]
async fn http2_bytes_are_the_same() {
    // Envoy keeps the date of a server, and adds its own only where there is none: so no two runs differ by it.
    let server = Server::start(|head| Some(dated(path(head)))).await;
    let entry = |kind, root| Entry {
        kind,
        root,
        vm_id: "e",
        policy: OBSERVE,
    };
    let listeners = [
        without_times(http_listener("plain", 0, &[], &[])),
        without_times(http_listener(
            "in",
            0,
            &[entry("network", "n")],
            &[entry("http", "h")],
        )),
    ];
    let envoy = config::start(&config::whole(&listeners, server.address)).await;

    let first = frames_of_a_run(&envoy, "plain").await;
    for _ in 0..RUNS {
        assert_eq!(frames_of_a_run(&envoy, "plain").await, first);
        assert_eq!(frames_of_a_run(&envoy, "in").await, first);
    }

    let observed = counted(&envoy, "dry_run_drains_total").await;
    assert_eq!(observed, RUNS * REQUESTS.len() as u64);
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
}

#[tokio::test]
async fn a_raw_connection_that_would_have_been_closed_goes_on() {
    let echo = TcpEcho::start("a").await.unwrap();
    let listener = Listener::tcp("in", "db").evenkeel(Roles::Network, OBSERVE);
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
            socket.take_until(b"\n").await,
            format!("a {line}\n").into_bytes()
        );
        let seen = counted(&envoy, "dry_run_drains_total").await;
        until(&envoy, "dry_run_drains_total", |observed| observed > seen).await;
    }

    assert!(socket.is_open());
    assert_eq!(counted(&envoy, "connections_drained_total").await, 0);
}

#[tokio::test]
async fn what_observing_says_is_what_enforcing_does() {
    let policy = |mode| {
        format!(
            r#"{{"version": 1, "mode": "{mode}", "budget": "off", "defaults": {{"jitter": 0, "max_requests_per_connection": 3}}}}"#
        )
    };
    let (observe, enforce) = (policy("dry_run"), policy("enforce"));
    let listeners = [
        ("observe", Roles::Network, &*observe),
        ("enforce", Roles::Network, &*enforce),
    ];
    let (envoy, _backend) = crate::support::site(&listeners).await;

    let mut socket = Socket::connect(envoy.address("observe")).await;
    for _ in 0..12 {
        socket.send(get("/")).await;
        socket.answer().await;
    }
    let client = evenkeel_test_envoy::Client::http1(envoy.address("enforce"));
    for _ in 0..12 {
        client.get("/").await.unwrap();
    }

    assert_eq!(counted(&envoy, "dry_run_drains_total").await, 4);
    assert_eq!(counted(&envoy, "drain_signals_total").await, 4);
}
