//! hyper, recognized by its first frames, loses a request to a GOAWAY that comes while it is active. It is drained behind
//! a slow response; else its drain is deferred past the drain timeout, unless `when_active` is `drain`.

use std::net::SocketAddr;

use bytes::Bytes;
use evenkeel_test_envoy::Envoy;
use evenkeel_test_frames::http2::ClientPreface;
use hyper::client::conn::http2::SendRequest;

use crate::support::hyper_client::{Body, connect_hyper, exchange, request};
use crate::support::raw_client::RawClient;
use crate::support::{
    assert_healthy, assert_metric, assert_metric_with, metric, start_network, wait_for_metric,
    within,
};

async fn get(sender: &mut SendRequest<Body>, to: SocketAddr, path: &str) {
    let request = request(to, path, Bytes::new());
    exchange(sender, request).await.unwrap();
}

/// Sends requests without a pause, two at a time, until the metric is not 0.
async fn stay_active_until(envoy: &Envoy, name: &str) {
    let to = envoy.address("in");
    let (sender, _connection) = connect_hyper(to).await;
    within(name, async {
        while metric(envoy, name).await == 0 {
            let (mut one, mut other) = (sender.clone(), sender.clone());
            tokio::join!(
                get(&mut one, to, "/delay/1"),
                get(&mut other, to, "/delay/1")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn hyper_is_drained_behind_a_slow_response() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let to = envoy.address("in");
    let (mut sender, _connection) = connect_hyper(to).await;
    get(&mut sender, to, "/").await;
    assert_metric(&envoy, "drain_signals_total", 0).await;

    get(&mut sender, to, "/delay/20").await;

    wait_for_metric(&envoy, "drain_signals_total", 1).await;
    let expected = [
        ("http2_client", "reqwest_hyper"),
        ("last_stream_id", "max"),
        ("connection_state", "idle"),
    ];
    assert_metric_with(&envoy, "goaways_total", &expected, 1).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn active_hyper_is_deferred_past_the_drain_timeout() {
    let (envoy, _backend) =
        start_network(r#""max_requests_per_connection": 1, "drain_timeout": "300ms""#).await;

    stay_active_until(&envoy, "drain_deferred_total").await;

    assert_metric(&envoy, "drain_signals_total", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn active_hyper_is_drained_if_configured() {
    let defaults = r#""max_requests_per_connection": 1, "drain_timeout": "2s", "http2": {"when_active": "drain"}"#;
    let (envoy, _backend) = start_network(defaults).await;
    let to = envoy.address("in");
    let (mut sender, _connection) = connect_hyper(to).await;
    get(&mut sender, to, "/").await;
    wait_for_metric(&envoy, "connections_expired_total", 1).await;

    // The first response takes longer than the drain timeout, and ends before the timeout after the GOAWAY.
    let mut other = sender.clone();
    tokio::join!(
        get(&mut sender, to, "/trickle/250/10"),
        get(&mut other, to, "/")
    );

    wait_for_metric(&envoy, "drain_signals_total", 1).await;
    assert_metric(&envoy, "drain_deferred_total", 0).await;
    assert_healthy(&envoy);
}

/// An exact GOAWAY needs an idle connection, also for a client that tolerates any other GOAWAY.
#[tokio::test]
async fn exact_goaway_is_deferred_while_the_connection_is_active() {
    let defaults = r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s", "last_stream_id": "exact"}, "drain_timeout": "300ms""#;
    let (envoy, backend) = start_network(defaults).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.send_get(1, "/hold").await;
    wait_for_metric(&envoy, "requests_total", 1).await;

    let mut stream = 1;
    within("drain_deferred_total", async {
        while metric(&envoy, "drain_deferred_total").await == 0 {
            stream += 2;
            client.send_get(stream, "/delay/20").await;
            client.read_response(stream).await;
        }
    })
    .await;
    assert_metric(&envoy, "drain_signals_total", 0).await;

    backend.release();
    assert_eq!(client.read_goaway().await, stream);
    assert_metric(&envoy, "drain_deferred_total", 1).await;
    assert_healthy(&envoy);
}
