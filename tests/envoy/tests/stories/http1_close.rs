//! When HTTP/1 connections are closed after `connection: close`, and when not.

use std::time::{Duration, Instant};

use crate::support::socket::{Socket, announces_close, get};
use crate::support::{
    assert_metric, start_network, wait_for_close_by_module, wait_for_metric, wait_for_metric_with,
};

#[tokio::test]
async fn idle_client_is_closed_after_the_close_delay() {
    let (envoy, _backend) =
        start_network(r#""max_requests_per_connection": 1, "close_delay": "700ms""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    let start = Instant::now();
    assert!(announces_close(&socket.get("/").await.0));

    assert_eq!(socket.read_to_end().await, b"");

    assert!(
        start.elapsed() >= Duration::from_millis(700),
        "{:?}",
        start.elapsed()
    );
    wait_for_close_by_module(&envoy, 1).await;
    assert_metric(&envoy, "requests_aborted_total", 0).await;
}

#[tokio::test]
async fn client_that_ignores_the_signal_is_closed_after_three_responses() {
    let (envoy, backend) =
        start_network(r#""max_requests_per_connection": 1, "close_delay": "60s""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    // The second request may have been in transit when the first response came; the third was not.
    for _ in 0..3 {
        assert!(announces_close(&socket.get("/").await.0));
    }
    socket.send_if_open(get("/")).await;

    // No delivered request is lost, and no RST destroys a response.
    assert_eq!(socket.read_to_end().await, b"");
    assert_eq!(backend.requests(), 3);
    let reason = [("drain_reason", "max_requests_per_connection")];
    wait_for_metric_with(&envoy, "drain_signals_ignored_total", &reason, 1).await;
    wait_for_close_by_module(&envoy, 1).await;
    assert_metric(&envoy, "drain_signals_total", 1).await;
    assert_metric(&envoy, "requests_aborted_total", 0).await;
}

#[tokio::test]
async fn request_in_transit_is_served() {
    let (envoy, backend) =
        start_network(r#""max_requests_per_connection": 1, "close_delay": "1s""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    for _ in 0..2 {
        assert!(announces_close(&socket.get("/").await.0));
    }

    assert_eq!(socket.read_to_end().await, b"");
    assert_eq!(backend.requests(), 2);
    assert_metric(&envoy, "drain_signals_ignored_total", 0).await;
}

#[tokio::test]
async fn expired_idle_http1_connection_stays_open() {
    let rule = r#""max_connection_age": "1s", "drain_timeout": "100ms", "close_delay": "100ms", "http2": {"idle_wait": "0s"}"#;
    let (envoy, _backend) = start_network(rule).await;
    let mut idle = Socket::connect(envoy.address("in")).await;
    assert!(!announces_close(&idle.get("/").await.0));
    wait_for_metric(&envoy, "connections_expired_total", 1).await;

    // Another connection expires later, is drained and closed: the timeouts of the idle one have passed, too.
    let mut other = Socket::connect(envoy.address("in")).await;
    wait_for_metric(&envoy, "connections_expired_total", 2).await;
    assert!(announces_close(&other.get("/").await.0));
    assert_eq!(other.read_to_end().await, b"");

    assert!(idle.is_open());
    assert!(announces_close(&idle.get("/").await.0));
}
