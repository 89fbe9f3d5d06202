//! A connection is closed once its client has shown that it has the GOAWAY and every response: by the
//! acknowledgement of a PING. Each way to the end of the last stream must ask for one.

use std::time::Duration;

use evenkeel_test_envoy::{Backend, Envoy, Roles};
use evenkeel_test_frames::http2::{
    ClientPreface, DATA, END_STREAM, GOAWAY, MAX_STREAM_ID, PING, frame, get, grpc_call, ping,
    post, reset,
};

use crate::support::raw_client::{Frame, RawClient};
use crate::support::{counted, healthy, network, site, until, until_with};

/// The module has closed so many connections of clients that were drained because of their requests.
async fn closed_by_us(envoy: &Envoy, count: u64) {
    let by_us = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "evenkeel"),
    ];
    until_with(envoy, "connections_drained_total", &by_us, count).await;
}

fn is_goaway(frame: &Frame) -> bool {
    frame.kind == GOAWAY
}

#[tokio::test]
async fn exact_goaway_before_the_last_frame_is_confirmed() {
    let (envoy, _backend) =
        network(r#""max_requests_per_connection": 1, "http2": {"last_stream_id": "exact"}"#).await;
    // Node's core client, and grpc-go, whose SETTINGS are as empty.
    let end = frame(DATA, END_STREAM, 1, b"");
    let grpc_go = [grpc_call(1, "/"), end].concat();
    for request in [get(1, "/"), grpc_go] {
        let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Node).await;
        client.socket.send(request).await;

        let frames = client.answer(1).await;

        let goaway = frames.iter().find(|frame| is_goaway(frame)).unwrap();
        assert_eq!(goaway.last_stream_id(), Some(1));
        assert_eq!(client.closed().await, []);
    }
    closed_by_us(&envoy, 2).await;
    healthy(&envoy);
}

/// A client that goes on after a GOAWAY, until it gets the second one; gives its last stream.
async fn ignore_signal(envoy: &Envoy, preface: ClientPreface) -> (RawClient, u32) {
    let mut client = RawClient::connect(envoy.address("in"), preface).await;
    client.get(1, "/").await;
    assert_eq!(client.goaway().await, MAX_STREAM_ID);
    let mut stream = 1;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream += 2;
        client.get(stream, "/").await;
        let mut frames = client.answer(stream).await;
        if !frames.iter().any(is_goaway) {
            client.socket.send(ping()).await;
            let is_answer = |frame: &Frame| matches!(frame.kind, PING | GOAWAY);
            frames.extend(client.until(is_answer).await);
        }
        if let Some(last) = frames.iter().find_map(Frame::last_stream_id) {
            assert_eq!(last, stream, "{preface:?}");
            return (client, stream);
        }
    }
}

/// To Go the second GOAWAY is behind the last frame, to Node before it.
#[tokio::test]
async fn client_that_ignores_the_signal_is_refused_at_a_quiet_moment_and_loses_nothing() {
    let (envoy, backend) =
        network(r#""max_requests_per_connection": 1, "close_delay": "2s""#).await;
    let mut requests = 0;
    for preface in [ClientPreface::Go, ClientPreface::Node] {
        let (mut client, stream) = ignore_signal(&envoy, preface).await;
        let refused = post(stream + 2, "/echo", b"order");
        client.socket.send_if_open(refused).await;

        assert_eq!(client.closed().await, [], "{preface:?}");
        requests += u64::from(stream).div_ceil(2);
        assert_eq!(backend.requests(), requests, "{preface:?}");
    }
    let reason = [("drain_reason", "max_requests_per_connection")];
    until_with(&envoy, "drain_signals_ignored_total", &reason, 2).await;
    closed_by_us(&envoy, 2).await;
    assert_eq!(counted(&envoy, "drain_signals_total").await, 2);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

/// A drained client with an open stream 1, and a response after the GOAWAY.
async fn draining(envoy: &Envoy, path: &str) -> RawClient {
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.get(1, path).await;
    until(envoy, "requests_total", |requests| requests == 1).await;
    client.get(3, "/").await;
    assert_eq!(client.goaway().await, MAX_STREAM_ID);
    client.get(5, "/").await;
    client.answer(5).await;
    client
}

#[tokio::test]
async fn last_stream_that_the_client_resets_leaves_nothing_unconfirmed() {
    let (envoy, _backend) =
        network(r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}"#).await;
    let mut client = draining(&envoy, "/tail").await;

    client.socket.send(reset(1)).await;

    // Of the response that was reset, some may still come.
    let frames = client.closed().await;
    assert!(frames.iter().all(|frame| frame.stream == 1), "{frames:?}");
    closed_by_us(&envoy, 1).await;
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    healthy(&envoy);
}

/// Requests below `/hold` end with the drain timeout, all others, and so the connection's own rule, have none.
const TIMEOUT_OF_A_STREAM: &str = r#"{"version": 1, "budget": "off",
    "defaults": {"jitter": 0, "max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}},
    "routes": [{"name": "hold", "match": {"path_prefix": "/hold"}, "drain_timeout": "700ms"}]}"#;

#[tokio::test]
async fn drain_timeout_of_the_open_streams_closes_a_client_that_has_the_other_responses() {
    let (envoy, _backend): (Envoy, Backend) =
        site(&[("in", Roles::Both, TIMEOUT_OF_A_STREAM)]).await;
    let mut client = draining(&envoy, "/hold").await;

    assert_eq!(client.closed().await, []);

    until(&envoy, "requests_aborted_total", |cut| cut == 1).await;
    closed_by_us(&envoy, 1).await;
    healthy(&envoy);
}
