//! WebSockets are drained by a Close frame between messages of an idle client.

use evenkeel_test_envoy::Roles;
use evenkeel_test_frames::websocket::{
    CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, server_fragment, server_frame,
};

use crate::support::socket::Socket;
use crate::support::websocket::{Site, close_code, read_frame};
use crate::support::{
    BY_AGE, CLOSED_BY_MODULE, assert_healthy, assert_metric, assert_metric_with, metric,
    wait_for_metric, wait_for_metric_with, with_defaults,
};

/// Starts an Envoy whose WebSockets expire after half a second, with further keys of `websocket` and of `defaults`.
async fn start(websocket: &str, more: &str) -> Site {
    let rule = with_defaults(&format!(
        r#""max_connection_age": "500ms", "websocket": {{"close_code": "going_away", {websocket}}}{more}"#
    ));
    Site::start(Roles::Network, &rule).await
}

/// Waits until this number of WebSockets has expired.
async fn wait_for_expired(site: &Site, count: u64) {
    wait_for_metric(&site.envoy, "connections_expired_total", count).await;
}

#[tokio::test]
async fn close_frame_follows_a_message_and_completes_the_handshake() {
    let site = start(r#""idle_time": "0s""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    server.send(server_frame(TEXT, b"before")).await;
    assert_eq!(read_frame(&mut client).await, server_frame(TEXT, b"before"));
    wait_for_expired(&site, 1).await;

    server.send(server_frame(TEXT, b"news")).await;

    assert_eq!(read_frame(&mut client).await, server_frame(TEXT, b"news"));
    assert_eq!(close_code(&read_frame(&mut client).await), 1001);
    // Messages of the client and its Close are forwarded to the server.
    let last = [client_frame(TEXT, b"last"), client_frame(CLOSE, &[3, 233])].concat();
    client.send(&last).await;
    assert_eq!(server.read_exact(last.len()).await, last);
    // Nothing follows a Close to the client, not even the Close of the server.
    server.send(server_frame(TEXT, b"late")).await;
    server.send(server_frame(CLOSE, &[3, 233])).await;
    server.shut_down().await;
    assert_eq!(client.read_to_end().await, b"");
    wait_for_metric_with(&site.envoy, "drain_signals_total", BY_AGE, 1).await;
    wait_for_metric(&site.envoy, "connections_drained_total", 1).await;
    assert_metric(&site.envoy, "connections_aborted_total", 0).await;
    assert_metric_with(
        &site.envoy,
        "downstream_connections_total",
        &[("connection_protocol", "websocket")],
        1,
    )
    .await;
    assert_healthy(&site.envoy);
}

#[tokio::test]
async fn close_delay_bounds_the_server_and_drain_timeout_the_client() {
    let site = start(
        r#""idle_time": "0s""#,
        r#", "drain_timeout": "700ms", "close_delay": "200ms""#,
    )
    .await;
    let (mut client, mut server) = site.open("/").await;
    let (mut silent, mut other) = site.open("/").await;
    wait_for_expired(&site, 2).await;
    for (client, server) in [(&mut client, &mut server), (&mut silent, &mut other)] {
        server.send(server_frame(PING, b"")).await;
        assert_eq!(read_frame(client).await, server_frame(PING, b""));
        assert_eq!(close_code(&read_frame(client).await), 1001);
    }

    client.send(client_frame(CLOSE, &[3, 233])).await;
    server.read_exact(8).await;
    server.send(server_frame(CLOSE, &[3, 233])).await;

    assert_eq!(client.read_to_end().await, b"");
    assert_eq!(silent.read_to_end().await, b"");
    wait_for_metric_with(
        &site.envoy,
        "connections_drained_total",
        CLOSED_BY_MODULE,
        2,
    )
    .await;
    assert_metric(&site.envoy, "connections_aborted_total", 1).await;
}

#[tokio::test]
async fn close_frame_is_never_inside_a_message() {
    let site = start(r#""idle_time": "0s""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    wait_for_expired(&site, 1).await;

    let begin = server_fragment(TEXT, b"a long ");
    let end = server_frame(CONTINUATION, b"story");
    let ping = server_frame(PING, b"");
    for part in [&begin, &ping] {
        server.send(part).await;
        assert_eq!(read_frame(&mut client).await, *part);
    }
    assert_metric(&site.envoy, "drain_signals_total", 0).await;
    server.send(&end).await;

    assert_eq!(read_frame(&mut client).await, end);
    assert_eq!(close_code(&read_frame(&mut client).await), 1001);
}

/// Sends a message and a response.
async fn exchange(client: &mut Socket, server: &mut Socket) {
    let (request, response) = (client_frame(TEXT, b"?"), server_frame(TEXT, b"!"));
    client.send(&request).await;
    assert_eq!(server.read_exact(request.len()).await, request);
    server.send(&response).await;
    assert_eq!(read_frame(client).await, response);
}

#[tokio::test]
async fn active_client_is_drained_after_its_idle_time() {
    let site = start(r#""idle_time": "700ms""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    wait_for_expired(&site, 1).await;

    for _ in 0..10 {
        exchange(&mut client, &mut server).await;
    }
    let ping = server_frame(PING, b"");
    server.send(&ping).await;
    assert_eq!(read_frame(&mut client).await, ping);
    assert_metric(&site.envoy, "drain_signals_total", 0).await;

    // A control frame of the client is no message.
    while metric(&site.envoy, "drain_signals_total").await == 0 {
        client.send(client_frame(PONG, b"")).await;
        server.read_exact(6).await;
        server.send(&ping).await;
        assert_eq!(read_frame(&mut client).await, ping);
    }
    assert_eq!(close_code(&read_frame(&mut client).await), 1001);
}

#[tokio::test]
async fn busy_websocket_is_deferred_or_drained_as_configured() {
    for (when_active, is_drained) in [("defer", false), ("drain", true)] {
        let websocket = format!(r#""idle_time": "1h", "when_active": "{when_active}""#);
        let site = start(&websocket, r#", "drain_timeout": "100ms""#).await;
        let (mut client, mut server) = site.open("/").await;
        wait_for_expired(&site, 1).await;

        let outcome = if is_drained {
            "drain_signals_total"
        } else {
            "drain_deferred_total"
        };
        while metric(&site.envoy, outcome).await == 0 {
            exchange(&mut client, &mut server).await;
        }

        if is_drained {
            assert_eq!(close_code(&read_frame(&mut client).await), 1001);
        } else {
            exchange(&mut client, &mut server).await;
            assert_metric(&site.envoy, "drain_deferred_total", 1).await;
            assert_metric(&site.envoy, "drain_signals_total", 0).await;
        }
    }
}

#[tokio::test]
async fn silent_websocket_is_closed_without_notice_if_configured() {
    let site = start(r#""idle_timeout": "300ms""#, "").await;
    let (mut client, server) = site.open("/").await;

    assert_eq!(client.read_to_end().await, b"");

    drop(server);
    wait_for_metric_with(
        &site.envoy,
        "websockets_closed_without_notice_total",
        BY_AGE,
        1,
    )
    .await;
    wait_for_metric_with(
        &site.envoy,
        "connections_drained_total",
        CLOSED_BY_MODULE,
        1,
    )
    .await;
    assert_metric(&site.envoy, "drain_signals_total", 0).await;
}

#[tokio::test]
async fn invalid_frames_bypass_the_connection() {
    let site = start(r#""idle_time": "0s""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    server.send("not a frame").await;
    assert_eq!(client.read_exact(11).await, b"not a frame");
    wait_for_metric_with(
        &site.envoy,
        "connections_bypassed_total",
        &[("bypass_reason", "message")],
        1,
    )
    .await;
    client.send("nor this").await;
    assert_eq!(server.read_exact(8).await, b"nor this");
}

#[tokio::test]
async fn routes_choose_the_close_code_and_protection() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "500ms", "jitter": 0, "websocket": {"idle_time": "0s"}},
        "routes": [
            {"name": "chat", "match": {"path_prefix": "/chat"}, "websocket": {"close_code": "service_restart"}},
            {"name": "call", "match": {"path_prefix": "/call"}, "websocket": {"close_code": "service_restart"}, "protect": true}]}"#;
    let site = Site::start(Roles::Both, policy).await;
    let mut chat = site.open("/chat").await;
    let mut call = site.open("/call").await;
    let mut plain = site.open("/").await;
    wait_for_expired(&site, 2).await;

    let ping = server_frame(PING, b"");
    for (client, server) in [&mut chat, &mut call, &mut plain] {
        server.send(&ping).await;
        assert_eq!(read_frame(client).await, ping);
    }

    assert_eq!(close_code(&read_frame(&mut chat.0).await), 1012);
    for (client, server) in [&mut call, &mut plain] {
        server.send(&ping).await;
        assert_eq!(read_frame(client).await, ping);
        assert!(client.is_open());
    }
    wait_for_metric_with(
        &site.envoy,
        "connections_bypassed_total",
        &[("bypass_reason", "tunnel")],
        1,
    )
    .await;
    assert_metric(&site.envoy, "drain_signals_total", 1).await;
    assert_healthy(&site.envoy);
}

#[tokio::test]
async fn dry_run_counts_and_changes_nothing() {
    let policy = r#"{"version": 1, "mode": "dry_run", "budget": "off",
        "defaults": {"max_connection_age": "500ms", "jitter": 0, "websocket": {"idle_time": "0s", "close_code": "going_away"}}}"#;
    let site = Site::start(Roles::Network, policy).await;
    let (mut client, mut server) = site.open("/").await;
    wait_for_expired(&site, 1).await;

    let ping = server_frame(PING, b"");
    server.send(&ping).await;
    assert_eq!(read_frame(&mut client).await, ping);

    wait_for_metric_with(&site.envoy, "dry_run_drains_total", BY_AGE, 1).await;
    server.send(&ping).await;
    assert_eq!(read_frame(&mut client).await, ping);
    assert!(client.is_open());
}
