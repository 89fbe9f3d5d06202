//! HTTP/1 connections that were asked to end, and those that were not.

use std::time::{Duration, Instant};

use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, network, until, until_with};

#[tokio::test]
async fn a_client_that_never_closes_is_closed_after_the_linger() {
    let (envoy, _backend) =
        network(r#""max_requests_per_connection": 1, "close_delay": "700ms""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;
    let asked = Instant::now();
    socket.send(get("/")).await;
    assert!(closes(&socket.answer().await.0));

    assert_eq!(socket.rest().await, b"");

    assert!(
        asked.elapsed() >= Duration::from_millis(700),
        "{:?}",
        asked.elapsed()
    );
    let by_us = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "evenkeel"),
    ];
    until_with(&envoy, "connections_drained_total", &by_us, 1).await;
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

#[tokio::test]
async fn client_that_ignores_the_signal_is_served_three_times_and_then_closed() {
    let (envoy, backend) =
        network(r#""max_requests_per_connection": 1, "close_delay": "60s""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    // The second request may have been on its way when the first response came; the third was not.
    for _ in 0..3 {
        socket.send(get("/")).await;
        assert!(closes(&socket.answer().await.0));
    }
    socket.send_if_open(get("/")).await;

    // No request that the server has is lost, and no response is destroyed by a reset.
    assert_eq!(socket.rest().await, b"");
    assert_eq!(backend.requests(), 3);
    let reason = [("drain_reason", "max_requests_per_connection")];
    until_with(&envoy, "drain_signals_ignored_total", &reason, 1).await;
    let by_us = [
        ("drain_reason", "max_requests_per_connection"),
        ("closed_by", "evenkeel"),
    ];
    until_with(&envoy, "connections_drained_total", &by_us, 1).await;
    assert_eq!(counted(&envoy, "drain_signals_total").await, 1);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

#[tokio::test]
async fn request_that_was_on_its_way_is_served() {
    let (envoy, backend) =
        network(r#""max_requests_per_connection": 1, "close_delay": "1s""#).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    for _ in 0..2 {
        socket.send(get("/")).await;
        assert!(closes(&socket.answer().await.0));
    }

    assert_eq!(socket.rest().await, b"");
    assert_eq!(backend.requests(), 2);
    assert_eq!(counted(&envoy, "drain_signals_ignored_total").await, 0);
}

#[tokio::test]
async fn an_idle_connection_past_its_age_is_never_closed() {
    let rule = r#""max_connection_age": "1s", "drain_timeout": "100ms", "close_delay": "100ms", "http2": {"idle_wait": "0s"}"#;
    let (envoy, _backend) = network(rule).await;
    let mut idle = Socket::connect(envoy.address("in")).await;
    idle.send(get("/")).await;
    assert!(!closes(&idle.answer().await.0));
    until(&envoy, "connections_expired_total", |due| due == 1).await;

    // Another one grows old after it, is told, and is closed: for the idle one that time passes, too.
    let mut other = Socket::connect(envoy.address("in")).await;
    until(&envoy, "connections_expired_total", |due| due == 2).await;
    other.send(get("/")).await;
    assert!(closes(&other.answer().await.0));
    assert_eq!(other.rest().await, b"");

    assert!(idle.is_open());
    idle.send(get("/")).await;
    assert!(closes(&idle.answer().await.0));
}
