//! WebSockets over HTTP/2 are streams without an end, and counted.

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles};
use evenkeel_test_frames::http2::{ClientPreface, connect_websocket, post};
use evenkeel_test_frames::websocket::upgrade_request;

use crate::support::raw_client::RawClient;
use crate::support::socket::Socket;
use crate::support::{counted, counted_with, healthy, rule, until};

#[tokio::test]
async fn a_websocket_over_http2_is_counted_and_other_streams_are_not() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .extended_connect()
        .route("/", "app")
        .evenkeel(Roles::Both, rule(r#""max_connection_age": "30m""#));
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let to = envoy.address("in");

    let mut client = RawClient::connect(to, ClientPreface::Go).await;
    client.get(1, "/").await;
    client.answer(1).await;
    client.socket.send(post(3, "/echo", b"body")).await;
    client.answer(3).await;
    // Over HTTP/1 it is a connection of its own.
    let mut http1 = Socket::connect(to).await;
    http1.send(upgrade_request("/ws/20")).await;
    http1.head().await;
    assert_eq!(counted(&envoy, "http2_tunnels_total").await, 0);

    client.socket.send(connect_websocket(5, "/ws/20")).await;

    until(&envoy, "http2_tunnels_total", |tunnels| tunnels == 1).await;
    let frame = [("bypass_reason", "frame")];
    assert_eq!(
        counted_with(&envoy, "connections_bypassed_total", &frame).await,
        0
    );
    healthy(&envoy);
}
