//! WebSockets: told by a Close frame, where the client is not in the middle of anything.

use evenkeel_test_envoy::Roles;
use evenkeel_test_frames::websocket::{
    CLOSE, CONTINUATION, PING, PONG, TEXT, client_frame, server_fragment, server_frame,
};

use crate::support::socket::Socket;
use crate::support::websocket::{Site, frame, status};
use crate::support::{counted, counted_with, healthy, rule, until, until_with};

/// An Envoy whose WebSockets expire after half a second; with further settings of `websocket`, and of the rule.
async fn due_soon(websocket: &str, more: &str) -> Site {
    let rule = rule(&format!(
        r#""max_connection_age": "500ms", "websocket": {{"close_code": "going_away", {websocket}}}{more}"#
    ));
    Site::start(Roles::Network, &rule).await
}

/// Waits until so many of them are due.
async fn due(site: &Site, count: u64) {
    until(&site.envoy, "connections_expired_total", |due| due == count).await;
}

#[tokio::test]
async fn the_client_is_told_behind_a_message_and_both_sides_say_close() {
    let site = due_soon(r#""idle_time": "0s""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    server.send(server_frame(TEXT, b"before")).await;
    assert_eq!(frame(&mut client).await, server_frame(TEXT, b"before"));
    due(&site, 1).await;

    server.send(server_frame(TEXT, b"news")).await;

    assert_eq!(frame(&mut client).await, server_frame(TEXT, b"news"));
    assert_eq!(status(&frame(&mut client).await), 1001);
    // What the client says goes on to the server; its Close is what ends the server's side.
    let last = [client_frame(TEXT, b"last"), client_frame(CLOSE, &[3, 233])].concat();
    client.send(&last).await;
    assert_eq!(server.take(last.len()).await, last);
    // Nothing may follow a Close, not even the server's own.
    server.send(server_frame(TEXT, b"late")).await;
    server.send(server_frame(CLOSE, &[3, 233])).await;
    server.finish().await;
    assert_eq!(client.rest().await, b"");
    until_with(
        &site.envoy,
        "drain_signals_total",
        &[("drain_reason", "max_connection_age")],
        1,
    )
    .await;
    until(&site.envoy, "connections_drained_total", |closed| {
        closed == 1
    })
    .await;
    assert_eq!(counted(&site.envoy, "requests_aborted_total").await, 0);
    assert_eq!(
        counted_with(
            &site.envoy,
            "downstream_connections_total",
            &[("connection_protocol", "websocket")]
        )
        .await,
        1
    );
    healthy(&site.envoy);
}

#[tokio::test]
async fn a_server_that_stays_is_left_after_the_linger_and_a_client_that_says_nothing_after_the_grace()
 {
    let site = due_soon(
        r#""idle_time": "0s""#,
        r#", "drain_timeout": "700ms", "close_delay": "200ms""#,
    )
    .await;
    let (mut client, mut server) = site.open("/").await;
    let (mut mute, mut other) = site.open("/").await;
    due(&site, 2).await;
    for (client, server) in [(&mut client, &mut server), (&mut mute, &mut other)] {
        server.send(server_frame(PING, b"")).await;
        assert_eq!(frame(client).await, server_frame(PING, b""));
        assert_eq!(status(&frame(client).await), 1001);
    }

    client.send(client_frame(CLOSE, &[3, 233])).await;
    server.take(8).await;
    server.send(server_frame(CLOSE, &[3, 233])).await;

    assert_eq!(client.rest().await, b"");
    assert_eq!(mute.rest().await, b"");
    until_with(
        &site.envoy,
        "connections_drained_total",
        &[("closed_by", "evenkeel")],
        2,
    )
    .await;
    assert_eq!(counted(&site.envoy, "requests_aborted_total").await, 1);
}

#[tokio::test]
async fn no_message_is_cut() {
    let site = due_soon(r#""idle_time": "0s""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    due(&site, 1).await;

    let begin = server_fragment(TEXT, b"a long ");
    let end = server_frame(CONTINUATION, b"story");
    let ping = server_frame(PING, b"");
    for part in [&begin, &ping] {
        server.send(part).await;
        assert_eq!(frame(&mut client).await, *part);
    }
    assert_eq!(counted(&site.envoy, "drain_signals_total").await, 0);
    server.send(&end).await;

    assert_eq!(frame(&mut client).await, end);
    assert_eq!(status(&frame(&mut client).await), 1001);
}

/// Sends a message and its answer.
async fn ask(client: &mut Socket, server: &mut Socket) {
    let (question, answer) = (client_frame(TEXT, b"?"), server_frame(TEXT, b"!"));
    client.send(&question).await;
    assert_eq!(server.take(question.len()).await, question);
    server.send(&answer).await;
    assert_eq!(frame(client).await, answer);
}

#[tokio::test]
async fn a_client_that_is_talking_is_told_when_it_has_been_silent_for_a_while() {
    let site = due_soon(r#""idle_time": "700ms""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    due(&site, 1).await;

    for _ in 0..10 {
        ask(&mut client, &mut server).await;
    }
    let ping = server_frame(PING, b"");
    server.send(&ping).await;
    assert_eq!(frame(&mut client).await, ping);
    assert_eq!(counted(&site.envoy, "drain_signals_total").await, 0);

    // A control frame of the client is no speech.
    while counted(&site.envoy, "drain_signals_total").await == 0 {
        client.send(client_frame(PONG, b"")).await;
        server.take(6).await;
        server.send(&ping).await;
        assert_eq!(frame(&mut client).await, ping);
    }
    let told = frame(&mut client).await;
    assert_eq!(status(&told), 1001);
}

#[tokio::test]
async fn a_client_that_never_rests_is_put_off_or_told_all_the_same_as_the_policy_says() {
    for (busy, is_told) in [("defer", false), ("drain", true)] {
        let websocket = format!(r#""idle_time": "1h", "when_active": "{busy}""#);
        let site = due_soon(&websocket, r#", "drain_timeout": "100ms""#).await;
        let (mut client, mut server) = site.open("/").await;
        due(&site, 1).await;

        let outcome = if is_told {
            "drain_signals_total"
        } else {
            "drain_deferred_total"
        };
        while counted(&site.envoy, outcome).await == 0 {
            ask(&mut client, &mut server).await;
        }

        if is_told {
            assert_eq!(status(&frame(&mut client).await), 1001);
        } else {
            ask(&mut client, &mut server).await;
            assert_eq!(counted(&site.envoy, "drain_deferred_total").await, 1);
            assert_eq!(counted(&site.envoy, "drain_signals_total").await, 0);
        }
    }
}

#[tokio::test]
async fn one_on_which_nobody_speaks_is_closed_without_a_word_if_the_policy_says_so() {
    let site = due_soon(r#""idle_timeout": "300ms""#, "").await;
    let (mut client, server) = site.open("/").await;

    assert_eq!(client.rest().await, b"");

    drop(server);
    until_with(
        &site.envoy,
        "websockets_closed_without_notice_total",
        &[("drain_reason", "max_connection_age")],
        1,
    )
    .await;
    until_with(
        &site.envoy,
        "connections_drained_total",
        &[("closed_by", "evenkeel")],
        1,
    )
    .await;
    assert_eq!(counted(&site.envoy, "drain_signals_total").await, 0);
}

#[tokio::test]
async fn what_is_no_websocket_frame_is_left_alone() {
    let site = due_soon(r#""idle_time": "0s""#, "").await;
    let (mut client, mut server) = site.open("/").await;
    server.send("not a frame").await;
    assert_eq!(client.take(11).await, b"not a frame");
    until_with(
        &site.envoy,
        "connections_bypassed_total",
        &[("bypass_reason", "message")],
        1,
    )
    .await;
    client.send("nor this").await;
    assert_eq!(server.take(8).await, b"nor this");
}

#[tokio::test]
async fn a_route_chooses_and_another_protects() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "500ms", "jitter": 0, "websocket": {"idle_time": "0s"}},
        "routes": [
            {"name": "chat", "match": {"path_prefix": "/chat"}, "websocket": {"close_code": "service_restart"}},
            {"name": "call", "match": {"path_prefix": "/call"}, "websocket": {"close_code": "service_restart"}, "protect": true}]}"#;
    let site = Site::start(Roles::Both, policy).await;
    let mut chat = site.open("/chat").await;
    let mut call = site.open("/call").await;
    let mut plain = site.open("/").await;
    due(&site, 2).await;

    let ping = server_frame(PING, b"");
    for (client, server) in [&mut chat, &mut call, &mut plain] {
        server.send(&ping).await;
        assert_eq!(frame(client).await, ping);
    }

    assert_eq!(status(&frame(&mut chat.0).await), 1012);
    for (client, server) in [&mut call, &mut plain] {
        server.send(&ping).await;
        assert_eq!(frame(client).await, ping);
        assert!(client.is_open());
    }
    until_with(
        &site.envoy,
        "connections_bypassed_total",
        &[("bypass_reason", "tunnel")],
        1,
    )
    .await;
    assert_eq!(counted(&site.envoy, "drain_signals_total").await, 1);
    healthy(&site.envoy);
}

#[tokio::test]
async fn observing_says_it_and_changes_nothing() {
    let policy = r#"{"version": 1, "mode": "dry_run", "budget": "off",
        "defaults": {"max_connection_age": "500ms", "jitter": 0, "websocket": {"idle_time": "0s", "close_code": "going_away"}}}"#;
    let site = Site::start(Roles::Network, policy).await;
    let (mut client, mut server) = site.open("/").await;
    due(&site, 1).await;

    let ping = server_frame(PING, b"");
    server.send(&ping).await;
    assert_eq!(frame(&mut client).await, ping);

    until_with(
        &site.envoy,
        "dry_run_drains_total",
        &[("drain_reason", "max_connection_age")],
        1,
    )
    .await;
    server.send(&ping).await;
    assert_eq!(frame(&mut client).await, ping);
    assert!(client.is_open());
}
