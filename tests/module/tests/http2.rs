//! HTTP/2 connections in the built module.

use std::time::Duration;

use evenkeel_test_frames::http2::{
    ACK, ClientPreface, DATA, END_HEADERS, END_STREAM, HEADERS, MAX_STREAM_ID, PING, delivery_ack,
    delivery_ping, frame, get, goaway, ping, ping_ack, post_headers, reset, response, response_end,
    response_headers, server_preface,
};
use evenkeel_test_host::{ClosedBy, Connection};
use evenkeel_test_module::{Proxy, TICK};

fn connect(proxy: &Proxy, preface: Vec<u8>) -> Connection {
    let connection = proxy.network.connect();
    assert_eq!(connection.client_sends(&preface), preface);
    assert_eq!(connection.server_writes(server_preface()), server_preface());
    connection
}

fn exchange(connection: &Connection, stream: u32) -> Vec<u8> {
    connection.client_sends(get(stream, "/"));
    let mut received = connection.server_writes(response_headers(stream));
    received.extend(connection.server_writes(response_end(stream)));
    received
}

#[test]
fn goaway_follows_the_frame_that_ends_the_last_stream() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 2"#);
    let connection = connect(&proxy, ClientPreface::Go.bytes());
    assert_eq!(exchange(&connection, 1), response(1));
    assert_eq!(
        exchange(&connection, 3),
        [response(3), delivery_ping(1), goaway(MAX_STREAM_ID)].concat()
    );
    connection.client_closes();
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_drain_signals_total"),
        1
    );
    proxy.host.advance(TICK);
    assert_eq!(
        proxy.metric("connection_protocol=.=http2;.;evenkeel_requests_total"),
        2
    );
}

#[test]
fn nothing_from_httpx_is_delivered_after_an_exact_goaway() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, ClientPreface::Httpx.bytes());
    assert_eq!(
        exchange(&connection, 1),
        [response(1), delivery_ping(1), goaway(1)].concat()
    );
    assert_eq!(connection.client_sends(get(3, "/")), b"");
    proxy.host.advance(Duration::from_secs(60));
    assert!(connection.is_open(), "the client may not have the response");
    assert_eq!(connection.client_sends(delivery_ack(1)), b"");
    proxy.host.advance(Duration::from_millis(100));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

/// A connection of Node that has expired, and has waited for so long that it is drained at the end of its next response.
fn late(proxy: &Proxy) -> Connection {
    let connection = connect(proxy, ClientPreface::Node.bytes());
    assert_eq!(exchange(&connection, 1), response(1));
    proxy.host.advance(Duration::from_secs(31));
    connection
}

#[test]
fn node_gets_the_goaway_before_the_frame_that_ends_the_stream() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let expected = [
        response_headers(3),
        goaway(MAX_STREAM_ID),
        response_end(3),
        delivery_ping(1),
    ]
    .concat();
    assert_eq!(exchange(&late(&proxy), 3), expected);
    let connection = late(&proxy);
    connection.client_sends(get(3, "/"));
    assert_eq!(
        connection.server_writes(response(3)),
        expected,
        "also where both frames are one write"
    );
}

/// Nothing after an exact GOAWAY is delivered, so the PING is in the same write.
#[test]
fn exact_goaway_before_the_last_frame_has_a_ping_at_the_end_of_the_write() {
    let proxy = Proxy::with_defaults(
        r#""max_requests_per_connection": 1, "http2": {"last_stream_id": "exact"}"#,
    );
    let connection = late(&proxy);
    let expected = [
        response_headers(3),
        goaway(3),
        response_end(3),
        delivery_ping(1),
    ]
    .concat();
    assert_eq!(exchange(&connection, 3), expected);

    connection.client_sends(delivery_ack(1));
    proxy.host.advance(Duration::from_millis(1200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn second_goaway_before_the_last_frame_has_a_ping_at_the_end_of_the_write() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1, "close_delay": "1m""#);
    let connection = late(&proxy);
    exchange(&connection, 3);
    connection.client_sends(delivery_ack(1));
    proxy.host.advance(Duration::from_secs(31));

    let expected = [
        response_headers(5),
        goaway(5),
        response_end(5),
        delivery_ping(2),
    ]
    .concat();
    assert_eq!(exchange(&connection, 5), expected);

    connection.client_sends(delivery_ack(2));
    proxy.host.advance(Duration::from_millis(60_200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

/// The ways in which the last stream ends without a write of the server.
#[test]
fn last_stream_that_the_client_ends_leaves_nothing_unconfirmed() {
    let end_of_request = frame(DATA, END_STREAM, 3, b"body");
    for (last_response, end) in [(vec![], reset(3)), (response(3), end_of_request)] {
        let proxy =
            Proxy::with_defaults(r#""max_connection_age": "10s", "http2": {"idle_wait": "0s"}"#);
        let connection = connect(&proxy, ClientPreface::Curl.bytes());
        let upload = post_headers(3, "/");
        connection.client_sends([get(1, "/"), upload].concat());
        proxy.host.advance(Duration::from_secs(11));
        connection.server_writes(response_headers(1));
        connection.client_sends(delivery_ack(1));

        let written = connection.server_writes([response_end(1), last_response.clone()].concat());
        assert_eq!(
            written,
            [response_end(1), last_response, delivery_ping(2)].concat()
        );
        connection.client_sends(end);
        connection.client_sends(delivery_ack(2));

        proxy.host.advance(Duration::from_millis(1200));
        assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    }
}

#[test]
fn request_in_transit_is_served_after_a_goaway_with_the_maximum() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, ClientPreface::Go.bytes());
    exchange(&connection, 1);
    assert_eq!(
        exchange(&connection, 3),
        [response(3), delivery_ping(2)].concat()
    );
    // A late acknowledgement of an earlier PING does not confirm this one.
    connection.client_sends(delivery_ack(1));
    proxy.host.advance(Duration::from_secs(60));
    assert!(connection.is_open());
    connection.client_sends(delivery_ack(2));
    proxy.host.advance(Duration::from_millis(100));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn active_connection_gets_a_goaway_between_frames_after_idle_wait() {
    let proxy =
        Proxy::with_defaults(r#""max_connection_age": "10s", "http2": {"idle_wait": "2s"}"#);
    let connection = connect(&proxy, ClientPreface::Go.bytes());
    connection.client_sends([get(1, "/"), get(3, "/")].concat());
    proxy.host.advance(Duration::from_secs(11));
    assert_eq!(
        connection.server_writes(response_headers(1)),
        response_headers(1)
    );
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(
        connection.server_writes(response_headers(3)),
        [goaway(MAX_STREAM_ID), response_headers(3), delivery_ping(1)].concat()
    );
    proxy.host.advance(Duration::from_secs(3600));
    assert!(
        connection.is_open(),
        "what was accepted is served, however long it takes"
    );
    let ends = [response_end(1), response_end(3)].concat();
    let written = connection.server_writes(&ends);
    assert_eq!(written, [ends, delivery_ping(2)].concat());
    connection.client_sends(delivery_ack(2));
    proxy.host.advance(Duration::from_millis(1200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn requests_are_aborted_and_counted_when_the_drain_timeout_ends() {
    let proxy = Proxy::with_defaults(
        r#""max_connection_age": "10s", "http2": {"idle_wait": "0s"}, "drain_timeout": "5s""#,
    );
    let connection = connect(&proxy, ClientPreface::Go.bytes());
    connection.client_sends([get(1, "/"), get(3, "/")].concat());
    proxy.host.advance(Duration::from_secs(11));
    connection.server_writes(response_headers(1));
    connection.client_sends(delivery_ack(1));
    proxy.host.advance(Duration::from_millis(5200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    assert_eq!(
        proxy.metric("drain_reason=.=max_connection_age;.;evenkeel_requests_aborted_total"),
        2
    );
}

#[test]
fn httpx_gets_no_goaway_while_other_streams_are_open() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1s", "drain_timeout": "5s""#);
    let connection = connect(&proxy, ClientPreface::Httpx.bytes());
    connection.client_sends([get(1, "/"), get(3, "/")].concat());
    proxy.host.advance(Duration::from_secs(60));
    assert_eq!(connection.server_writes(response(1)), response(1));
    assert_eq!(
        proxy.metric("defer_reason=.=no_safe_point;.;evenkeel_drain_deferred_total"),
        1
    );
}

/// An exact GOAWAY must be the last thing that a client gets: to python h2, a PING behind it is an error.
#[test]
fn idle_connection_gets_the_goaway_at_the_end_of_a_write() {
    for (preface, last) in [
        (ClientPreface::Go.bytes(), MAX_STREAM_ID),
        (ClientPreface::Httpx.bytes(), 1),
        (
            ClientPreface::Custom(&[(2, 0)], None).bytes(),
            MAX_STREAM_ID,
        ),
    ] {
        let proxy = Proxy::with_defaults(r#""max_connection_age": "60s""#);
        let connection = connect(&proxy, preface);
        exchange(&connection, 1);
        connection.server_writes(ping());
        connection.client_sends(ping_ack());
        proxy.host.advance(Duration::from_secs(600));
        assert!(connection.is_open());
        let ping = ping();
        assert_eq!(
            connection.server_writes(&ping),
            [ping, delivery_ping(1), goaway(last)].concat()
        );
    }
}

/// It may read the end of its response together with the GOAWAY, and send a request before it handles that.
#[test]
fn client_that_has_not_acknowledged_its_response_is_not_idle() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "60s""#);
    let connection = connect(&proxy, ClientPreface::Custom(&[(2, 0)], None).bytes());
    proxy.host.advance(Duration::from_secs(90));
    exchange(&connection, 1);
    proxy.host.advance(Duration::from_secs(4));
    assert_eq!(connection.server_writes(ping()), ping());
    connection.client_sends(ping_ack());
    assert_eq!(connection.server_writes(ping()), ping());
    proxy.host.advance(Duration::from_secs(1));
    assert_eq!(
        connection.server_writes(ping()),
        [ping(), delivery_ping(1), goaway(MAX_STREAM_ID)].concat()
    );
}

#[test]
fn go_client_with_request_bodies_is_drained_when_idle() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, ClientPreface::Go.bytes());
    connection.client_sends([post_headers(1, "/"), frame(DATA, END_STREAM, 1, b"body")].concat());
    assert_eq!(connection.server_writes(response(1)), response(1));
    assert_eq!(exchange(&connection, 3), response(3));
    let ping = ping();
    assert_eq!(
        connection.server_writes(&ping),
        ping,
        "it was active just now"
    );
    connection.client_sends(ping_ack());
    proxy.host.advance(Duration::from_secs(1));
    assert_eq!(
        connection.server_writes(&ping),
        [ping, delivery_ping(1), goaway(MAX_STREAM_ID)].concat()
    );
}

#[test]
fn client_is_counted_with_its_first_request() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "60s""#);
    let connection = connect(&proxy, ClientPreface::Custom(&[], None).bytes());
    // grpc-go adds the field to the dynamic table.
    let block = [&[0x83, 0x86, 0x5f, 16][..], b"application/grpc"].concat();
    let call = frame(HEADERS, END_HEADERS, 1, &block);
    let (head, rest) = call.split_at(15);
    connection.client_sends(head);
    connection.client_sends(rest);
    connection.client_sends(get(3, "/"));
    let counted = |family| {
        proxy.metric(&format!(
            "http2_client=.={family};.;evenkeel_http2_connections_total"
        ))
    };
    assert_eq!(counted("grpc-go"), 1);
}

#[test]
fn goaway_of_the_proxy_is_not_changed() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1, "close_delay": "0s""#);
    let connection = connect(&proxy, ClientPreface::Go.bytes());
    connection.client_sends(get(1, "/"));
    let own = [goaway(MAX_STREAM_ID), response(1)].concat();
    assert_eq!(connection.server_writes(&own), own);
    proxy.host.advance(Duration::from_secs(10));
    assert!(connection.is_open());
}

#[test]
fn no_goaway_precedes_the_settings_of_the_server() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1s", "http2": {"idle_wait": "0s"}"#);
    let connection = proxy.network.connect();
    connection.client_sends([ClientPreface::Go.bytes(), get(1, "/")].concat());
    proxy.host.advance(Duration::from_secs(5));
    assert_eq!(
        connection.server_writes(server_preface()),
        [server_preface(), delivery_ping(1), goaway(MAX_STREAM_ID)].concat()
    );
}

#[test]
fn preface_may_arrive_in_pieces() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = proxy.network.connect();
    for byte in [ClientPreface::Go.bytes(), get(1, "/")].concat() {
        assert_eq!(connection.client_sends([byte]), [byte]);
    }
    connection.server_writes(server_preface());
    assert_eq!(
        connection.server_writes(response(1)),
        [response(1), delivery_ping(1), goaway(MAX_STREAM_ID)].concat()
    );
}

#[test]
fn invalid_frame_bypasses_the_connection() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, ClientPreface::Custom(&[], None).bytes());
    connection.client_sends(frame(PING, ACK, 0, b"short"));
    assert_eq!(exchange(&connection, 1), response(1));
    assert_eq!(
        proxy.metric("bypass_reason=.=frame;.;evenkeel_connections_bypassed_total"),
        1
    );
}

#[test]
fn connection_that_envoy_drains_is_no_load() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
    let [drained, other] = [ClientPreface::Go.bytes(), ClientPreface::Go.bytes()]
        .map(|client| connect(&proxy, client));
    assert_eq!(exchange(&drained, 1), response(1));
    assert_eq!(exchange(&other, 1), response(1));
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(proxy.metric("evenkeel_rebalanced_load_connections"), 2);

    drained.client_sends(get(3, "/"));
    drained.server_writes(goaway(MAX_STREAM_ID));

    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(proxy.metric("evenkeel_rebalanced_load_connections"), 1);
    assert_eq!(
        proxy.metric("evenkeel_rebalanced_load_active_requests"),
        1,
        "it is still served"
    );
    drained.server_writes(response(3));
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(proxy.metric("evenkeel_rebalanced_load_active_requests"), 0);
    assert_eq!(proxy.metric("evenkeel_downstream_connections_active"), 2);
}
