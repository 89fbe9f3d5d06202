//! gRPC streams that `max_stream_age` ends with the status UNAVAILABLE.

use bytes::Bytes;
use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles};
use evenkeel_test_frames::http2::{
    ClientPreface, DATA, GOAWAY, HEADERS, MAX_STREAM_ID, PING, RST_STREAM, get, grpc_call, ping,
    reset,
};
use evenkeel_test_tasks::Task;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::support::raw_client::{Frame, RawClient, last_stream_id};
use crate::support::server::{Server, ok, path};
use crate::support::{
    assert_healthy, assert_metric, hyper_client, wait_for_metric, wait_for_metric_with,
    with_defaults, within,
};

const RULE: &str = r#""max_connection_age": "off", "grpc": {"max_stream_age": "1500ms"}, "http2": {"idle_wait": "0s"}"#;

/// Starts an Envoy with one listener, `in`; see [`start_with`].
async fn start(roles: Roles, policy: &str) -> (Envoy, Server) {
    start_with(&[("in", roles)], policy).await
}

/// Starts an Envoy before a server that never ends its response to `/tail`, and does not respond to `/hold`.
async fn start_with(listeners: &[(&str, Roles)], policy: &str) -> (Envoy, Server) {
    let server = Server::start(|head| {
        Some(match path(head) {
            "/tail" => b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n\
                         transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
                .to_vec(),
            "/hold" => Vec::new(),
            _ => ok("a"),
        })
    })
    .await;
    let cluster = Cluster::new("app", [server.address]);
    let mut bootstrap = Bootstrap::new().cluster(cluster);
    for (name, roles) in listeners {
        let listener = Listener::http(name).route("/", "app");
        bootstrap = bootstrap.listener(listener.evenkeel(*roles, policy));
    }
    (Envoy::start(bootstrap).await.unwrap(), server)
}

/// Opens a connection with an expired call to `path`.
async fn open_expired(envoy: &Envoy, path: &str) -> RawClient {
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Httpx).await;
    client.socket.send(grpc_call(1, path)).await;
    wait_for_metric_with(
        envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;
    client
}

/// Returns the types and END_STREAM flags of the frames of stream 1 and of GOAWAYs, in their order.
fn order(frames: &[Frame]) -> Vec<(u8, bool)> {
    frames
        .iter()
        .filter(|frame| frame.stream == 1 || frame.kind == GOAWAY)
        .filter(|frame| matches!(frame.kind, DATA | HEADERS | RST_STREAM | GOAWAY))
        .map(|frame| (frame.kind, frame.ends_stream()))
        .collect()
}

#[tokio::test]
async fn started_response_ends_with_trailers_after_the_goaway() {
    let (envoy, _server) = start(Roles::Both, &with_defaults(RULE)).await;
    let mut client = open_expired(&envoy, "/tail").await;
    assert_metric(&envoy, "grpc_streams_terminated_total", 0).await;

    // The GOAWAY comes with the next write of the server.
    client.socket.send(ping()).await;
    let frames = client.read_until(|frame| frame.kind == RST_STREAM).await;

    assert_eq!(
        order(&frames),
        [
            (HEADERS, false),
            (DATA, false),
            (GOAWAY, false),
            (HEADERS, true),
            (RST_STREAM, false),
        ]
    );
    let goaway = last_stream_id(&frames);
    assert_eq!(goaway, Some(MAX_STREAM_ID));
    let trailers = &frames[frames.len() - 2].payload;
    let text = String::from_utf8_lossy(trailers);
    assert!(text.contains("grpc-status\u{2}14"), "{text:?}");
    // NO_ERROR: the client need not send the rest of its request (RFC 9113, section 8.1).
    assert_eq!(frames[frames.len() - 1].payload, [0; 4]);
    wait_for_metric(&envoy, "grpc_streams_terminated_total", 1).await;
    assert_eq!(client.read_to_end().await, []);
    assert_metric(&envoy, "requests_aborted_total", 0).await;
    // The upstream request is reset, too.
    let stats = envoy.stats().await.unwrap();
    let aborted = "cluster.app.upstream_cx_destroy_local_with_active_rq";
    assert_eq!(stats.get(aborted), 1);
    assert_healthy(&envoy);
}

#[tokio::test]
async fn stream_without_a_response_gets_trailers_only() {
    let (envoy, _server) = start(Roles::Both, &with_defaults(RULE)).await;
    let mut client = open_expired(&envoy, "/hold").await;

    client.socket.send(ping()).await;
    let frames = client
        .read_until(|frame| frame.stream == 1 && frame.kind == RST_STREAM)
        .await;

    assert_eq!(
        order(&frames),
        [(GOAWAY, false), (HEADERS, true), (RST_STREAM, false)]
    );
    assert_eq!(client.read_to_end().await, []);
    assert_healthy(&envoy);
}

#[tokio::test]
async fn intolerant_client_is_deferred_while_another_call_is_open() {
    let (envoy, _server) = start(Roles::Both, &with_defaults(RULE)).await;
    let mut client = open_expired(&envoy, "/tail").await;
    client.send_get(3, "/tail").await;
    client.read_until(|frame| frame.stream == 3).await;

    // httpx loses streams that are open when a GOAWAY comes.
    client.socket.send(ping()).await;
    let frames = client.read_until(|frame| frame.kind == PING).await;
    assert!(
        frames.iter().all(|frame| frame.kind != GOAWAY),
        "{frames:?}"
    );
    wait_for_metric(&envoy, "drain_deferred_total", 1).await;
    assert_metric(&envoy, "grpc_streams_terminated_total", 0).await;

    // Once the expired call is the only one, it ends.
    client.socket.send(reset(3)).await;
    client.socket.send(ping()).await;
    assert_eq!(client.read_goaway().await, MAX_STREAM_ID);
    wait_for_metric(&envoy, "grpc_streams_terminated_total", 1).await;
    assert_metric(&envoy, "drain_deferred_total", 1).await;
}

/// Calls `path` with hyper, which has an HPACK decoder of its own; returns the headers and the trailers.
async fn status_of(path: &str) -> (HeaderMap, HeaderMap) {
    let (envoy, _server) = start(Roles::Both, &with_defaults(RULE)).await;
    let to = envoy.address("in");
    let (mut sender, connection) = hyper_client::connect(to).await;
    let mut request = hyper_client::request(to, path, Bytes::new());
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let response = Task::spawn(sender.send_request(request));
    wait_for_metric_with(
        &envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;
    // The GOAWAY comes with the next write of the server. If that was a late response to the first request, the
    // connection is closed and this request fails.
    let other = hyper_client::request(to, "/", Bytes::new());
    let _ = hyper_client::exchange(&mut sender, other).await;
    let response = within("the response", response.join()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = within("the body", body.collect()).await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    drop(sender);
    within("the end of the connection", connection.join())
        .await
        .unwrap();
    (head.headers, trailers)
}

#[tokio::test]
async fn grpc_client_reads_status_unavailable() {
    let (_, trailers) = status_of("/tail").await;
    assert_eq!(trailers["grpc-status"], "14");
    assert_eq!(
        trailers["grpc-message"],
        "max_stream_age is over, call again"
    );

    let (head, _) = status_of("/hold").await;
    assert_eq!(head["grpc-status"], "14");
    assert_eq!(head["grpc-message"], "max_stream_age is over, call again");
    assert_eq!(head["content-type"], "application/grpc");
}

#[tokio::test]
async fn single_role_ends_no_stream() {
    let listeners = [
        ("network", Roles::Network),
        ("http", Roles::Http),
        ("both", Roles::Both),
    ];
    let (envoy, _server) = start_with(&listeners, &with_defaults(RULE)).await;
    let mut clients = Vec::new();
    for (listener, _) in listeners {
        let mut client = RawClient::connect(envoy.address(listener), ClientPreface::Go).await;
        client.socket.send(grpc_call(1, "/tail")).await;
        client
            .read_until(|frame| frame.stream == 1 && frame.kind == DATA)
            .await;
        clients.push(client);
    }
    // The last call has expired, so all have.
    wait_for_metric_with(
        &envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;

    for client in &mut clients[..2] {
        client.send_get(3, "/").await;
        let frames = client.read_response(3).await;
        let is_other = |frame: &Frame| frame.stream != 1 && frame.kind != GOAWAY;
        assert!(frames.iter().all(is_other), "{frames:?}");
    }
    assert_metric(&envoy, "grpc_streams_terminated_total", 0).await;
    assert_metric(&envoy, "streams_unmatched_total", 2).await;
}

#[tokio::test]
async fn protected_and_non_grpc_streams_do_not_expire() {
    let policy = r#"{"version": 1, "budget": "off",
        "defaults": {"jitter": 0, "max_connection_age": "off", "grpc": {"max_stream_age": "500ms"}, "http2": {"idle_wait": "0s"}},
        "routes": [{"name": "watch", "match": {"path_prefix": "/hold"}, "protect": true}]}"#;
    let (envoy, _server) = start(Roles::Both, policy).await;
    let to = envoy.address("in");
    let mut plain = RawClient::connect(to, ClientPreface::Go).await;
    plain.send_get(1, "/tail").await;
    let mut protected = RawClient::connect(to, ClientPreface::Go).await;
    protected.socket.send(grpc_call(1, "/hold")).await;
    // A protected stream also keeps the other stream of its connection: no GOAWAY may be sent there.
    protected.socket.send(grpc_call(3, "/tail")).await;
    wait_for_metric_with(
        &envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;

    for client in [&mut plain, &mut protected] {
        client.socket.send(get(5, "/")).await;
        let frames = client.read_response(5).await;
        assert!(frames.iter().all(|frame| frame.kind != GOAWAY));
    }
    assert_metric(&envoy, "grpc_streams_terminated_total", 0).await;
    assert_healthy(&envoy);
}
