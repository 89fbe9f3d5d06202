//! HTTP/2 connections whose frames the built module does not read: their clients tolerate a GOAWAY at any time.

use std::time::Duration;

use evenkeel_test_frames::http2::{
    ClientPreface, DATA, END_STREAM, HEADERS, MAX_STREAM_ID, frame, get, goaway, ping_ack,
    response, response_end, response_headers, server_preface,
};
use evenkeel_test_host::Connection;
use evenkeel_test_module::{Proxy, TICK};

const REQUESTS: &str = "connection_protocol=.=http2;.;evenkeel_requests_total";
const DRAINED: &str = "drain_reason=.=max_connection_age;.;evenkeel_drain_signals_total";

/// Opens a connection with one request, after which it may stay unread.
fn connect(proxy: &Proxy, preface: ClientPreface) -> Connection {
    let connection = proxy.network.connect();
    connection.client_sends(preface.bytes());
    connection.server_writes(server_preface());
    exchange(&connection, 1);
    connection
}

fn exchange(connection: &Connection, stream: u32) {
    let request = get(stream, "/");
    assert_eq!(connection.client_sends(&request), request);
    for write in [response_headers(stream), response_end(stream)] {
        assert_eq!(connection.server_writes(&write), write);
    }
}

/// How many hostcalls read bytes of the connection during ten exchanges.
fn reads(proxy: &Proxy, connection: &Connection) -> u64 {
    let before = proxy.host.counts();
    (0..10).for_each(|number| exchange(connection, 2 * number + 3));
    (proxy.host.counts() - before).hostcall("proxy_get_buffer_bytes")
}

#[test]
fn frames_are_read_only_where_something_needs_them() {
    let defaults = |defaults| evenkeel_test_module::policy(defaults);
    let route = |rule: &str| {
        format!(
            r#"{{"version": 1, "routes": [{{"name": "a", "match": {{"path_prefix": "/a"}}, {rule}}}]}}"#
        )
    };
    let long = || defaults(r#""max_connection_age": "30m""#);
    let cases = [
        (long(), ClientPreface::Curl, false),
        (long(), ClientPreface::Go, true),
        (long(), ClientPreface::Httpx, true),
        (
            route(r#""max_connection_age": "1h""#),
            ClientPreface::Curl,
            false,
        ),
    ];
    let that_need_frames = [
        defaults(r#""max_connection_age": "50s""#),
        defaults(r#""max_requests_per_connection": 1000000"#),
        defaults(r#""drain_timeout": "30s""#),
        defaults(r#""http2": {"idle_wait": "10s"}"#),
        defaults(r#""http2": {"last_stream_id": "exact"}"#),
        defaults(r#""grpc": {"max_stream_age": "1h"}"#),
        route(r#""max_requests_per_connection": 1000000"#),
        r#"{"version": 1, "rebalance": {}}"#.into(),
    ]
    .map(|policy| (policy, ClientPreface::Curl, true));
    for (policy, preface, is_read) in cases.into_iter().chain(that_need_frames) {
        let proxy = Proxy::new(&policy);
        let connection = connect(&proxy, preface);
        assert_eq!(reads(&proxy, &connection) > 0, is_read, "{policy}");
        proxy.host.advance(TICK);
        let requests = if is_read { 11 } else { 1 };
        assert_eq!(proxy.metric(REQUESTS), requests, "{policy}");
    }
}

#[test]
fn goaway_is_behind_the_first_write_after_the_expiry() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "30m""#);
    let connection = connect(&proxy, ClientPreface::Curl);
    exchange(&connection, 3);
    proxy.host.advance(Duration::from_secs(30 * 60 + 1));

    connection.client_sends(get(5, "/"));
    let write = response_headers(5);
    assert_eq!(
        connection.server_writes(&write),
        [write, goaway(MAX_STREAM_ID)].concat()
    );

    // What is in flight is not known: only the client closes the connection.
    assert_eq!(connection.server_writes(response_end(5)), response_end(5));
    exchange(&connection, 7);
    assert_eq!(connection.server_writes(ping_ack()), ping_ack());
    proxy.host.advance(Duration::from_secs(3600));
    assert!(connection.is_open());
    assert_eq!(proxy.metric(DRAINED), 1);
    connection.client_closes();
    let drained = "drain_reason=.=max_connection_age;.;closed_by=.=client;.;evenkeel_connections_drained_total";
    assert_eq!(proxy.metric(drained), 1);
}

#[test]
fn dry_run_changes_nothing() {
    let proxy = Proxy::new(
        r#"{"version": 1, "mode": "dry_run", "defaults": {"max_connection_age": "30m"}}"#,
    );
    let connection = connect(&proxy, ClientPreface::Curl);
    proxy.host.advance(Duration::from_secs(31 * 60));
    exchange(&connection, 3);
    let dry_run = "drain_reason=.=max_connection_age;.;evenkeel_dry_run_drains_total";
    assert_eq!(proxy.metric(dry_run), 1);
    assert_eq!(proxy.metric(DRAINED), 0);
}

/// A GOAWAY with a higher last-stream-id must not follow one (RFC 9113 6.8).
#[test]
fn no_goaway_follows_one_of_the_proxy() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "30m""#);
    let connection = connect(&proxy, ClientPreface::Curl);
    assert_eq!(connection.server_writes(goaway(1)), goaway(1));
    proxy.host.advance(Duration::from_secs(31 * 60));
    exchange(&connection, 3);
    assert_eq!(proxy.metric(DRAINED), 0);
}

#[test]
fn write_that_is_not_whole_frames_bypasses_the_connection() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "30m""#);
    let connection = connect(&proxy, ClientPreface::Curl);
    proxy.host.advance(Duration::from_secs(31 * 60));
    let data = frame(DATA, END_STREAM, 3, &[0; 100]);
    for part in data.chunks(60) {
        assert_eq!(connection.server_writes(part), part);
    }
    exchange(&connection, 5);
    assert_eq!(proxy.metric(DRAINED), 0);
    let bypassed = "bypass_reason=.=frame;.;evenkeel_connections_bypassed_total";
    assert_eq!(proxy.metric(bypassed), 1);
}

/// CONTINUATION must follow, in the next write (RFC 9113 4.3).
#[test]
fn goaway_waits_for_the_end_of_a_header_block() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "30m""#);
    let connection = connect(&proxy, ClientPreface::Curl);
    proxy.host.advance(Duration::from_secs(31 * 60));
    let begin = frame(HEADERS, 0, 3, b"\x88");
    let end = frame(0x9, 0x4, 3, b"\x88");
    assert_eq!(connection.server_writes(&begin), begin);
    assert_eq!(
        connection.server_writes(&end),
        [end, goaway(MAX_STREAM_ID)].concat()
    );
}

/// Nothing of the connection is known any more, but its age.
#[test]
fn changed_policy_applies_to_an_unread_connection_as_far_as_it_can() {
    for rule in [
        r#""max_connection_age": "30m", "http2": {"last_stream_id": "exact"}"#,
        r#""max_connection_age": "30m", "max_requests_per_connection": 5"#,
        r#""max_connection_age": "30m", "drain_timeout": "10s""#,
    ] {
        let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
        let connection = connect(&proxy, ClientPreface::Curl);
        let policy = evenkeel_test_module::policy(rule);
        let network = evenkeel_test_module::network(&policy);
        proxy
            .worker
            .configure(&network.node_id(evenkeel_test_module::NODE));
        (0..10).for_each(|number| exchange(&connection, 2 * number + 3));

        proxy.host.advance(Duration::from_secs(30 * 60 + 1));
        let write = response(31);
        assert_eq!(
            connection.server_writes(&write),
            [write, goaway(MAX_STREAM_ID)].concat(),
            "{rule}"
        );
        proxy.host.advance(Duration::from_secs(600));
        assert!(connection.is_open(), "{rule}");
    }
}

/// What a TCP proxy writes is not whole frames: it passes on what it receives.
#[test]
fn connection_through_a_tcp_proxy_is_read() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "30m""#);
    let connection = proxy.network.connect();
    connection.set_property(&["upstream", "address"], "10.0.0.7:8080");
    connection.client_sends(ClientPreface::Curl.bytes());
    connection.server_writes(server_preface());
    exchange(&connection, 1);
    assert!(reads(&proxy, &connection) > 0);
}

/// Frames that were split once may be split again.
#[test]
fn connection_with_a_split_frame_is_read() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "30m""#);
    let connection = proxy.network.connect();
    connection.client_sends(ClientPreface::Curl.bytes());
    connection.server_writes(server_preface());
    connection.client_sends(get(1, "/"));
    for part in response(1).chunks(7) {
        connection.server_writes(part);
    }
    assert!(reads(&proxy, &connection) > 0);
}
