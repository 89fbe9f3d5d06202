//! HTTP/1 connections in the built module.

use std::time::Duration;

use evenkeel_test_host::ClosedBy;
use evenkeel_test_module::http1::{CLOSE, get, head, response_with};
use evenkeel_test_module::{Proxy, network, policy};

/// A rule under which a connection expires with its first request.
const EXPIRED_AT_ONCE: &str =
    r#""max_connection_age": "1s", "max_requests_per_connection": 1, "drain_timeout": "1s""#;

#[test]
fn last_response_has_connection_close() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 2"#);
    let connection = proxy.network.connect();
    assert_eq!(proxy.exchange(&connection, "/1"), response_with(""));
    assert_eq!(proxy.exchange(&connection, "/2"), response_with(CLOSE));
    connection.client_closes();
    assert_eq!(
        proxy.metric(
            "drain_reason=.=max_requests_per_connection;.;evenkeel_connections_expired_total"
        ),
        1
    );
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_drain_signals_total"),
        1
    );
    let by_client = "drain_reason=.=max_requests_per_connection;.;closed_by=.=client;.;evenkeel_connections_drained_total";
    assert_eq!(proxy.metric(by_client), 1);
    proxy.host.advance(Duration::from_secs(1));
    assert_eq!(proxy.metric("evenkeel_downstream_connections_active"), 0);
}

/// Long before a connection expires, each exchange reads the request alone. Whether the first request after that was handed
/// over again is not known, so the second one's response has the drain signal.
#[test]
fn connection_that_expires_during_an_unread_response_is_drained_by_the_second_one_after_it() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "10m""#);
    let connection = proxy.network.connect();
    let reads = || proxy.host.counts().hostcall("proxy_get_buffer_bytes");
    proxy.exchange(&connection, "/1");
    let before = reads();
    connection.client_sends(get("/2"));
    let begun = head("transfer-encoding: chunked\r\n");
    assert_eq!(connection.server_writes(&begun), begun);
    proxy.host.advance(Duration::from_secs(3600));
    // Looks like a response.
    let chunk = response_with("");
    assert_eq!(connection.server_writes(&chunk), chunk);
    assert_eq!(connection.server_writes("0\r\n\r\n"), b"0\r\n\r\n");
    assert_eq!(reads() - before, 1);
    assert_eq!(proxy.exchange(&connection, "/3"), response_with(""));
    assert_eq!(proxy.exchange(&connection, "/4"), response_with(CLOSE));
    assert_eq!(
        proxy.metric("bypass_reason=.=start_line;.;evenkeel_connections_bypassed_total"),
        0
    );
}

/// A minute before its age, and one request before its limit, the responses of a connection are read.
#[test]
fn busy_connection_is_drained_when_it_expires() {
    let proxy =
        Proxy::with_defaults(r#""max_connection_age": "10m", "max_requests_per_connection": 50"#);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");
    proxy.host.advance(Duration::from_secs(570));
    assert_eq!(proxy.exchange(&connection, "/2"), response_with(""));
    proxy.host.advance(Duration::from_secs(40));
    assert_eq!(proxy.exchange(&connection, "/3"), response_with(CLOSE));

    let connection = proxy.network.connect();
    for request in 1..50 {
        assert_eq!(
            proxy.exchange(&connection, "/"),
            response_with(""),
            "{request}"
        );
    }
    assert_eq!(proxy.exchange(&connection, "/50"), response_with(CLOSE));
}

#[test]
fn output_is_the_same_wherever_the_bytes_are_split() {
    for cut in 1..get("/1").len() {
        let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
        let connection = proxy.network.connect();
        let request = get("/1");
        let (first, second) = request.split_at(cut);
        assert_eq!(connection.client_sends(first), first);
        assert_eq!(connection.client_sends(second), second);
        let received = connection.server_writes(head("content-length: 0\r\n"));
        assert_eq!(received, head(&format!("content-length: 0\r\n{CLOSE}")));
    }
}

#[test]
fn expired_connection_gets_connection_close_in_its_next_response() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "60s", "drain_timeout": "1s""#);
    let connection = proxy.network.connect();
    assert_eq!(proxy.exchange(&connection, "/1"), response_with(""));
    proxy.host.advance(Duration::from_secs(3600));
    assert!(connection.is_open());
    assert_eq!(proxy.exchange(&connection, "/2"), response_with(CLOSE));
}

#[test]
fn connection_is_closed_after_close_delay() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1, "close_delay": "2s""#);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");
    proxy.host.advance(Duration::from_millis(1900));
    assert!(connection.is_open());
    proxy.host.advance(Duration::from_millis(300));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    let by_us = "drain_reason=.=max_requests_per_connection;.;closed_by=.=evenkeel;.;evenkeel_connections_drained_total";
    assert_eq!(proxy.metric(by_us), 1);
    assert_eq!(
        proxy
            .metric("drain_reason=.=max_requests_per_connection;.;evenkeel_requests_aborted_total"),
        0
    );
}

#[test]
fn client_that_ignores_connection_close_is_served_and_gets_it_again() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = proxy.network.connect();
    assert_eq!(proxy.exchange(&connection, "/1"), response_with(CLOSE));
    assert_eq!(proxy.exchange(&connection, "/2"), response_with(CLOSE));
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_drain_signals_total"),
        1
    );
}

#[test]
fn pipelined_requests_get_responses_before_connection_close() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = proxy.network.connect();
    let (one, two) = (get("/1"), get("/2"));
    connection.next_filter_takes(Some(one.len()));
    connection.client_sends([one, two].concat());
    assert_eq!(
        connection.server_writes(head("content-length: 0\r\n")),
        head("content-length: 0\r\n")
    );
    connection.next_filter_takes(None);
    connection.next_filter_reads_again();
    let closing = head(&format!("content-length: 0\r\n{CLOSE}"));
    assert_eq!(
        connection.server_writes(head("content-length: 0\r\n")),
        closing
    );
}

#[test]
fn response_with_connection_close_is_not_changed() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = proxy.network.connect();
    let stream = proxy.get(&connection, "/1");
    let closing = head("content-length: 0\r\nconnection: close\r\n");
    assert_eq!(connection.server_writes(&closing), closing);
    stream.ends();
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_drain_signals_total"),
        0
    );
}

#[test]
fn websocket_without_close_code_is_bypassed() {
    let proxy = Proxy::with_defaults(EXPIRED_AT_ONCE);
    let connection = proxy.network.connect();
    let upgrade =
        "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    connection.client_sends(upgrade);
    let switching =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    assert_eq!(connection.server_writes(switching), switching.as_bytes());
    proxy.host.advance(Duration::from_secs(60));
    assert_eq!(connection.server_writes("frame"), b"frame");
    assert!(connection.is_open());
    assert_eq!(
        proxy.metric("bypass_reason=.=tunnel;.;evenkeel_connections_bypassed_total"),
        1
    );
}

#[test]
fn invalid_http1_is_passed_through() {
    let proxy = Proxy::with_defaults(EXPIRED_AT_ONCE);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");
    let folded = "GET / HTTP/1.1\r\nhost: a\r\nx: one\r\n two\r\n\r\n";
    assert_eq!(connection.client_sends(folded), folded.as_bytes());
    proxy.host.advance(Duration::from_secs(60));
    let plain = head("content-length: 0\r\n");
    assert_eq!(connection.server_writes(&plain), plain);
    assert!(connection.is_open());
    assert_eq!(
        proxy.metric("bypass_reason=.=field;.;evenkeel_connections_bypassed_total"),
        1
    );
}

#[test]
fn keep_alive_hint_has_the_remaining_time_and_at_least_a_minute() {
    let policy = r#"{"version": 1, "budget": "off", "keepalive": {"http1_hint": true},
        "defaults": {"max_connection_age": "100s", "max_requests_per_connection": 4, "jitter": 0}}"#;
    let proxy = Proxy::new(policy);
    let connection = proxy.network.connect();
    assert_eq!(
        proxy.exchange(&connection, "/1"),
        response_with("keep-alive: timeout=100, max=3\r\n")
    );
    proxy.host.advance(Duration::from_secs(20));
    assert_eq!(
        proxy.exchange(&connection, "/2"),
        response_with("keep-alive: timeout=80, max=2\r\n")
    );
    proxy.host.advance(Duration::from_secs(30));
    // 50 seconds are left; Node's http.Agent would abort a response that takes longer than the hint.
    assert_eq!(
        proxy.exchange(&connection, "/3"),
        response_with("keep-alive: timeout=60, max=1\r\n")
    );
    assert_eq!(proxy.exchange(&connection, "/4"), response_with(CLOSE));
}

#[test]
fn body_is_not_copied_into_the_module() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
    let connection = proxy.network.connect();
    proxy.get(&connection, "/1");
    connection.server_writes(head("content-length: 1048576\r\n"));
    let before = proxy.host.counts();
    for _ in 0..64 {
        connection.server_writes(vec![b'x'; 16_384]);
    }
    let spent = proxy.host.counts() - before;
    assert_eq!(
        (
            spent.total_hostcalls(),
            spent.entry("proxy_on_upstream_data")
        ),
        (0, 64)
    );
}

#[test]
fn network_role_alone_drains_connections() {
    let host = evenkeel_test_host::Host::new(&evenkeel_test_host::module());
    let root = host
        .start_worker()
        .configure(&network(&policy(r#""max_requests_per_connection": 1"#)));
    let connection = root.connect();
    connection.client_sends(get("/1"));
    let closing = head(&format!("content-length: 0\r\n{CLOSE}"));
    assert_eq!(
        connection.server_writes(head("content-length: 0\r\n")),
        closing
    );
}
