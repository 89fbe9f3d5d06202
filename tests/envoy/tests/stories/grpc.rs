//! gRPC streams that end at an age of their own, with a status that says: call again.

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

use crate::support::raw_client::{Frame, RawClient};
use crate::support::server::{Server, ok, path};
use crate::support::{counted, healthy, hyper_client, rule, until, until_with, within};

const RULE: &str = r#""max_connection_age": "off", "grpc": {"max_stream_age": "1500ms"}, "http2": {"idle_wait": "0s"}"#;

/// An Envoy with one listener, `in`; see [`start_with`].
async fn start(roles: Roles, policy: &str) -> (Envoy, Server) {
    start_with(&[("in", roles)], policy).await
}

/// An Envoy before a server that begins an answer below `/tail`, never answers `/hold`, and else does.
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

/// A client with a call to `path` that is past its age.
async fn past_its_age(envoy: &Envoy, path: &str) -> RawClient {
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Httpx).await;
    client.socket.send(grpc_call(1, path)).await;
    until_with(
        envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;
    client
}

/// Kinds and ends of the frames of stream 1, and GOAWAYs, in their order.
fn order(frames: &[Frame]) -> Vec<(u8, bool)> {
    frames
        .iter()
        .filter(|frame| frame.stream == 1 || frame.kind == GOAWAY)
        .filter(|frame| matches!(frame.kind, DATA | HEADERS | RST_STREAM | GOAWAY))
        .map(|frame| (frame.kind, frame.ends_stream()))
        .collect()
}

#[tokio::test]
async fn a_stream_in_the_middle_of_its_answer_ends_with_trailers_once_the_client_was_told() {
    let (envoy, _server) = start(Roles::Both, &rule(RULE)).await;
    let mut client = past_its_age(&envoy, "/tail").await;
    assert_eq!(counted(&envoy, "grpc_streams_terminated_total").await, 0);

    // The end of the connection rides on what the server happens to write.
    client.socket.send(ping()).await;
    let frames = client.until(|frame| frame.kind == RST_STREAM).await;

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
    let goaway = frames.iter().find_map(Frame::last_stream_id);
    assert_eq!(goaway, Some(MAX_STREAM_ID));
    let trailers = &frames[frames.len() - 2].payload;
    let text = String::from_utf8_lossy(trailers);
    assert!(text.contains("grpc-status\u{2}14"), "{text:?}");
    // NO_ERROR: the client is only spared the rest of its request.
    assert_eq!(frames[frames.len() - 1].payload, [0; 4]);
    until(&envoy, "grpc_streams_terminated_total", |ended| ended == 1).await;
    assert_eq!(client.closed().await, []);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    // The server is told, too.
    let stats = envoy.stats().await.unwrap();
    let told = "cluster.app.upstream_cx_destroy_local_with_active_rq";
    assert_eq!(stats.get(told), 1);
    healthy(&envoy);
}

#[tokio::test]
async fn a_stream_that_has_no_answer_yet_gets_one_that_is_all_trailers() {
    let (envoy, _server) = start(Roles::Both, &rule(RULE)).await;
    let mut client = past_its_age(&envoy, "/hold").await;

    client.socket.send(ping()).await;
    let frames = client
        .until(|frame| frame.stream == 1 && frame.kind == RST_STREAM)
        .await;

    assert_eq!(
        order(&frames),
        [(GOAWAY, false), (HEADERS, true), (RST_STREAM, false)]
    );
    assert_eq!(client.closed().await, []);
    healthy(&envoy);
}

#[tokio::test]
async fn client_that_does_not_tolerate_it_is_not_told_while_another_call_is_open() {
    let (envoy, _server) = start(Roles::Both, &rule(RULE)).await;
    let mut client = past_its_age(&envoy, "/tail").await;
    client.get(3, "/tail").await;
    client.until(|frame| frame.stream == 3).await;

    // Httpx loses what is open: the calls below, too.
    client.socket.send(ping()).await;
    let frames = client.until(|frame| frame.kind == PING).await;
    assert!(
        frames.iter().all(|frame| frame.kind != GOAWAY),
        "{frames:?}"
    );
    until(&envoy, "drain_deferred_total", |put_off| put_off == 1).await;
    assert_eq!(counted(&envoy, "grpc_streams_terminated_total").await, 0);

    // Once the call whose time is up is alone, it ends.
    client.socket.send(reset(3)).await;
    client.socket.send(ping()).await;
    assert_eq!(client.goaway().await, MAX_STREAM_ID);
    until(&envoy, "grpc_streams_terminated_total", |ended| ended == 1).await;
    assert_eq!(counted(&envoy, "drain_deferred_total").await, 1);
}

/// A call by hyper, whose HPACK is not ours; what the client makes of its end.
async fn status_of(path: &str) -> (HeaderMap, HeaderMap) {
    let (envoy, _server) = start(Roles::Both, &rule(RULE)).await;
    let to = envoy.address("in");
    let (mut sender, connection) = hyper_client::connect(to).await;
    let mut request = hyper_client::request(to, path, Bytes::new());
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let answer = Task::spawn(sender.send_request(request));
    until_with(
        &envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;
    // Whatever the server writes then tells the client. Where the first answer itself was that late, the
    // connection has ended already, and takes no other request.
    let other = hyper_client::request(to, "/", Bytes::new());
    let _ = hyper_client::exchange(&mut sender, other).await;
    let answer = within("the answer", answer.join()).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = within("its end", body.collect()).await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    drop(sender);
    within("the end of the connection", connection.join())
        .await
        .unwrap();
    (head.headers, trailers)
}

#[tokio::test]
async fn clients_read_the_status_unavailable() {
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
async fn one_role_alone_ends_nothing() {
    let listeners = [
        ("network", Roles::Network),
        ("http", Roles::Http),
        ("both", Roles::Both),
    ];
    let (envoy, _server) = start_with(&listeners, &rule(RULE)).await;
    let mut clients = Vec::new();
    for (listener, _) in listeners {
        let mut client = RawClient::connect(envoy.address(listener), ClientPreface::Go).await;
        client.socket.send(grpc_call(1, "/tail")).await;
        client
            .until(|frame| frame.stream == 1 && frame.kind == DATA)
            .await;
        clients.push(client);
    }
    // The youngest of them is past its age.
    until_with(
        &envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;

    for client in &mut clients[..2] {
        client.get(3, "/").await;
        let frames = client.answer(3).await;
        let is_other = |frame: &Frame| frame.stream != 1 && frame.kind != GOAWAY;
        assert!(frames.iter().all(is_other), "{frames:?}");
    }
    assert_eq!(counted(&envoy, "grpc_streams_terminated_total").await, 0);
    assert_eq!(counted(&envoy, "streams_unmatched_total").await, 2);
}

#[tokio::test]
async fn protected_streams_and_those_that_are_no_calls_are_spared() {
    let policy = r#"{"version": 1, "budget": "off",
        "defaults": {"jitter": 0, "max_connection_age": "off", "grpc": {"max_stream_age": "500ms"}, "http2": {"idle_wait": "0s"}},
        "routes": [{"name": "watch", "match": {"path_prefix": "/hold"}, "protect": true}]}"#;
    let (envoy, _server) = start(Roles::Both, policy).await;
    let to = envoy.address("in");
    let mut plain = RawClient::connect(to, ClientPreface::Go).await;
    plain.get(1, "/tail").await;
    let mut protected = RawClient::connect(to, ClientPreface::Go).await;
    protected.socket.send(grpc_call(1, "/hold")).await;
    // The protected one spares its neighbour, too: its connection cannot be told.
    protected.socket.send(grpc_call(3, "/tail")).await;
    until_with(
        &envoy,
        "connections_expired_total",
        &[("drain_reason", "max_stream_age")],
        1,
    )
    .await;

    for client in [&mut plain, &mut protected] {
        client.socket.send(get(5, "/")).await;
        let frames = client.answer(5).await;
        assert!(frames.iter().all(|frame| frame.kind != GOAWAY));
    }
    assert_eq!(counted(&envoy, "grpc_streams_terminated_total").await, 0);
    healthy(&envoy);
}
