//! HTTP/2 frame by frame: which GOAWAY a client gets, at which position, and what follows.

use evenkeel_test_envoy::Roles;
use evenkeel_test_frames::http2::{
    ClientPreface, DATA, GOAWAY, HEADERS, MAX_STREAM_ID, PING, frame, get, head_expecting_continue,
    post, reset,
};

use crate::support::raw_client::{Frame, RawClient, last_stream_id};
use crate::support::socket::Socket;
use crate::support::{
    BY_AGE, CLOSED_BY_MODULE, assert_metric, assert_metric_with, metric, start_listeners,
    start_network, wait_for_metric, wait_for_metric_with, with_defaults,
};

/// Returns the GOAWAYs and ends of streams in their order.
fn order(frames: &[Frame]) -> Vec<&'static str> {
    let name = |frame: &Frame| match frame.kind {
        GOAWAY => Some("goaway"),
        _ if frame.ends_stream() => Some("end"),
        _ => None,
    };
    frames.iter().filter_map(name).collect()
}

#[tokio::test]
async fn each_client_gets_the_goaway_that_it_tolerates() {
    // Node is drained at the end of a response only after half of the `drain_timeout`.
    let (envoy, _backend) =
        start_network(r#""max_requests_per_connection": 1, "drain_timeout": "1s""#).await;
    for (preface, is_exact, expected) in [
        (ClientPreface::Go, false, ["end", "goaway"]),
        (ClientPreface::Httpx, true, ["end", "goaway"]),
        (ClientPreface::Node, false, ["goaway", "end"]),
    ] {
        let mut client = RawClient::connect(envoy.address("in"), preface).await;

        let (frames, stream) = client
            .request_until_goaway(1, |stream| get(stream, "/"))
            .await;

        assert_eq!(order(&frames), expected, "{preface:?}");
        assert_eq!(
            stream > 1,
            matches!(preface, ClientPreface::Node),
            "{preface:?}"
        );
        assert_eq!(
            last_stream_id(&frames),
            Some(if is_exact { stream } else { MAX_STREAM_ID }),
            "{preface:?}"
        );
        // The module closes the connection after `close_delay`.
        assert_eq!(client.read_to_end().await, []);
    }
    wait_for_metric(&envoy, "connections_drained_total", 3).await;
    wait_for_metric_with(&envoy, "connections_drained_total", CLOSED_BY_MODULE, 3).await;
}

#[tokio::test]
async fn preface_and_request_in_single_bytes_are_recognized() {
    let (envoy, _backend) = start_listeners(&[(
        "in",
        Roles::Both,
        &with_defaults(r#""max_requests_per_connection": 1"#),
    )])
    .await;
    let mut client = RawClient::of(Socket::connect(envoy.address("in")).await);

    // Envoy takes a first read with less than `PRI * HTTP/2` for HTTP/1, and responds with 400.
    let preface = ClientPreface::Httpx.bytes();
    let (first_read, rest) = preface.split_at(12);
    client.socket.send(first_read).await;
    // Envoy writes its SETTINGS before it has read the rest.
    assert!(client.socket.wait_for_data().await);
    client.socket.send_byte_by_byte(rest).await;
    client.socket.send_byte_by_byte(get(1, "/")).await;

    client.read_response(1).await;
    assert_eq!(client.read_goaway().await, 1);
    assert_metric(&envoy, "connections_bypassed_total", 0).await;
}

#[tokio::test]
async fn stream_below_the_last_stream_id_is_served_and_refused_one_is_not_delivered() {
    let (envoy, backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let mut go = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    go.send_get(1, "/").await;
    assert_eq!(go.read_goaway().await, MAX_STREAM_ID);
    go.send_get(3, "/").await;
    go.read_response(3).await;
    assert_eq!(backend.requests(), 2);

    let mut httpx = RawClient::connect(envoy.address("in"), ClientPreface::Httpx).await;
    httpx.send_get(1, "/").await;
    assert_eq!(httpx.read_goaway().await, 1);
    httpx.socket.send(post(3, "/echo", b"order")).await;

    assert_eq!(httpx.read_to_end().await, []);
    assert_eq!(backend.requests(), 3);
}

#[tokio::test]
async fn active_client_is_drained_after_idle_wait_and_its_streams_are_served() {
    let (envoy, backend) =
        start_network(r#""max_requests_per_connection": 16, "http2": {"idle_wait": "100ms"}"#)
            .await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    for stream in (1..=31).step_by(2) {
        client.send_get(stream, "/hold").await;
    }
    wait_for_metric(&envoy, "requests_total", 16).await;

    // Each response is a point for a GOAWAY, but never on an idle connection: sixteen streams stay open.
    let mut stream = 33;
    let last = loop {
        client.send_get(stream, "/").await;
        let frames = client.read_response_and_ping(stream).await;
        if let Some(last) = last_stream_id(&frames) {
            break last;
        }
        stream += 2;
    };
    assert_eq!(last, MAX_STREAM_ID);

    backend.release();
    let mut ends = 0;
    let all = |frame: &Frame| {
        ends += u32::from(frame.ends_stream());
        ends == 16
    };
    client.read_until(all).await;
    assert_eq!(client.read_to_end().await, []);
    assert_metric(&envoy, "requests_aborted_total", 0).await;
}

#[tokio::test]
async fn long_stream_is_aborted_only_with_a_drain_timeout() {
    let held = r#""max_connection_age": "500ms", "http2": {"idle_wait": "0s"}"#;
    let unlimited = with_defaults(held);
    let limited = with_defaults(&format!(r#"{held}, "drain_timeout": "1s""#));
    let (envoy, backend) = start_listeners(&[
        ("unlimited", Roles::Network, &unlimited),
        ("limited", Roles::Network, &limited),
    ])
    .await;
    let mut clients = Vec::new();
    for listener in ["unlimited", "limited"] {
        let mut client = RawClient::connect(envoy.address(listener), ClientPreface::Go).await;
        client.send_get(1, "/tail").await;
        clients.push(client);
    }
    wait_for_metric(&envoy, "connections_expired_total", 2).await;
    for client in &mut clients {
        client.send_get(3, "/").await;
        assert_eq!(client.read_goaway().await, MAX_STREAM_ID);
    }

    clients[1].read_to_end().await;
    assert_metric_with(&envoy, "requests_aborted_total", BY_AGE, 1).await;

    // The connection without a drain timeout got its GOAWAY at the same time.
    backend.release();
    clients[0].read_response(1).await;
    assert_metric(&envoy, "requests_aborted_total", 1).await;
}

/// Requests below `/tail` have no drain timeout, and may be protected; the others have one.
const TWO_TIMEOUTS: &str = r#"{"version": 1, "budget": "off",
    "defaults": {"jitter": 0, "max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}, "drain_timeout": "700ms"},
    "routes": [{"name": "long", "match": {"path_prefix": "/tail"}, "protect": PROTECT, "drain_timeout": "off"}]}"#;

#[tokio::test]
async fn stream_keeps_the_drain_timeout_of_its_own_rule() {
    let policy = TWO_TIMEOUTS.replace("PROTECT", "false");
    let (envoy, backend) = start_listeners(&[("in", Roles::Both, &policy)]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.send_get(1, "/tail").await;
    client.read_until(|frame| frame.stream == 1).await;
    client.send_get(3, "/").await;
    assert_eq!(client.read_goaway().await, MAX_STREAM_ID);

    // When a connection that was drained later is aborted, the drain timeout of the first is over, too.
    let mut other = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    other.send_get(1, "/hold").await;
    other.send_get(3, "/").await;
    other.read_to_end().await;
    wait_for_metric(&envoy, "requests_aborted_total", 1).await;

    backend.release();
    client.read_response(1).await;
    assert_metric(&envoy, "requests_aborted_total", 1).await;
}

#[tokio::test]
async fn protected_stream_is_not_aborted_by_another_rule() {
    let policy = TWO_TIMEOUTS.replace("PROTECT", "true");
    let (envoy, backend) = start_listeners(&[("in", Roles::Both, &policy)]).await;
    let mut clients = Vec::new();
    for path in ["/tail", "/hold"] {
        let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
        client.send_get(1, "/hold").await;
        client.send_get(3, "/").await;
        assert_eq!(client.read_goaway().await, MAX_STREAM_ID);
        // Stream 5 was in transit when the GOAWAY came; the rule of stream 7 would end the connection.
        client.send_get(5, path).await;
        client.send_get(7, "/").await;
        client.read_response(7).await;
        clients.push(client);
    }

    clients[1].read_to_end().await;
    wait_for_metric(&envoy, "requests_aborted_total", 2).await;

    backend.release();
    clients[0].read_response(5).await;
    assert_metric(&envoy, "requests_aborted_total", 2).await;
}

#[tokio::test]
async fn client_reset_ends_the_stream() {
    let (envoy, backend) = start_network(r#""max_requests_per_connection": 2"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.send_get(1, "/tail").await;
    client.read_until(|frame| frame.stream == 1).await;

    client.socket.send(reset(1)).await;
    client.send_get(3, "/").await;

    client.read_response(3).await;
    assert_eq!(client.read_goaway().await, MAX_STREAM_ID);
    assert_eq!(client.read_to_end().await, []);
    assert_eq!(
        (
            backend.requests(),
            metric(&envoy, "requests_aborted_total").await
        ),
        (2, 0)
    );
}

/// To python h2, a PING behind an exact GOAWAY is an error.
#[tokio::test]
async fn goaway_is_the_last_frame_of_an_idle_connection() {
    let policy = |goaway| {
        with_defaults(&format!(
            r#""max_connection_age": "500ms", "http2": {{"last_stream_id": "{goaway}"}}"#
        ))
    };
    let (auto, exact, max) = (policy("auto"), policy("exact"), policy("max"));
    let (envoy, _backend) = start_listeners(&[
        ("auto", Roles::Network, &auto),
        ("exact", Roles::Network, &exact),
        ("max", Roles::Network, &max),
    ])
    .await;
    for (listener, preface, last) in [
        ("auto", ClientPreface::Go, MAX_STREAM_ID),
        ("auto", ClientPreface::Httpx, 1),
        ("exact", ClientPreface::Go, 1),
        ("max", ClientPreface::Httpx, MAX_STREAM_ID),
    ] {
        let mut client = RawClient::connect(envoy.address(listener), preface).await;
        client.send_get(1, "/").await;
        client.read_response(1).await;

        let mut frames = client.ping_until_goaway().await;

        let goaway = frames.pop().unwrap();
        assert_eq!(
            goaway.last_stream_id(),
            Some(last),
            "{listener} {preface:?}"
        );
        assert_eq!(frames.pop().unwrap().kind, PING, "{listener} {preface:?}");
        if last == 1 {
            assert_eq!(
                client.socket.read_to_end().await,
                b"",
                "{listener} {preface:?}"
            );
        }
    }
}

/// Clients that only the order of their settings identifies, and an unknown one.
#[tokio::test]
async fn tuned_and_unknown_clients_are_drained_when_idle_and_not_behind_a_response() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    for preface in [
        // Node's core client with `enablePush: false`; undici 7.0 begins in the same way.
        ClientPreface::Custom(&[(2, 0)], None),
        // Java's HttpClient before October 2024.
        ClientPreface::Custom(
            &[(1, 16_384), (2, 0), (3, 0), (4, 16_777_216), (5, 16_384)],
            Some(33_488_897),
        ),
        // hyper 0.14.
        ClientPreface::Custom(&[(2, 0), (4, 2_097_152), (5, 16_384)], Some(5_177_345)),
        ClientPreface::Custom(&[(4, 65_535), (1, 4096)], None),
    ] {
        let mut client = RawClient::connect(envoy.address("in"), preface).await;
        for stream in [1, 3, 5] {
            client.send_get(stream, "/").await;
            let frames = client.read_response_and_ping(stream).await;
            assert_eq!(order(&frames), ["end"], "{preface:?}");
        }

        let frames = client.ping_until_goaway().await;

        assert_eq!(
            frames.last().and_then(Frame::last_stream_id),
            Some(MAX_STREAM_ID),
            "{preface:?}"
        );
    }
}

/// The next request of Go may have a body that it cannot send again.
#[tokio::test]
async fn go_with_bodies_is_drained_when_idle_and_not_behind_a_response() {
    let (envoy, _backend) =
        start_network(r#""max_requests_per_connection": 1, "http2": {"idle_wait": "0s"}"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    for stream in [1, 3] {
        client.socket.send(post(stream, "/echo", b"body")).await;
        let frames = client.read_response_and_ping(stream).await;
        assert_eq!(order(&frames), ["end"]);
    }

    let frames = client.ping_until_goaway().await;

    assert_eq!(
        frames.last().and_then(Frame::last_stream_id),
        Some(MAX_STREAM_ID)
    );
    client.socket.send(post(5, "/echo", b"body")).await;
    client.read_response(5).await;
}

/// `100 Continue` and a response without a body are two HEADERS frames, like a response with trailers.
#[tokio::test]
async fn node_is_not_taken_for_a_grpc_client_by_an_interim_response() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Node).await;
    client.socket.send(head_expecting_continue(1, "/")).await;
    client.read_until(|frame| frame.kind == HEADERS).await;
    client.socket.send(frame(DATA, 1, 1, b"body")).await;
    let frames = client
        .read_until(|frame| frame.stream == 1 && frame.ends_stream())
        .await;
    assert!(frames.iter().any(|frame| frame.kind == HEADERS));
    client.ping_until_goaway().await;

    let node = [("http2_client", "node")];
    assert_metric_with(&envoy, "http2_connections_total", &node, 1).await;
    assert_metric_with(&envoy, "goaways_total", &node, 1).await;
}

#[tokio::test]
async fn expired_idle_http2_connection_stays_open() {
    let (envoy, _backend) = start_network(
        r#""max_connection_age": "300ms", "drain_timeout": "100ms", "close_delay": "100ms""#,
    )
    .await;
    let mut idle = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    idle.send_get(1, "/").await;
    idle.read_response(1).await;
    wait_for_metric(&envoy, "connections_expired_total", 1).await;

    let mut other = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    wait_for_metric(&envoy, "connections_expired_total", 2).await;
    other.send_get(1, "/").await;
    other.read_response(1).await;
    other.read_to_end().await;

    idle.send_get(3, "/").await;
    idle.read_response(3).await;
    assert_eq!(idle.read_goaway().await, MAX_STREAM_ID);
}

#[tokio::test]
async fn no_goaway_before_a_limit_is_reached() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 100"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    for stream in (1..=99).step_by(2) {
        client.send_get(stream, "/").await;
        let frames = client.read_response(stream).await;
        assert_eq!(order(&frames), ["end"]);
    }
    assert_metric(&envoy, "drain_signals_total", 0).await;
}
