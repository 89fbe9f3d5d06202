//! HTTP/1: `connection: close` is in the right response, whatever its form, and nothing else changes.

use bytes::Bytes;
use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use http_body_util::Full;
use hyper::Request;

use crate::support::config::{self, http_listener};
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, announces_close, get};
use crate::support::{
    assert_healthy, assert_metric, assert_metric_with, metric, start_listeners, start_network,
    wait_for_metric, wait_for_metric_with, with_defaults,
};

#[tokio::test]
async fn response_to_the_last_request_has_connection_close() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 2"#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    let mut closing = Vec::new();
    for _ in 0..2 {
        let (head, body) = socket.get("/").await;
        assert_eq!(body, b"a");
        closing.push(announces_close(&head));
    }
    drop(socket);

    assert_eq!(closing, [false, true]);
    wait_for_metric(&envoy, "connections_drained_total", 1).await;
    let by_client = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "client"),
    ];
    wait_for_metric_with(&envoy, "connections_drained_total", &by_client, 1).await;
    assert_metric(&envoy, "drain_signals_total", 1).await;
}

#[tokio::test]
async fn expired_connection_is_drained_with_its_next_response() {
    let (envoy, _backend) = start_network(r#""max_connection_age": "1s""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    assert!(!announces_close(&socket.get("/").await.0));

    wait_for_metric(&envoy, "connections_expired_total", 1).await;
    assert!(announces_close(&socket.get("/").await.0));
    let by_age = [("drain_reason", "max_connection_age")];
    assert_metric_with(&envoy, "drain_signals_total", &by_age, 1).await;
}

#[tokio::test]
async fn client_reconnects_at_each_limit_without_a_loss() {
    let (envoy, backend) = start_network(r#""max_requests_per_connection": 2"#).await;
    let client = Client::http1(envoy.address("in"));

    for _ in 0..1000 {
        assert_eq!(client.get("/").await.unwrap().body, "a");
    }

    assert_eq!(client.connections_opened().await, 500);
    assert_eq!(backend.requests(), 1000);
    wait_for_metric(&envoy, "connections_drained_total", 500).await;
    assert_healthy(&envoy);
}

/// Starts a server with every form of response in RFC 9112 6.3, and an Envoy with and without the module.
async fn start_response_forms() -> (Envoy, Server) {
    let server = Server::start(|head| {
        Some(match path(head) {
            "/head" => b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n".to_vec(),
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "/304" => b"HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n".to_vec(),
            "/chunks" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 7\r\n\r\n".to_vec(),
            _ => ok("whole"),
        })
    });
    let server = server.await;
    let policy = with_defaults(r#""max_requests_per_connection": 1"#);
    let listeners = [
        config::listener("in", Roles::Network, &policy),
        http_listener("plain", 0, &[], &[]),
    ];
    let envoy = config::start_before(server.address, &listeners).await;
    (envoy, server)
}

#[tokio::test]
async fn every_form_of_response_is_complete_with_connection_close() {
    let (envoy, _server) = start_response_forms().await;
    for (method, path, body) in [
        ("GET", "/whole", "whole"),
        ("GET", "/chunks", "1\r\na\r\n0\r\nx-sum: 7\r\n\r\n"),
        ("HEAD", "/head", ""),
        ("GET", "/204", ""),
        ("GET", "/304", ""),
    ] {
        let mut socket = Socket::connect(envoy.address("in")).await;
        socket
            .send(format!(
                "{method} {path} HTTP/1.1\r\nhost: a\r\nte: trailers\r\n\r\n"
            ))
            .await;

        let head = socket.head().await;

        assert!(announces_close(&head), "{path}: {head}");
        // The close follows the body.
        assert_eq!(
            String::from_utf8_lossy(&socket.read_to_end().await),
            body,
            "{path}"
        );
    }
    assert_healthy(&envoy);
}

#[tokio::test]
async fn interim_response_has_no_connection_close() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    socket
        .send("POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    assert_eq!(socket.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.send("abc").await;

    let (head, body) = socket.response().await;
    assert!(announces_close(&head), "{head}");
    assert_eq!(body, b"abc");
}

#[tokio::test]
async fn ten_megabyte_bodies_pass_a_draining_connection() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let client = Client::http1(envoy.address("in"));
    let body = "0123456789".repeat(1024 * 1024);

    for _ in 0..2 {
        let request = Request::post("/echo")
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(response.headers["connection"], "close");
        assert!(response.body == body);
    }

    assert_eq!(client.connections_opened().await, 2);
}

#[tokio::test]
async fn http10_without_keep_alive_is_unchanged() {
    let (envoy, _server) = start_response_forms().await;
    let mut responses = Vec::new();
    for listener in ["plain", "in"] {
        let mut socket = Socket::connect(envoy.address(listener)).await;
        socket.send("GET /whole HTTP/1.0\r\n\r\n").await;
        let (head, body) = socket.response().await;
        responses.push((without_times(&head), body));
    }
    assert_eq!(responses[0], responses[1]);
    assert_metric(&envoy, "drain_signals_total", 0).await;
}

#[tokio::test]
async fn http10_keep_alive_is_replaced_by_close() {
    let (envoy, _server) = start_response_forms().await;
    let request = "GET /whole HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    let mut plain = Socket::connect(envoy.address("plain")).await;
    plain.send(request).await;
    let (expected, _) = plain.response().await;
    assert!(
        expected.contains("connection: keep-alive\r\n"),
        "{expected}"
    );

    let mut socket = Socket::connect(envoy.address("in")).await;
    socket.send(request).await;
    let (head, body) = socket.response().await;

    let expected = expected.replace("connection: keep-alive\r\n", "connection: close\r\n");
    assert_eq!(without_times(&head), without_times(&expected));
    assert_eq!(body, b"whole");
    assert_metric(&envoy, "drain_signals_total", 1).await;
    assert_eq!(socket.read_to_end().await, b"");
}

#[tokio::test]
async fn only_the_last_pipelined_response_has_connection_close() {
    let (envoy, backend) = start_network(r#""max_requests_per_connection": 2"#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    socket.send(get("/").repeat(8)).await;

    let mut closing = Vec::new();
    for _ in 0..8 {
        closing.push(announces_close(&socket.response().await.0));
    }
    assert_eq!(
        closing.iter().position(|closes| *closes),
        Some(7),
        "{closing:?}"
    );
    // The module closes the connection of a client that does not.
    assert_eq!(socket.read_to_end().await, b"");
    assert_eq!(
        (
            backend.requests(),
            metric(&envoy, "requests_aborted_total").await
        ),
        (8, 0)
    );
}

/// The module does not read most responses, and takes what the client sends next for a request after them. From a client
/// that does not wait, Envoy reads ahead once: the first byte of the next request, or all of it.
#[tokio::test]
async fn request_in_the_middle_of_a_response_that_is_not_read() {
    for ahead in [1, get("/").len()] {
        let (envoy, backend) = start_network(r#""max_requests_per_connection": 5"#).await;
        let mut socket = Socket::connect(envoy.address("in")).await;
        assert_eq!(socket.get("/").await.1, b"a");
        socket.send(get("/tail")).await;
        assert!(!announces_close(&socket.head().await));
        assert_eq!(socket.read_until(b"\r\n").await, b"1\r\n");
        let next = get("/");
        let (first, rest) = next.split_at(ahead);
        let before = metric(&envoy, "requests_total").await;
        socket.send(first).await;
        if rest.is_empty() {
            wait_for_metric(&envoy, "requests_total", before.max(2) + 1).await;
        }
        socket.send(rest).await;
        backend.release();

        assert_eq!(socket.read_until(b"0\r\n\r\n").await, b"a\r\n0\r\n\r\n");
        assert_eq!(socket.response().await.1, b"a");
        let mut closing = Vec::new();
        while !closing.contains(&true) {
            let (head, body) = socket.get("/").await;
            assert_eq!(body, b"a");
            closing.push(announces_close(&head));
        }
        // A request that Envoy has read ahead as a whole is counted twice.
        assert!((1..=2).contains(&closing.len()), "{closing:?}");
        assert_eq!(socket.read_to_end().await, b"");
        assert_metric(&envoy, "connections_bypassed_total", 0).await;
        assert_metric(&envoy, "requests_aborted_total", 0).await;
        assert_healthy(&envoy);
    }
}

/// Envoy processes requests with local replies in a loop that no filter sees.
#[tokio::test]
async fn local_replies_to_pipelined_requests_count_towards_the_limit() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .direct_response("/limited", 429, "slow down")
        .route("/", "app")
        .evenkeel(
            Roles::Network,
            with_defaults(r#""max_requests_per_connection": 12"#),
        );
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let mut socket = Socket::connect(envoy.address("in")).await;

    let mut closing = Vec::new();
    // Envoy takes a third local reply in one write for a flood.
    let limited = vec![get("/limited").repeat(2); 5];
    for burst in limited.into_iter().chain([get("/"), get("/")]) {
        let requests = burst.matches("GET").count();
        socket.send(burst).await;
        for _ in 0..requests {
            let (head, body) = socket.response().await;
            let is_limited = head.starts_with("HTTP/1.1 429");
            assert_eq!(body, if is_limited { b"slow down" } else { &b"a"[..] });
            closing.push(announces_close(&head));
        }
    }

    assert_eq!(closing.iter().position(|closes| *closes), Some(11));
    assert_eq!(socket.read_to_end().await, b"");
    assert_metric(&envoy, "connections_bypassed_total", 0).await;
    wait_for_metric(&envoy, "requests_total", 12).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn malformed_requests_pass_unchanged() {
    let (envoy, _server) = start_response_forms().await;
    for (garbage, cause) in [
        (
            "GET /whole HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
            Some("field"),
        ),
        (
            "GET /whole HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            Some("framing"),
        ),
        ("GET /whole HTTP/1.1\nhost: a\n\n", None),
        ("\u{16}\u{3}\u{1}\0\u{5}hello", None),
        ("hello\r\n\r\n", None),
    ] {
        let mut responses = Vec::new();
        for listener in ["plain", "in"] {
            let mut socket = Socket::connect(envoy.address(listener)).await;
            socket.send(garbage).await;
            let (head, body) = socket.response().await;
            responses.push((without_times(&head), body));
        }
        assert_eq!(responses[0], responses[1], "{garbage:?}");
        if let Some(cause) = cause {
            let reason = [("bypass_reason", cause)];
            assert_metric_with(&envoy, "connections_bypassed_total", &reason, 1).await;
        }
    }
    assert_metric(&envoy, "drain_signals_total", 0).await;
}

#[tokio::test]
async fn request_in_single_bytes_is_counted() {
    let (envoy, _backend) = start_listeners(&[(
        "in",
        Roles::Both,
        &with_defaults(r#""max_requests_per_connection": 1"#),
    )])
    .await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    socket.send_byte_by_byte(get("/")).await;

    assert!(announces_close(&socket.response().await.0));
}

/// Returns a response head without the fields that change with time.
pub fn without_times(head: &str) -> String {
    without_fields(head, &["date:", "x-envoy-upstream-service-time:"])
}

/// Returns a head without these fields.
pub fn without_fields(head: &str, fields: &[&str]) -> String {
    let is_kept = |line: &&str| !fields.iter().any(|field| line.starts_with(field));
    head.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}
