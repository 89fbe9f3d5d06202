//! HTTP/1: the announcement stands in the right answer, whatever form that has, and nothing else changes.

use bytes::Bytes;
use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use http_body_util::Full;
use hyper::Request;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, counted_with, healthy, network, rule, site, until, until_with};

#[tokio::test]
async fn the_last_request_is_answered_with_connection_close() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 2"#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    let mut closing = Vec::new();
    for _ in 0..2 {
        socket.send(get("/")).await;
        let (head, body) = socket.answer().await;
        assert_eq!(body, b"a");
        closing.push(closes(&head));
    }
    drop(socket);

    assert_eq!(closing, [false, true]);
    until(&envoy, "connections_drained_total", |closed| closed == 1).await;
    let by_client = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "client"),
    ];
    until_with(&envoy, "connections_drained_total", &by_client, 1).await;
    assert_eq!(counted(&envoy, "drain_signals_total").await, 1);
}

#[tokio::test]
async fn a_connection_past_its_age_is_announced_in_its_next_answer() {
    let (envoy, _backend) = network(r#""max_connection_age": "1s""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    socket.send(get("/")).await;
    assert!(!closes(&socket.answer().await.0));

    until(&envoy, "connections_expired_total", |due| due == 1).await;
    socket.send(get("/")).await;

    assert!(closes(&socket.answer().await.0));
    let by_age = [("drain_reason", "max_connection_age")];
    assert_eq!(
        counted_with(&envoy, "drain_signals_total", &by_age).await,
        1
    );
}

#[tokio::test]
async fn a_client_that_obeys_loses_nothing_and_moves_with_every_second_request() {
    let (envoy, backend) = network(r#""max_requests_per_connection": 2"#).await;
    let client = Client::http1(envoy.address("in"));

    for _ in 0..1000 {
        assert_eq!(client.get("/").await.unwrap().body, "a");
    }

    assert_eq!(client.connections_opened().await, 500);
    assert_eq!(backend.requests(), 1000);
    until(&envoy, "connections_drained_total", |closed| closed == 500).await;
    healthy(&envoy);
}

/// A server whose answers have every form that RFC 9112 6.3 knows.
async fn forms() -> (Envoy, Server) {
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
    let policy = rule(r#""max_requests_per_connection": 1"#);
    let entry = Entry {
        kind: "network",
        root: "n",
        vm_id: "e",
        policy: &policy,
    };
    let listeners = [
        http_listener("in", 0, &[entry], &[]),
        http_listener("plain", 0, &[], &[]),
    ];
    let envoy = config::start(&config::whole(&listeners, server.address)).await;
    (envoy, server)
}

#[tokio::test]
async fn every_form_of_answer_carries_the_announcement_and_stays_whole() {
    let (envoy, _server) = forms().await;
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

        assert!(closes(&head), "{path}: {head}");
        // Whoever leaves must have read all: what follows the body is the end, and nothing else.
        assert_eq!(
            String::from_utf8_lossy(&socket.rest().await),
            body,
            "{path}"
        );
    }
    healthy(&envoy);
}

#[tokio::test]
async fn an_interim_answer_is_no_place_for_the_announcement() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    socket
        .send("POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    assert_eq!(socket.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    socket.send("abc").await;

    let (head, body) = socket.answer().await;
    assert!(closes(&head), "{head}");
    assert_eq!(body, b"abc");
}

#[tokio::test]
async fn ten_megabytes_go_up_and_come_down_on_a_connection_that_is_leaving() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    let client = Client::http1(envoy.address("in"));
    let body = "0123456789".repeat(1024 * 1024);

    for _ in 0..2 {
        let request = Request::post("/echo")
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.headers["connection"], "close");
        assert!(answer.body == body);
    }

    assert_eq!(client.connections_opened().await, 2);
}

#[tokio::test]
async fn an_http10_client_gets_what_it_would_get_without_the_module() {
    let (envoy, _server) = forms().await;
    let mut answers = Vec::new();
    for listener in ["plain", "in"] {
        let mut socket = Socket::connect(envoy.address(listener)).await;
        socket.send("GET /whole HTTP/1.0\r\n\r\n").await;
        let (head, body) = socket.answer().await;
        answers.push((steady(&head), body));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
}

#[tokio::test]
async fn http10_client_with_keep_alive_is_told_by_close_in_the_place_of_keep_alive() {
    let (envoy, _server) = forms().await;
    let request = "GET /whole HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    let mut plain = Socket::connect(envoy.address("plain")).await;
    plain.send(request).await;
    let (expected, _) = plain.answer().await;
    assert!(
        expected.contains("connection: keep-alive\r\n"),
        "{expected}"
    );

    let mut socket = Socket::connect(envoy.address("in")).await;
    socket.send(request).await;
    let (head, body) = socket.answer().await;

    let expected = expected.replace("connection: keep-alive\r\n", "connection: close\r\n");
    assert_eq!(steady(&head), steady(&expected));
    assert_eq!(body, b"whole");
    assert_eq!(counted(&envoy, "drain_signals_total").await, 1);
    assert_eq!(socket.rest().await, b"");
}

#[tokio::test]
async fn pipelined_requests_are_all_answered_and_the_last_answer_announces() {
    let (envoy, backend) = network(r#""max_requests_per_connection": 2"#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    socket.send(get("/").repeat(8)).await;

    let mut closing = Vec::new();
    for _ in 0..8 {
        closing.push(closes(&socket.answer().await.0));
    }
    assert_eq!(
        closing.iter().position(|closes| *closes),
        Some(7),
        "{closing:?}"
    );
    // The client stays, and is closed.
    assert_eq!(socket.rest().await, b"");
    assert_eq!(
        (
            backend.requests(),
            counted(&envoy, "requests_aborted_total").await
        ),
        (8, 0)
    );
}

/// Envoy takes what it answers by itself in a loop that no filter sees.
#[tokio::test]
async fn a_burst_that_envoy_answers_by_itself_is_counted_and_its_connection_drained() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .answer("/limited", 429, "slow down")
        .route("/", "app")
        .evenkeel(Roles::Network, rule(r#""max_requests_per_connection": 12"#));
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let mut socket = Socket::connect(envoy.address("in")).await;

    let mut closing = Vec::new();
    // Of three responses of its own in one write, Envoy takes the third for a flood.
    let limited = vec![get("/limited").repeat(2); 5];
    for burst in limited.into_iter().chain([get("/"), get("/")]) {
        let requests = burst.matches("GET").count();
        socket.send(burst).await;
        for _ in 0..requests {
            let (head, body) = socket.answer().await;
            let is_limited = head.starts_with("HTTP/1.1 429");
            assert_eq!(body, if is_limited { b"slow down" } else { &b"a"[..] });
            closing.push(closes(&head));
        }
    }

    assert_eq!(closing.iter().position(|closes| *closes), Some(11));
    assert_eq!(socket.rest().await, b"");
    assert_eq!(counted(&envoy, "connections_bypassed_total").await, 0);
    assert_eq!(counted(&envoy, "requests_total").await, 12);
    healthy(&envoy);
}

#[tokio::test]
async fn what_is_not_understood_passes_as_without_the_module() {
    let (envoy, _server) = forms().await;
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
        let mut answers = Vec::new();
        for listener in ["plain", "in"] {
            let mut socket = Socket::connect(envoy.address(listener)).await;
            socket.send(garbage).await;
            let (head, body) = socket.answer().await;
            answers.push((steady(&head), body));
        }
        assert_eq!(answers[0], answers[1], "{garbage:?}");
        if let Some(cause) = cause {
            let counted = counted_with(
                &envoy,
                "connections_bypassed_total",
                &[("bypass_reason", cause)],
            )
            .await;
            assert_eq!(counted, 1, "{cause}");
        }
    }
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
}

#[tokio::test]
async fn a_request_in_single_bytes_is_as_good_as_one_in_a_piece() {
    let (envoy, _backend) = site(&[(
        "in",
        Roles::Both,
        &rule(r#""max_requests_per_connection": 1"#),
    )])
    .await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    socket.send_slowly(get("/")).await;

    assert!(closes(&socket.answer().await.0));
}

/// What an answer's head says every time: the clock and the time that it took are left out.
pub fn steady(head: &str) -> String {
    let moves = |line: &&str| {
        line.starts_with("date:") || line.starts_with("x-envoy-upstream-service-time:")
    };
    head.lines()
        .filter(|line| !moves(line))
        .collect::<Vec<_>>()
        .join("\n")
}
