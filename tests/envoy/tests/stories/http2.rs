//! HTTP/2 clients that follow RFC 9113 lose nothing.

use std::sync::Arc;

use bytes::Bytes;
use evenkeel_test_envoy::{Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;

use crate::support::config::{self};
use crate::support::hyper_client::{connect, connect_hyper, exchange, request};
use crate::support::server::Server;
use crate::support::{
    assert_healthy, assert_metric, metric, metric_with, start_network, wait_for_metric,
    with_defaults, within,
};

#[tokio::test]
async fn two_thousand_requests_lose_none() {
    let (envoy, backend) = start_network(r#""max_requests_per_connection": 2"#).await;
    let client = Client::http2(envoy.address("in"));

    for _ in 0..2000 {
        assert_eq!(client.get("/").await.unwrap().body, "a");
    }

    assert_eq!(backend.requests(), 2000);
    assert_eq!(client.connections_opened().await, 1000);
    wait_for_metric(&envoy, "drain_signals_total", 1000).await;
    assert_metric(&envoy, "requests_aborted_total", 0).await;
    assert_healthy(&envoy);
}

/// The most common client in a mesh is a proxy.
#[tokio::test]
async fn client_envoy_with_sixteen_streams_reconnects_without_a_loss() {
    let (server_side, backend) =
        start_network(r#""max_requests_per_connection": 20, "http2": {"idle_wait": "10ms"}"#).await;
    let cluster = Cluster::new("peer", [server_side.address("in")]).http2();
    let bootstrap = Bootstrap::new()
        .cluster(cluster)
        .listener(Listener::http("out").route("/", "peer"));
    let client_side = Envoy::start(bootstrap).await.unwrap();
    let client = Arc::new(Client::http2(client_side.address("out")));

    let mut users = Tasks::new();
    for _ in 0..16 {
        let client = Arc::clone(&client);
        users.spawn(async move {
            for _ in 0..60 {
                let response = client.get("/delay/2").await.unwrap();
                assert_eq!((response.status, response.body.as_str()), (200, "a"));
            }
        });
    }
    users.join().await;

    assert_eq!(backend.requests(), 16 * 60);
    assert!(metric(&server_side, "drain_signals_total").await >= 3);
    assert_metric(&server_side, "requests_aborted_total", 0).await;
    assert_healthy(&server_side);
}

#[tokio::test]
async fn trailers_are_complete_before_the_goaway() {
    let server = Server::start(|_| {
        Some(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 7\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let policy = with_defaults(r#""max_requests_per_connection": 2"#);
    let listener = config::listener("in", Roles::Network, &policy);
    let envoy = config::start_before(server.address, &[listener]).await;
    let to = envoy.address("in");

    let (mut sender, connection) = connect(to).await;
    for _ in 0..2 {
        let (body, trailers) = exchange(&mut sender, request(to, "/", Bytes::new()))
            .await
            .unwrap();
        assert_eq!(
            (&body[..], trailers["x-sum"].as_bytes()),
            (&b"a"[..], &b"7"[..])
        );
    }

    within("the end of the connection", connection.join())
        .await
        .unwrap();
    wait_for_metric(&envoy, "connections_drained_total", 1).await;
}

#[tokio::test]
async fn ten_megabyte_bodies_pass_a_draining_connection() {
    let (envoy, _backend) = start_network(r#""max_requests_per_connection": 1"#).await;
    let to = envoy.address("in");
    let body = Bytes::from("0123456789".repeat(1024 * 1024));

    for _ in 0..2 {
        let (mut sender, connection) = connect_hyper(to).await;
        // hyper is drained behind a slow response, and responses are timed from the second request on.
        exchange(&mut sender, request(to, "/", Bytes::new()))
            .await
            .unwrap();
        let (back, _) = exchange(&mut sender, request(to, "/echo", body.clone()))
            .await
            .unwrap();
        assert!(back == body);
        within("the end of the connection", connection.join())
            .await
            .unwrap();
    }

    assert_metric(&envoy, "drain_signals_total", 2).await;
    assert_metric(&envoy, "connections_bypassed_total", 0).await;
}

#[tokio::test]
async fn bodies_that_cross_the_goaway_are_complete() {
    let (server_side, backend) =
        start_network(r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}"#).await;
    let cluster = Cluster::new("peer", [server_side.address("in")]).http2();
    let bootstrap = Bootstrap::new()
        .concurrency(1)
        .cluster(cluster)
        .listener(Listener::http("out").route("/", "peer"));
    let client_side = Envoy::start(bootstrap).await.unwrap();
    let to = client_side.address("out");
    let body = Bytes::from("0123456789".repeat(100 * 1024));
    let (sender, _connection) = connect(to).await;

    let mut posts = Tasks::new();
    for _ in 0..8 {
        let (mut sender, body) = (sender.clone(), body.clone());
        posts.spawn(async move {
            let (back, _) = exchange(&mut sender, request(to, "/echo", body.clone()))
                .await
                .unwrap();
            assert!(back == body);
        });
    }
    posts.join().await;

    assert_eq!(
        (
            backend.requests(),
            metric(&server_side, "requests_aborted_total").await
        ),
        (8, 0)
    );
    let expected = [("http2_client", "envoy"), ("connection_state", "active")];
    assert!(metric_with(&server_side, "goaways_total", &expected).await >= 1);
}
