//! A drained connection is closed when the client has acknowledged a PING behind the GOAWAY and the last response. So the
//! module must send a PING however the last stream ends.

use std::time::Duration;

use evenkeel_test_envoy::{Backend, Envoy, Roles};
use evenkeel_test_frames::http2::{
    ClientPreface, DATA, END_STREAM, MAX_STREAM_ID, frame, get, grpc_call, post, reset,
};

use crate::support::raw_client::{RawClient, last_stream_id};
use crate::support::{
    assert_healthy, assert_metric, start_listeners, start_network, wait_for_close_by_module,
    wait_for_metric, wait_for_metric_with,
};

#[tokio::test]
async fn exact_goaway_before_the_last_frame_is_confirmed() {
    // Node is drained at the end of a response only after half of the `drain_timeout`.
    let (envoy, _backend) = start_network(
        r#""max_requests_per_connection": 1, "drain_timeout": "1s", "http2": {"last_stream_id": "exact"}"#,
    )
    .await;
    // Node's core client and grpc-go, which have the same empty SETTINGS.
    let grpc_go = |stream| {
        let end = frame(DATA, END_STREAM, stream, b"");
        [grpc_call(stream, "/"), end].concat()
    };
    let requests: [&dyn Fn(u32) -> Vec<u8>; 2] = [&|stream| get(stream, "/"), &grpc_go];
    for request in requests {
        let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Node).await;

        let (frames, stream) = client.request_until_goaway(1, request).await;

        assert_eq!(last_stream_id(&frames), Some(stream));
        assert_eq!(client.read_to_end().await, []);
    }
    wait_for_close_by_module(&envoy, 2).await;
    assert_healthy(&envoy);
}

/// Sends requests after a GOAWAY until the second one comes; returns the last stream.
async fn ignore_goaway(client: &mut RawClient) -> u32 {
    client.send_get(1, "/").await;
    assert_eq!(client.read_goaway().await, MAX_STREAM_ID);
    let mut stream = 1;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream += 2;
        client.send_get(stream, "/").await;
        let frames = client.read_response_and_goaway(stream).await;
        if let Some(last) = last_stream_id(&frames) {
            assert_eq!(last, stream);
            return stream;
        }
    }
}

#[tokio::test]
async fn client_that_ignores_the_goaway_gets_an_exact_one_and_loses_nothing() {
    let (envoy, backend) =
        start_network(r#""max_requests_per_connection": 1, "close_delay": "2s""#).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    let stream = ignore_goaway(&mut client).await;
    let refused = post(stream + 2, "/echo", b"order");
    client.socket.send_if_open(refused).await;

    assert_eq!(client.read_to_end().await, []);
    assert_eq!(backend.requests(), u64::from(stream).div_ceil(2));
    let reason = [("drain_reason", "max_requests_per_connection")];
    wait_for_metric_with(&envoy, "drain_signals_ignored_total", &reason, 1).await;
    wait_for_close_by_module(&envoy, 1).await;
    assert_metric(&envoy, "drain_signals_total", 1).await;
    assert_metric(&envoy, "requests_aborted_total", 0).await;
}

/// Opens a connection with an open stream 1 and a response after the GOAWAY.
async fn open_draining(envoy: &Envoy, path: &str) -> RawClient {
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.send_get(1, path).await;
    wait_for_metric(envoy, "requests_total", 1).await;
    client.send_get(3, "/").await;
    assert_eq!(client.read_goaway().await, MAX_STREAM_ID);
    client.send_get(5, "/").await;
    client.read_response(5).await;
    client
}

#[tokio::test]
async fn connection_closes_after_a_reset_of_the_last_stream() {
    let (envoy, _backend) =
        start_network(r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}"#).await;
    let mut client = open_draining(&envoy, "/tail").await;

    client.socket.send(reset(1)).await;

    // Frames of the aborted response may still come.
    let frames = client.read_to_end().await;
    assert!(frames.iter().all(|frame| frame.stream == 1), "{frames:?}");
    wait_for_close_by_module(&envoy, 1).await;
    assert_metric(&envoy, "requests_aborted_total", 0).await;
    assert_healthy(&envoy);
}

/// Only requests below `/hold` have a drain timeout; the connection has none.
const TIMEOUT_OF_A_STREAM: &str = r#"{"version": 1, "budget": "off",
    "defaults": {"jitter": 0, "max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}},
    "routes": [{"name": "hold", "match": {"path_prefix": "/hold"}, "drain_timeout": "700ms"}]}"#;

#[tokio::test]
async fn drain_timeout_of_the_open_streams_closes_the_connection() {
    let (envoy, _backend): (Envoy, Backend) =
        start_listeners(&[("in", Roles::Both, TIMEOUT_OF_A_STREAM)]).await;
    let mut client = open_draining(&envoy, "/hold").await;

    assert_eq!(client.read_to_end().await, []);

    wait_for_metric(&envoy, "requests_aborted_total", 1).await;
    wait_for_close_by_module(&envoy, 1).await;
    assert_healthy(&envoy);
}
