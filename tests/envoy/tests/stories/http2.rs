//! HTTP/2 with clients that keep to its rules: what they lose is nothing.

use std::sync::Arc;

use bytes::Bytes;
use evenkeel_test_envoy::{Bootstrap, Client, Cluster, Envoy, Listener};
use evenkeel_test_tasks::Tasks;

use crate::support::config::{self, Entry, http_listener};
use crate::support::hyper_client::{connect, connect_hyper, exchange, request};
use crate::support::server::Server;
use crate::support::{counted, counted_with, healthy, network, rule, until, within};

#[tokio::test]
async fn two_thousand_requests_over_connections_of_two_lose_none() {
    let (envoy, backend) = network(r#""max_requests_per_connection": 2"#).await;
    let client = Client::http2(envoy.address("in"));

    for _ in 0..2000 {
        assert_eq!(client.get("/").await.unwrap().body, "a");
    }

    assert_eq!(backend.requests(), 2000);
    assert_eq!(client.connections_opened().await, 1000);
    let announced = until(&envoy, "drain_signals_total", |announced| announced >= 1000).await;
    assert_eq!(announced, 1000);
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
    healthy(&envoy);
}

/// The most common client in a mesh is the other side's proxy.
#[tokio::test]
async fn an_envoy_that_keeps_sixteen_streams_open_is_moved_without_a_loss() {
    let (server_side, backend) =
        network(r#""max_requests_per_connection": 20, "http2": {"idle_wait": "10ms"}"#).await;
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
                let answer = client.get("/delay/2").await.unwrap();
                assert_eq!((answer.status, answer.body.as_str()), (200, "a"));
            }
        });
    }
    users.join().await;

    assert_eq!(backend.requests(), 16 * 60);
    assert!(counted(&server_side, "drain_signals_total").await >= 3);
    assert_eq!(counted(&server_side, "requests_aborted_total").await, 0);
    healthy(&server_side);
}

#[tokio::test]
async fn trailers_come_whole_and_the_goaway_behind_them_ends_the_connection() {
    let server = Server::start(|_| {
        Some(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 7\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let policy = rule(r#""max_requests_per_connection": 2"#);
    let entry = Entry {
        kind: "network",
        root: "n",
        vm_id: "e",
        policy: &policy,
    };
    let listener = http_listener("in", 0, &[entry], &[]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;
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
    until(&envoy, "connections_drained_total", |closed| closed == 1).await;
}

#[tokio::test]
async fn ten_megabytes_go_up_and_come_down_on_a_connection_that_is_leaving() {
    let (envoy, _backend) = network(r#""max_requests_per_connection": 1"#).await;
    let to = envoy.address("in");
    let body = Bytes::from("0123456789".repeat(1024 * 1024));

    for _ in 0..2 {
        let (mut sender, connection) = connect_hyper(to).await;
        // It is drained behind a response that took some time, and timed from the second request on.
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

    assert_eq!(counted(&envoy, "drain_signals_total").await, 2);
    assert_eq!(counted(&envoy, "connections_bypassed_total").await, 0);
}

#[tokio::test]
async fn bodies_that_cross_the_announcement_both_ways_at_once_are_whole() {
    let (server_side, backend) =
        network(r#""max_requests_per_connection": 2, "http2": {"idle_wait": "0s"}"#).await;
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
            counted(&server_side, "requests_aborted_total").await
        ),
        (8, 0)
    );
    let announced = [("http2_client", "envoy"), ("connection_state", "active")];
    assert!(counted_with(&server_side, "goaways_total", &announced).await >= 1);
}
