//! The GOAWAY of an expired idle HTTP/2 connection comes with the next write: with the connection manager's keepalive,
//! that is soon.

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};

use crate::support::{
    BY_AGE, assert_healthy, assert_metric, wait_for_metric, wait_for_metric_with, with_defaults,
};

async fn idle(listener: Listener) -> (Envoy, Backend, Client) {
    let backend = Backend::start("a").await.unwrap();
    let listener = listener.route("/", "app").evenkeel(
        Roles::Network,
        with_defaults(r#""max_connection_age": "300ms""#),
    );
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let client = Client::http2(envoy.address("in"));
    assert_eq!(client.get("/").await.unwrap().body, "a");
    (envoy, backend, client)
}

#[tokio::test]
async fn idle_connection_with_keepalive_is_drained_and_closed() {
    let (envoy, _backend, client) = idle(Listener::http("in").keepalive("0.2s")).await;

    wait_for_metric(&envoy, "drain_signals_total", 1).await;
    wait_for_metric_with(&envoy, "connections_drained_total", BY_AGE, 1).await;

    assert_eq!(client.get("/").await.unwrap().body, "a");
    assert_eq!(client.connections_opened().await, 2);
    assert_metric(&envoy, "requests_aborted_total", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn idle_connection_without_keepalive_is_drained_with_its_next_response() {
    let (envoy, _backend, client) = idle(Listener::http("in")).await;
    wait_for_metric(&envoy, "connections_expired_total", 1).await;
    assert_metric(&envoy, "drain_signals_total", 0).await;

    assert_eq!(client.get("/").await.unwrap().body, "a");

    wait_for_metric(&envoy, "drain_signals_total", 1).await;
    assert_eq!(client.connections_opened().await, 1);
    assert_metric(&envoy, "requests_aborted_total", 0).await;
    assert_healthy(&envoy);
}
