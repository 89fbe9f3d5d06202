//! HTTP/2 seen frame by frame: which GOAWAY a client is sent, where it stands, and what follows.

use evenkeel_test_envoy::Roles;
use evenkeel_test_frames::http2::{
    ClientPreface, DATA, GOAWAY, HEADERS, MAX_STREAM_ID, PING, frame, get, head_expecting_continue,
    ping, post, reset,
};

use crate::support::raw_client::{Frame, RawClient};
use crate::support::socket::Socket;
use crate::support::{counted, counted_with, network, rule, site, until, until_with};

/// Kinds and ends of the frames of a stream, and GOAWAYs, in their order.
fn order(frames: &[Frame]) -> Vec<&'static str> {
    let name = |frame: &Frame| match frame.kind {
        GOAWAY => Some("goaway"),
        _ if frame.ends_stream() => Some("end"),
        _ => None,
    };
    frames.iter().filter_map(name).collect()
}

#[tokio::test]
async fn each_client_is_told_in_the_words_and_at_the_place_that_it_bears() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    for (preface, last, expected) in [
        (ClientPreface::Go, MAX_STREAM_ID, ["end", "goaway"]),
        (ClientPreface::Httpx, 1, ["end", "goaway"]),
        (ClientPreface::Node, MAX_STREAM_ID, ["goaway", "end"]),
    ] {
        let mut client = RawClient::connect(envoy.address("in"), preface).await;
        client.get(1, "/").await;

        let mut frames = client.answer(1).await;
        if order(&frames) == ["end"] {
            frames.extend(client.until(|frame| frame.kind == GOAWAY).await);
        }

        assert_eq!(order(&frames), expected, "{preface:?}");
        assert_eq!(
            frames.iter().find_map(Frame::last_stream_id),
            Some(last),
            "{preface:?}"
        );
        // None of them closes: after the close_delay it is done for them.
        assert_eq!(client.closed().await, []);
    }
    until(&envoy, "connections_drained_total", |closed| closed == 3).await;
    until_with(
        &envoy,
        "connections_drained_total",
        &[("closed_by", "evenkeel")],
        3,
    )
    .await;
}

#[tokio::test]
async fn a_greeting_and_a_request_in_single_bytes_are_as_good_as_in_a_piece() {
    let (envoy, _backend) = site(&[(
        "in",
        Roles::Both,
        &rule(r#""max_requests_per_connection": 1"#),
    )])
    .await;
    let mut client = RawClient::of(Socket::connect(envoy.address("in")).await);

    // Envoy itself takes less than `PRI * HTTP/2` in its first read for HTTP/1, and answers 400.
    let preface = ClientPreface::Httpx.bytes();
    let (whole, single) = preface.split_at(12);
    client.socket.send(whole).await;
    client.socket.send_slowly(single).await;
    client.socket.send_slowly(get(1, "/")).await;

    client.answer(1).await;
    assert_eq!(client.goaway().await, 1);
    assert_eq!(counted(&envoy, "connections_bypassed_total").await, 0);
}

#[tokio::test]
async fn what_max_did_not_refuse_is_served_and_what_exact_refused_is_never_executed() {
    let (envoy, backend) = network(r#""max_requests_per_connection": 1"#).await;
    let mut go = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    go.get(1, "/").await;
    assert_eq!(go.goaway().await, MAX_STREAM_ID);
    go.get(3, "/").await;
    go.answer(3).await;
    assert_eq!(backend.requests(), 2);

    let mut httpx = RawClient::connect(envoy.address("in"), ClientPreface::Httpx).await;
    httpx.get(1, "/").await;
    assert_eq!(httpx.goaway().await, 1);
    httpx.socket.send(post(3, "/echo", b"order")).await;

    assert_eq!(httpx.closed().await, []);
    assert_eq!(backend.requests(), 3);
}

#[tokio::test]
async fn after_quiet_wait_a_busy_client_is_told_and_all_its_streams_are_served() {
    let (envoy, backend) =
        network(r#""max_requests_per_connection": 16, "http2": {"idle_wait": "100ms"}"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    for stream in (1..=31).step_by(2) {
        client.get(stream, "/hold").await;
    }
    until(&envoy, "requests_total", |requests| requests == 16).await;

    // Each answer on the side is a moment, and while sixteen are held none of them is a quiet one.
    let mut stream = 33;
    let last = loop {
        client.get(stream, "/").await;
        let mut frames = client.answer(stream).await;
        // What rides in the same write as the end of an answer comes before the answer to a PING.
        client.socket.send(ping()).await;
        frames.extend(client.until(|frame| frame.kind == PING).await);
        if let Some(last) = frames.iter().find_map(Frame::last_stream_id) {
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
    client.until(all).await;
    assert_eq!(client.closed().await, []);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

#[tokio::test]
async fn a_long_stream_is_cut_after_the_grace_and_never_without_one() {
    let held = r#""max_connection_age": "500ms", "http2": {"idle_wait": "0s"}"#;
    let patient = rule(held);
    let strict = rule(&format!(r#"{held}, "drain_timeout": "1s""#));
    let (envoy, backend) = site(&[
        ("patient", Roles::Network, &patient),
        ("strict", Roles::Network, &strict),
    ])
    .await;
    let mut clients = Vec::new();
    for listener in ["patient", "strict"] {
        let mut client = RawClient::connect(envoy.address(listener), ClientPreface::Go).await;
        client.get(1, "/tail").await;
        clients.push(client);
    }
    until(&envoy, "connections_expired_total", |due| due == 2).await;
    for client in &mut clients {
        client.get(3, "/").await;
        assert_eq!(client.goaway().await, MAX_STREAM_ID);
    }

    clients[1].closed().await;
    assert_eq!(
        counted_with(
            &envoy,
            "requests_aborted_total",
            &[("drain_reason", "max_connection_age")]
        )
        .await,
        1
    );

    // The patient one was told at the same time, and outlives its neighbour.
    backend.release();
    clients[0].answer(1).await;
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 1);
}

/// Requests below `/hold` end with the drain timeout, those below `/tail` with none.
const TWO_TIMEOUTS: &str = r#"{"version": 1, "budget": "off",
    "defaults": {"jitter": 0, "max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}, "drain_timeout": "700ms"},
    "routes": [{"name": "long", "match": {"path_prefix": "/tail"}, "protect": PROTECT, "drain_timeout": "off"}]}"#;

#[tokio::test]
async fn stream_keeps_the_drain_timeout_of_the_rule_under_which_it_started() {
    let policy = TWO_TIMEOUTS.replace("PROTECT", "false");
    let (envoy, backend) = site(&[("in", Roles::Both, &policy)]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.get(1, "/tail").await;
    client.until(|frame| frame.stream == 1).await;
    client.get(3, "/").await;
    assert_eq!(client.goaway().await, MAX_STREAM_ID);

    // Another one that is told after it has only streams with a timeout: when it is cut, that time is over.
    let mut other = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    other.get(1, "/hold").await;
    other.get(3, "/").await;
    other.closed().await;
    until(&envoy, "requests_aborted_total", |cut| cut == 1).await;

    backend.release();
    client.answer(1).await;
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 1);
}

#[tokio::test]
async fn protected_stream_is_not_cut_by_the_rule_that_drains_its_connection() {
    let policy = TWO_TIMEOUTS.replace("PROTECT", "true");
    let (envoy, backend) = site(&[("in", Roles::Both, &policy)]).await;
    let mut clients = Vec::new();
    for path in ["/tail", "/hold"] {
        let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
        client.get(1, "/hold").await;
        client.get(3, "/").await;
        assert_eq!(client.goaway().await, MAX_STREAM_ID);
        // In transit when the signal came; and a last one, whose rule would end the connection.
        client.get(5, path).await;
        client.get(7, "/").await;
        client.answer(7).await;
        clients.push(client);
    }

    clients[1].closed().await;
    until(&envoy, "requests_aborted_total", |cut| cut == 2).await;

    backend.release();
    clients[0].answer(5).await;
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 2);
}

#[tokio::test]
async fn a_stream_that_the_client_resets_is_owed_nothing() {
    let (envoy, backend) = network(r#""max_requests_per_connection": 2"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.get(1, "/tail").await;
    client.until(|frame| frame.stream == 1).await;

    client.socket.send(reset(1)).await;
    client.get(3, "/").await;

    client.answer(3).await;
    assert_eq!(client.goaway().await, MAX_STREAM_ID);
    assert_eq!(client.closed().await, []);
    assert_eq!(
        (
            backend.requests(),
            counted(&envoy, "requests_aborted_total").await
        ),
        (2, 0)
    );
}

/// To python h2, a PING behind an exact GOAWAY is an error.
#[tokio::test]
async fn on_an_idle_connection_a_goaway_is_the_last_frame_that_is_sent() {
    let policy = |goaway| {
        rule(&format!(
            r#""max_connection_age": "500ms", "http2": {{"last_stream_id": "{goaway}"}}"#
        ))
    };
    let (auto, exact, max) = (policy("auto"), policy("exact"), policy("max"));
    let (envoy, _backend) = site(&[
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
        client.get(1, "/").await;
        client.answer(1).await;

        let mut frames = client.pings_until_goaway().await;

        let goaway = frames.pop().unwrap();
        assert_eq!(
            goaway.last_stream_id(),
            Some(last),
            "{listener} {preface:?}"
        );
        assert_eq!(frames.pop().unwrap().kind, PING, "{listener} {preface:?}");
        if last == 1 {
            assert_eq!(client.socket.rest().await, b"", "{listener} {preface:?}");
        }
    }
}

/// Clients of which only the order of their settings is known, and one of which nothing is.
#[tokio::test]
async fn tuned_and_unknown_clients_are_drained_when_idle_and_not_behind_a_response() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
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
            client.get(stream, "/").await;
            let mut frames = client.answer(stream).await;
            client.socket.send(ping()).await;
            frames.extend(client.until(|frame| frame.kind == PING).await);
            assert_eq!(order(&frames), ["end"], "{preface:?}");
        }

        let frames = client.pings_until_goaway().await;

        assert_eq!(
            frames.last().and_then(Frame::last_stream_id),
            Some(MAX_STREAM_ID),
            "{preface:?}"
        );
    }
}

/// What Go is about to send may have a body that it cannot replay.
#[tokio::test]
async fn go_with_bodies_is_drained_when_idle_and_not_behind_a_response() {
    let (envoy, _backend) =
        network(r#""max_requests_per_connection": 1, "http2": {"idle_wait": "0s"}"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    for stream in [1, 3] {
        client.socket.send(post(stream, "/echo", b"body")).await;
        let mut frames = client.answer(stream).await;
        client.socket.send(ping()).await;
        frames.extend(client.until(|frame| frame.kind == PING).await);
        assert_eq!(order(&frames), ["end"]);
    }

    let frames = client.pings_until_goaway().await;

    assert_eq!(
        frames.last().and_then(Frame::last_stream_id),
        Some(MAX_STREAM_ID)
    );
    client.socket.send(post(5, "/echo", b"body")).await;
    client.answer(5).await;
}

/// `100 Continue` and a response without a body are two HEADERS, as a response with trailers is.
#[tokio::test]
async fn node_is_not_taken_for_a_grpc_client_by_an_interim_response() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Node).await;
    client.socket.send(head_expecting_continue(1, "/")).await;
    client.until(|frame| frame.kind == HEADERS).await;
    client.socket.send(frame(DATA, 1, 1, b"body")).await;
    let frames = client
        .until(|frame| frame.stream == 1 && frame.ends_stream())
        .await;
    assert!(frames.iter().any(|frame| frame.kind == HEADERS));

    let node = [("http2_client", "node")];
    assert_eq!(
        counted_with(&envoy, "http2_connections_total", &node).await,
        1
    );
    assert_eq!(counted_with(&envoy, "goaways_total", &node).await, 1);
}

#[tokio::test]
async fn a_connection_that_was_never_told_is_never_closed() {
    let (envoy, _backend) = network(
        r#""max_connection_age": "300ms", "drain_timeout": "100ms", "close_delay": "100ms""#,
    )
    .await;
    let mut idle = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    idle.get(1, "/").await;
    idle.answer(1).await;
    until(&envoy, "connections_expired_total", |due| due == 1).await;

    let mut other = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    until(&envoy, "connections_expired_total", |due| due == 2).await;
    other.get(1, "/").await;
    other.answer(1).await;
    other.closed().await;

    idle.get(3, "/").await;
    idle.answer(3).await;
    assert_eq!(idle.goaway().await, MAX_STREAM_ID);
}

#[tokio::test]
async fn before_a_limit_is_reached_nothing_is_said() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 100"#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    for stream in (1..=99).step_by(2) {
        client.get(stream, "/").await;
        let frames = client.answer(stream).await;
        assert_eq!(order(&frames), ["end"]);
    }
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
}
