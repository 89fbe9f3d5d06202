//! A client-side Envoy recycles its connections to a server.

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;

use crate::support::config::{self};
use crate::support::server::{Server, ok};
use crate::support::socket::announces_close;
use crate::support::{assert_healthy, assert_metric, metric};

const FIVE: &str = r#"{"version": 1, "budget": "off", "upstream": {"max_requests_per_connection": 5, "jitter": 0}}"#;

/// As [`FIVE`], for a proxy without HTTP/2 clusters.
const FIVE_HTTP1: &str = r#"{"version": 1, "budget": "off",
    "upstream": {"max_requests_per_connection": 5, "jitter": 0, "protocol": "http1"}}"#;

#[tokio::test]
async fn http1_connection_at_its_limit_is_recycled_by_the_next_request() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let listener = config::listener("out", Roles::Http, FIVE_HTTP1);
    let envoy = config::start_before(server.address, &[listener]).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..60 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }

    let heads = server.heads_by_connection();
    assert_eq!(heads.len(), 10);
    for connection in heads {
        let closing: Vec<_> = connection
            .iter()
            .map(|head| announces_close(head))
            .collect();
        assert_eq!(closing, [false, false, false, false, false, true]);
    }
    assert_eq!(client.connections_opened().await, 1);
    for (metric, expected) in [
        ("upstream_connections_expired_total", 10),
        ("upstream_connections_recycled_total", 10),
        ("upstream_connections_closed_early_total", 0),
    ] {
        assert_metric(&envoy, metric, expected).await;
    }
    assert_metric(&envoy, "upstream_connections", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn concurrent_requests_lose_nothing_and_connections_are_recycled() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("out")
        .route("/", "app")
        .evenkeel(Roles::Http, FIVE_HTTP1);
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();

    let mut users = Tasks::new();
    for _ in 0..8 {
        let client = Client::http1(envoy.address("out"));
        users.spawn(async move {
            for _ in 0..50 {
                assert_eq!(client.get("/delay/1").await.unwrap().status, 200);
            }
        });
    }
    users.join().await;

    assert_eq!(backend.requests(), 400);
    // Each expired connection causes one connection to be closed. Envoy chooses the connection of a marked request, so another
    // one may be closed instead.
    let closed = metric(&envoy, "upstream_connections_recycled_total").await
        + metric(&envoy, "upstream_connections_closed_early_total").await;
    let expired = metric(&envoy, "upstream_connections_expired_total").await;
    let opened = backend.requests_by_connection().len() as u64;
    assert!(closed <= opened, "{closed} of {opened}");
    assert!(closed >= 20, "{closed} of {opened}, {expired} expired");
}

#[tokio::test]
async fn http2_upstream_is_not_recycled() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("out")
        .route("/", "app")
        .evenkeel(Roles::Http, FIVE);
    let cluster = Cluster::new("app", [backend.address()]).http2();
    let envoy = Envoy::start(Bootstrap::new().listener(listener).cluster(cluster))
        .await
        .unwrap();
    let client = Client::http2(envoy.address("out"));

    let mut failed = 0;
    for _ in 0..100 {
        failed += u32::from(client.get("/").await.unwrap().status != 200);
    }

    assert_eq!(failed, 0);
    assert_eq!(backend.requests_by_connection(), [100]);
    assert_metric(&envoy, "upstream_connections", 1).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn only_identified_http1_upstreams_are_recycled_by_default() {
    let plain = Server::start(|_| Some(ok("a"))).await;
    let shown = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n";
        Some(head.as_bytes().to_vec())
    })
    .await;
    for (server, connections) in [(plain, 1), (shown, 5)] {
        let listener = config::listener("out", Roles::Http, FIVE);
        let envoy = config::start_before(server.address, &[listener]).await;
        let client = Client::http1(envoy.address("out"));

        for _ in 0..30 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }

        assert_eq!(server.requests_by_connection().len(), connections);
    }
}
