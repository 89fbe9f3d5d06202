//! HTTP/2 connections in the built module.

use std::time::Duration;

use evenkeel_test_host::{ClosedBy, Connection};
use evenkeel_test_module::Proxy;
use evenkeel_test_module::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, HEADERS, MAX, PING, RST_STREAM, acknowledgement,
    answer_end, answer_head, curl, frame, go, goaway, greeting, httpx, node, receipt, request,
    server_greeting,
};

fn connect(proxy: &Proxy, greeting: Vec<u8>) -> Connection {
    let connection = proxy.network.connect();
    assert_eq!(connection.client_sends(&greeting), greeting);
    assert_eq!(
        connection.server_writes(server_greeting()),
        server_greeting()
    );
    connection
}

fn exchange(connection: &Connection, stream: u32) -> Vec<u8> {
    connection.client_sends(request(stream));
    let mut received = connection.server_writes(answer_head(stream));
    received.extend(connection.server_writes(answer_end(stream)));
    received
}

fn plain(stream: u32) -> Vec<u8> {
    [answer_head(stream), answer_end(stream)].concat()
}

#[test]
fn a_goaway_rides_behind_the_frame_that_ends_the_last_stream() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 2"#);
    let connection = connect(&proxy, go());
    assert_eq!(exchange(&connection, 1), plain(1));
    assert_eq!(
        exchange(&connection, 3),
        [plain(3), receipt(1), goaway(MAX)].concat()
    );
    connection.client_closes();
    assert_eq!(
        proxy.metric("drain_reason=.=max_requests_per_connection;.;evenkeel_drain_signals_total"),
        1
    );
    assert_eq!(
        proxy.metric("connection_protocol=.=http2;.;evenkeel_requests_total"),
        2
    );
}

#[test]
fn httpx_gets_an_exact_one_and_nothing_that_it_sends_then_is_delivered() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, httpx());
    assert_eq!(
        exchange(&connection, 1),
        [plain(1), receipt(1), goaway(1)].concat()
    );
    assert_eq!(connection.client_sends(request(3)), b"");
    proxy.host.advance(Duration::from_secs(60));
    assert!(connection.is_open(), "the client may not have the response");
    assert_eq!(connection.client_sends(acknowledgement(1)), b"");
    proxy.host.advance(Duration::from_millis(100));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn node_gets_it_before_the_frame_that_ends_the_stream() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, node());
    let expected = [answer_head(1), goaway(MAX), answer_end(1), receipt(1)].concat();
    assert_eq!(exchange(&connection, 1), expected);
    let connection = connect(&proxy, node());
    connection.client_sends(request(1));
    assert_eq!(
        connection.server_writes(plain(1)),
        expected,
        "also where both frames are one write"
    );
}

/// What follows an exact GOAWAY of the module is not passed on, so the PING is in the same write.
#[test]
fn exact_goaway_before_the_last_frame_has_a_ping_at_the_end_of_the_write() {
    let proxy = Proxy::with_defaults(
        r#""max_requests_per_connection": 1, "http2": {"last_stream_id": "exact"}"#,
    );
    let connection = connect(&proxy, node());
    let expected = [answer_head(1), goaway(1), answer_end(1), receipt(1)].concat();
    assert_eq!(exchange(&connection, 1), expected);

    connection.client_sends(acknowledgement(1));
    proxy.host.advance(Duration::from_millis(1200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn second_goaway_before_the_last_frame_has_a_ping_at_the_end_of_the_write() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1, "close_delay": "10s""#);
    let connection = connect(&proxy, node());
    exchange(&connection, 1);
    connection.client_sends(acknowledgement(1));
    proxy.host.advance(Duration::from_secs(6));

    let expected = [answer_head(3), goaway(3), answer_end(3), receipt(2)].concat();
    assert_eq!(exchange(&connection, 3), expected);

    connection.client_sends(acknowledgement(2));
    proxy.host.advance(Duration::from_millis(10_200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

/// In which ways a last stream ends without a write of the server.
#[test]
fn last_stream_that_the_client_ends_leaves_nothing_unconfirmed() {
    let reset = frame(RST_STREAM, 0, 3, &8_u32.to_be_bytes());
    let end_of_request = frame(DATA, END_STREAM, 3, b"body");
    for (last_answer, end) in [(vec![], reset), (plain(3), end_of_request)] {
        let proxy =
            Proxy::with_defaults(r#""max_connection_age": "10s", "http2": {"idle_wait": "0s"}"#);
        let connection = connect(&proxy, curl());
        let upload = frame(HEADERS, END_HEADERS, 3, b"headers");
        connection.client_sends([request(1), upload].concat());
        proxy.host.advance(Duration::from_secs(11));
        connection.server_writes(answer_head(1));
        connection.client_sends(acknowledgement(1));

        let written = connection.server_writes([answer_end(1), last_answer.clone()].concat());
        assert_eq!(written, [answer_end(1), last_answer, receipt(2)].concat());
        connection.client_sends(end);
        connection.client_sends(acknowledgement(2));

        proxy.host.advance(Duration::from_millis(1200));
        assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    }
}

#[test]
fn what_was_on_its_way_when_the_maximum_was_announced_is_served() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, go());
    exchange(&connection, 1);
    assert_eq!(exchange(&connection, 3), [plain(3), receipt(2)].concat());
    // A late acknowledgement of what came before does not show that it has this one.
    connection.client_sends(acknowledgement(1));
    proxy.host.advance(Duration::from_secs(60));
    assert!(connection.is_open());
    connection.client_sends(acknowledgement(2));
    proxy.host.advance(Duration::from_millis(100));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn a_busy_connection_is_announced_between_two_frames_after_its_quiet_wait() {
    let proxy =
        Proxy::with_defaults(r#""max_connection_age": "10s", "http2": {"idle_wait": "2s"}"#);
    let connection = connect(&proxy, go());
    connection.client_sends([request(1), request(3)].concat());
    proxy.host.advance(Duration::from_secs(11));
    assert_eq!(connection.server_writes(answer_head(1)), answer_head(1));
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(
        connection.server_writes(answer_head(3)),
        [goaway(MAX), answer_head(3), receipt(1)].concat()
    );
    proxy.host.advance(Duration::from_secs(3600));
    assert!(
        connection.is_open(),
        "what was accepted is served, however long it takes"
    );
    let ends = [answer_end(1), answer_end(3)].concat();
    let written = connection.server_writes(&ends);
    assert_eq!(written, [ends, receipt(2)].concat());
    connection.client_sends(acknowledgement(2));
    proxy.host.advance(Duration::from_millis(1200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
}

#[test]
fn past_its_grace_a_draining_connection_is_cut_and_that_is_counted() {
    let proxy = Proxy::with_defaults(
        r#""max_connection_age": "10s", "http2": {"idle_wait": "0s"}, "drain_timeout": "5s""#,
    );
    let connection = connect(&proxy, go());
    connection.client_sends([request(1), request(3)].concat());
    proxy.host.advance(Duration::from_secs(11));
    connection.server_writes(answer_head(1));
    connection.client_sends(acknowledgement(1));
    proxy.host.advance(Duration::from_millis(5200));
    assert_eq!(connection.closed_by(), Some(ClosedBy::Module));
    assert_eq!(
        proxy.metric("drain_reason=.=max_connection_age;.;evenkeel_requests_aborted_total"),
        2
    );
}

#[test]
fn httpx_is_not_announced_while_it_has_other_streams_open() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1s", "drain_timeout": "5s""#);
    let connection = connect(&proxy, httpx());
    connection.client_sends([request(1), request(3)].concat());
    proxy.host.advance(Duration::from_secs(60));
    assert_eq!(connection.server_writes(plain(1)), plain(1));
    assert_eq!(proxy.metric("evenkeel_drain_deferred_total"), 1);
}

/// An exact GOAWAY must be the last thing that a client gets: to python h2, a PING behind it is an error.
#[test]
fn on_an_idle_connection_the_goaway_is_at_the_end_of_what_envoy_writes() {
    for (greeting, last) in [(go(), MAX), (httpx(), 1), (greeting(&[(2, 0)], None), MAX)] {
        let proxy = Proxy::with_defaults(r#""max_connection_age": "60s""#);
        let connection = connect(&proxy, greeting);
        exchange(&connection, 1);
        proxy.host.advance(Duration::from_secs(600));
        assert!(connection.is_open());
        let ping = frame(PING, 0, 0, b"evenkeel");
        assert_eq!(
            connection.server_writes(&ping),
            [ping, goaway(last)].concat()
        );
    }
}

#[test]
fn once_go_has_sent_a_body_it_is_drained_when_idle() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, go());
    connection.client_sends(
        [
            frame(HEADERS, END_HEADERS, 1, b"headers"),
            frame(DATA, END_STREAM, 1, b"body"),
        ]
        .concat(),
    );
    assert_eq!(connection.server_writes(plain(1)), plain(1));
    assert_eq!(exchange(&connection, 3), plain(3));
    let ping = frame(PING, 0, 0, b"evenkeel");
    assert_eq!(
        connection.server_writes(&ping),
        ping,
        "it was active just now"
    );
    proxy.host.advance(Duration::from_secs(1));
    assert_eq!(
        connection.server_writes(&ping),
        [ping, goaway(MAX)].concat()
    );
}

#[test]
fn a_client_is_counted_once_its_first_request_has_told_who_it_is() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "60s""#);
    let connection = connect(&proxy, greeting(&[], None));
    let block = [&[0x83, 0x86, 0x5f, 16][..], b"application/grpc"].concat();
    let call = frame(HEADERS, END_HEADERS, 1, &block);
    let (head, rest) = call.split_at(15);
    connection.client_sends(head);
    connection.client_sends(rest);
    connection.client_sends(request(3));
    let counted = |family| {
        proxy.metric(&format!(
            "http2_client=.={family};.;evenkeel_http2_connections_total"
        ))
    };
    assert_eq!(counted("grpc-go"), 1);
}

#[test]
fn a_connection_that_the_proxy_itself_ends_is_left_to_it() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1, "close_delay": "0s""#);
    let connection = connect(&proxy, go());
    connection.client_sends(request(1));
    let own = [goaway(MAX), plain(1)].concat();
    assert_eq!(connection.server_writes(&own), own);
    proxy.host.advance(Duration::from_secs(10));
    assert!(connection.is_open());
}

#[test]
fn nobody_is_told_before_the_server_has_greeted() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1s", "http2": {"idle_wait": "0s"}"#);
    let connection = proxy.network.connect();
    connection.client_sends([go(), request(1)].concat());
    proxy.host.advance(Duration::from_secs(5));
    assert_eq!(
        connection.server_writes(server_greeting()),
        [server_greeting(), receipt(1), goaway(MAX)].concat()
    );
}

#[test]
fn a_preface_in_pieces_is_a_preface() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = proxy.network.connect();
    for byte in [go(), request(1)].concat() {
        assert_eq!(connection.client_sends([byte]), [byte]);
    }
    connection.server_writes(server_greeting());
    assert_eq!(
        connection.server_writes(plain(1)),
        [plain(1), receipt(1), goaway(MAX)].concat()
    );
}

#[test]
fn a_frame_that_must_not_be_makes_the_connection_opaque() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 1"#);
    let connection = connect(&proxy, greeting(&[], None));
    connection.client_sends(frame(PING, ACK, 0, b"short"));
    assert_eq!(exchange(&connection, 1), plain(1));
    assert_eq!(
        proxy.metric("bypass_reason=.=frame;.;evenkeel_connections_bypassed_total"),
        1
    );
}

#[test]
fn a_connection_that_envoy_drains_itself_is_no_load_any_more() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
    let [drained, other] = [go(), go()].map(|client| connect(&proxy, client));
    assert_eq!(exchange(&drained, 1), plain(1));
    assert_eq!(exchange(&other, 1), plain(1));
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(proxy.metric("evenkeel_rebalanced_load_connections"), 2);

    drained.client_sends(request(3));
    drained.server_writes(goaway(MAX));

    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(proxy.metric("evenkeel_rebalanced_load_connections"), 1);
    assert_eq!(
        proxy.metric("evenkeel_rebalanced_load_active_requests"),
        1,
        "it is still served"
    );
    drained.server_writes(plain(3));
    proxy.host.advance(Duration::from_secs(2));
    assert_eq!(proxy.metric("evenkeel_rebalanced_load_active_requests"), 0);
    assert_eq!(proxy.metric("evenkeel_downstream_connections_active"), 2);
}
