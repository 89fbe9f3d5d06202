//! WebSockets in the built module.

use std::time::Duration;

use evenkeel_test_frames::websocket::{
    CLOSE, CONTINUATION, PING, TEXT, UPGRADE_RESPONSE, client_frame, drain_close, server_fragment,
    server_frame, upgrade_request,
};
use evenkeel_test_host::{ClosedBy, Connection};
use evenkeel_test_module::Proxy;

const RULE: &str =
    r#""max_connection_age": "10s", "websocket": {"idle_time": "2s", "close_code": "going_away"}"#;

fn open(proxy: &Proxy) -> Connection {
    let connection = proxy.network.connect();
    let request = upgrade_request("/chat");
    assert_eq!(connection.client_sends(&request), request.as_bytes());
    assert_eq!(
        connection.server_writes(UPGRADE_RESPONSE),
        UPGRADE_RESPONSE.as_bytes()
    );
    connection
}

fn text(words: &str) -> Vec<u8> {
    server_frame(TEXT, words.as_bytes())
}

#[test]
fn close_frame_follows_a_message_and_nothing_follows_it() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = open(&proxy);
    assert_eq!(connection.server_writes(text("early")), text("early"));
    proxy.host.advance(Duration::from_secs(11));

    let last = connection.server_writes(text("news"));

    assert_eq!(last, [text("news"), drain_close(1001)].concat());
    assert_eq!(connection.server_writes(text("late")), b"");
    let reply = client_frame(CLOSE, &[3, 233]);
    assert_eq!(connection.client_sends(&reply), reply);
    assert_eq!(connection.server_writes(server_frame(CLOSE, b"")), b"");
    proxy.host.advance(Duration::from_millis(1200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    for (metric, count) in [
        (
            "connection_protocol=.=websocket;.;evenkeel_downstream_connections_total",
            1,
        ),
        (
            "drain_reason=.=max_connection_age;.;evenkeel_drain_signals_total",
            1,
        ),
        (
            "drain_reason=.=max_connection_age;.;evenkeel_connections_aborted_total",
            0,
        ),
        (
            "drain_reason=.=max_connection_age;.;closed_by=.=evenkeel;.;evenkeel_connections_drained_total",
            1,
        ),
    ] {
        assert_eq!(proxy.metric(metric), count, "{metric}");
    }
}

#[test]
fn client_without_a_close_frame_is_closed_when_the_drain_timeout_ends() {
    let proxy = Proxy::with_defaults(&format!(r#"{RULE}, "drain_timeout": "3s""#));
    let connection = open(&proxy);
    proxy.host.advance(Duration::from_secs(11));
    connection.server_writes(server_frame(PING, b""));
    proxy.host.advance(Duration::from_millis(2800));
    assert!(connection.is_open());
    proxy.host.advance(Duration::from_millis(400));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    assert_eq!(
        proxy.metric("drain_reason=.=max_connection_age;.;evenkeel_connections_aborted_total"),
        1
    );
}

#[test]
fn client_bytes_after_the_close_frame_are_passed_through() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = open(&proxy);
    proxy.host.advance(Duration::from_secs(11));
    connection.server_writes(text("news"));
    for words in ["not", "a", "frame"] {
        assert_eq!(connection.client_sends(words), words.as_bytes());
        assert_eq!(connection.server_writes(words), b"");
    }
    proxy.host.advance(Duration::from_secs(11));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn close_frame_waits_for_the_end_of_messages_and_of_exchanges() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = open(&proxy);
    proxy.host.advance(Duration::from_secs(11));
    for part in [
        server_fragment(TEXT, b"a long "),
        server_frame(PING, b""),
        server_fragment(CONTINUATION, b"long "),
    ] {
        assert_eq!(connection.server_writes(&part), part);
    }
    connection.client_sends(client_frame(TEXT, b"well?"));
    let end = server_frame(CONTINUATION, b"story");
    assert_eq!(connection.server_writes(&end), end);
    proxy.host.advance(Duration::from_secs(2));
    let ping = server_frame(PING, b"");
    assert_eq!(
        connection.server_writes(&ping),
        [ping, drain_close(1001)].concat()
    );
}

#[test]
fn output_is_the_same_for_single_bytes() {
    let proxy = Proxy::with_defaults(&RULE.replace("2s", "0s"));
    let connection = proxy.network.connect();
    for byte in upgrade_request("/chat").bytes() {
        connection.client_sends([byte]);
    }
    for byte in UPGRADE_RESPONSE.bytes() {
        assert_eq!(connection.server_writes([byte]), [byte]);
    }
    proxy.host.advance(Duration::from_secs(11));
    for byte in client_frame(TEXT, b"call") {
        assert_eq!(connection.client_sends([byte]), [byte]);
    }
    for byte in text("answer") {
        assert_eq!(connection.server_writes([byte]), [byte]);
    }
    let mut received = Vec::new();
    for byte in text("news") {
        received.extend(connection.server_writes([byte]));
    }
    assert_eq!(received, [text("news"), drain_close(1001)].concat());
}

#[test]
fn frames_may_follow_the_101_in_the_same_write() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = proxy.network.connect();
    connection.client_sends(upgrade_request("/chat"));
    let begin = server_fragment(TEXT, b"hel");
    let write = [UPGRADE_RESPONSE.as_bytes(), &begin].concat();
    assert_eq!(connection.server_writes(&write), write);
    proxy.host.advance(Duration::from_secs(11));
    let end = server_frame(CONTINUATION, b"lo");
    let last = connection.server_writes(&end);
    assert_eq!(last, [end, drain_close(1001)].concat());
}

#[test]
fn client_that_sends_before_the_101_is_bypassed() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = proxy.network.connect();
    let hasty = [
        upgrade_request("/chat").as_bytes(),
        &client_frame(TEXT, b"are you there?"),
    ]
    .concat();
    connection.client_sends(hasty);
    connection.server_writes(UPGRADE_RESPONSE);
    assert_eq!(
        proxy.metric("bypass_reason=.=tunnel;.;evenkeel_connections_bypassed_total"),
        1
    );
}

#[test]
fn other_upgrades_are_bypassed_as_tunnels() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = proxy.network.connect();
    connection.client_sends(upgrade_request("/chat").replace("websocket", "other"));
    connection.server_writes(UPGRADE_RESPONSE.replace("websocket", "other"));
    proxy.host.advance(Duration::from_secs(60));
    assert_eq!(connection.server_writes(text("news")), text("news"));

    let plain = Proxy::with_defaults(r#""max_connection_age": "10s""#);
    let connection = open(&plain);
    plain.host.advance(Duration::from_secs(60));
    assert_eq!(connection.server_writes(text("news")), text("news"));

    for proxy in [proxy, plain] {
        assert_eq!(
            proxy.metric("bypass_reason=.=tunnel;.;evenkeel_connections_bypassed_total"),
            1
        );
        assert_eq!(
            proxy.metric("connection_protocol=.=websocket;.;evenkeel_downstream_connections_total"),
            0
        );
    }
}

#[test]
fn invalid_frame_bypasses_the_websocket() {
    let proxy = Proxy::with_defaults(RULE);
    let connection = open(&proxy);
    connection.client_sends(server_frame(TEXT, b"not masked"));
    proxy.host.advance(Duration::from_secs(60));
    assert_eq!(connection.server_writes(text("news")), text("news"));
    assert_eq!(
        proxy.metric("bypass_reason=.=message;.;evenkeel_connections_bypassed_total"),
        1
    );
}

#[test]
fn silent_websocket_is_closed_without_notice() {
    let proxy = Proxy::with_defaults(&RULE.replace(r#""2s""#, r#""2s", "idle_timeout": "30s""#));
    let connection = open(&proxy);
    proxy.host.advance(Duration::from_secs(39));
    assert!(connection.is_open());
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    assert_eq!(
        proxy.metric(
            "drain_reason=.=max_connection_age;.;evenkeel_websockets_closed_without_notice_total"
        ),
        1
    );
    assert_eq!(
        proxy.metric("drain_reason=.=max_connection_age;.;evenkeel_drain_signals_total"),
        0
    );
}
