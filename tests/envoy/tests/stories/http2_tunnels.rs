//! WebSockets over HTTP/2 are long streams, and counted.

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles};
use evenkeel_test_frames::http2::{ClientPreface, connect_websocket, post};
use evenkeel_test_frames::websocket::upgrade_request;

use crate::support::raw_client::RawClient;
use crate::support::socket::Socket;
use crate::support::{
    assert_healthy, assert_metric, assert_metric_with, wait_for_metric, with_defaults,
};

#[tokio::test]
async fn only_websocket_streams_count_as_tunnels() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .extended_connect()
        .route("/", "app")
        .evenkeel(Roles::Both, with_defaults(r#""max_connection_age": "30m""#));
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let to = envoy.address("in");

    let mut client = RawClient::connect(to, ClientPreface::Go).await;
    client.send_get(1, "/").await;
    client.read_response(1).await;
    client.socket.send(post(3, "/echo", b"body")).await;
    client.read_response(3).await;
    // A WebSocket over HTTP/1 is no tunnel over HTTP/2.
    let mut http1 = Socket::connect(to).await;
    http1.send(upgrade_request("/ws/20")).await;
    http1.head().await;
    assert_metric(&envoy, "http2_tunnels_total", 0).await;

    client.socket.send(connect_websocket(5, "/ws/20")).await;

    wait_for_metric(&envoy, "http2_tunnels_total", 1).await;
    let frame = [("bypass_reason", "frame")];
    assert_metric_with(&envoy, "connections_bypassed_total", &frame, 0).await;
    assert_healthy(&envoy);
}
