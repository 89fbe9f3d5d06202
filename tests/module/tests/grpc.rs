//! gRPC streams whose age is limited, in the built module.

use std::time::Duration;

use evenkeel_test_frames::http2::{
    self, ClientPreface, DATA, END_HEADERS, END_STREAM, HEADERS, MAX_STREAM_ID, RST_STREAM,
    delivery_ping, frame, get, goaway, header_block, post_headers, response_headers,
    server_preface,
};
use evenkeel_test_host::{Connection, Stream};
use evenkeel_test_module::{Proxy, TICK};

const RULE: &str = r#""max_connection_age": "off", "grpc": {"max_stream_age": "10s"}, "http2": {"idle_wait": "0s"}"#;

/// A call on stream 1, whose client has not ended its request.
fn call(proxy: &Proxy, content_type: &str) -> (Connection, Stream) {
    let connection = proxy.network.connect();
    connection.client_sends(ClientPreface::Go.bytes());
    connection.server_writes(server_preface());
    connection.client_sends(post_headers(1, "/"));
    let stream = proxy.http.stream(&connection);
    stream.set_property(&["request", "protocol"], "HTTP/2");
    let headers = [(":path", "/a"), ("content-type", content_type)];
    stream.request_headers(&headers, false);
    (connection, stream)
}

/// Writes a PING of the server; returns the bytes that the client receives.
fn ping(connection: &Connection) -> Vec<u8> {
    connection.server_writes(http2::ping())
}

fn drain_signal() -> Vec<u8> {
    [goaway(MAX_STREAM_ID), http2::ping(), delivery_ping(1)].concat()
}

/// The frame that Envoy writes when it resets a stream during its response.
fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes())
}

fn trailers(stream: u32) -> Vec<u8> {
    let block = header_block(&[
        ("grpc-status", "14"),
        ("grpc-message", "max_stream_age is over, call again"),
    ]);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

#[test]
fn stream_without_a_response_ends_with_unavailable_after_the_goaway() {
    let proxy = Proxy::with_defaults(RULE);
    let (connection, stream) = call(&proxy, "application/grpc+proto");
    proxy.host.advance(Duration::from_secs(11));
    assert_eq!(stream.local_response(), None);
    assert_eq!(ping(&connection), drain_signal());

    proxy.host.advance(TICK);

    let response = stream.local_response().unwrap();
    assert_eq!(response.grpc_status, Some(14));
    assert_eq!(response.body, b"max_stream_age is over, call again");
    assert_eq!(proxy.metric("evenkeel_grpc_streams_terminated_total"), 1);
    let due = "drain_reason=.=max_stream_age;.;evenkeel_connections_expired_total";
    assert_eq!(proxy.metric(due), 1);
}

#[test]
fn reset_in_the_middle_of_a_response_is_replaced_by_trailers() {
    let proxy = Proxy::with_defaults(RULE);
    let (connection, stream) = call(&proxy, "application/grpc");
    stream.response_headers(&[(":status", "200")], false);
    connection.server_writes(response_headers(1));
    proxy.host.advance(Duration::from_secs(11));
    assert_eq!(ping(&connection), drain_signal());
    proxy.host.advance(TICK);

    // The client need not send the rest of its request.
    let no_error = frame(RST_STREAM, 0, 1, &[0; 4]);
    assert_eq!(
        connection.server_writes(reset(1)),
        [trailers(1), no_error, delivery_ping(2)].concat()
    );
}

#[test]
fn only_the_reset_is_replaced_among_other_frames() {
    let proxy = Proxy::with_defaults(RULE);
    let (connection, stream) = call(&proxy, "application/grpc");
    connection.client_sends(frame(DATA, END_STREAM, 1, b"last"));
    stream.response_headers(&[(":status", "200")], false);
    connection.server_writes(response_headers(1));
    proxy.host.advance(Duration::from_secs(11));
    ping(&connection);
    proxy.host.advance(TICK);

    let ping = http2::ping();
    assert_eq!(
        connection.server_writes([&ping[..], &reset(1), &ping].concat()),
        [&ping[..], &trailers(1), &ping].concat()
    );
}

#[test]
fn other_resets_are_passed_through() {
    let proxy = Proxy::with_defaults(RULE);
    let (connection, stream) = call(&proxy, "application/grpc");
    stream.response_headers(&[(":status", "200")], false);
    connection.client_sends(get(3, "/"));
    connection.server_writes([response_headers(1), response_headers(3)].concat());
    assert_eq!(connection.server_writes(reset(3)), reset(3));
    connection.client_sends(get(5, "/"));
    connection.server_writes(response_headers(5));
    proxy.host.advance(Duration::from_secs(11));
    ping(&connection);
    proxy.host.advance(TICK);
    let ours = connection.server_writes(reset(1));
    assert_ne!(ours, reset(1));
    stream.ends();
    let last = connection.server_writes(reset(5));
    assert_eq!(last, [reset(5), delivery_ping(2)].concat());
}

#[test]
fn max_stream_age_applies_to_grpc_over_http2_only() {
    let proxy = Proxy::with_defaults(RULE);
    for content_type in ["application/json", "application/grpc-web", ""] {
        call(&proxy, content_type);
    }
    let (_, stream) = call(&proxy, "text/plain");
    stream.set_property(&["request", "protocol"], "HTTP/1.1");
    proxy.host.advance(Duration::from_secs(60));
    let due = "drain_reason=.=max_stream_age;.;evenkeel_connections_expired_total";
    assert_eq!(proxy.metric(due), 0);
}

#[test]
fn stream_stays_open_without_a_safe_point_for_the_goaway() {
    let proxy = Proxy::with_defaults(RULE);
    let (connection, stream) = call(&proxy, "application/grpc");
    proxy.host.advance(Duration::from_secs(3600));
    assert!(connection.is_open());
    assert_eq!(stream.local_response(), None);
}
