//! A client-side Envoy renews the connections that it keeps to one server.

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_tasks::Tasks;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::closes;
use crate::support::{counted, healthy};

const FIVE: &str = r#"{"version": 1, "budget": "off", "upstream": {"max_requests_per_connection": 5, "jitter": 0}}"#;

/// As [`FIVE`], for a proxy none of whose clusters speak HTTP/2.
const FIVE_HTTP1: &str = r#"{"version": 1, "budget": "off",
    "upstream": {"max_requests_per_connection": 5, "jitter": 0, "protocol": "http1"}}"#;

#[tokio::test]
async fn an_http1_connection_past_its_requests_is_ended_by_the_next_one() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let entry = Entry {
        kind: "http",
        root: "h",
        vm_id: "e",
        policy: FIVE_HTTP1,
    };
    let listener = http_listener("out", 0, &[], &[entry]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..60 {
        assert_eq!(client.get("/").await.unwrap().status, 200);
    }

    let seen = server.seen();
    assert_eq!(seen.len(), 10);
    for connection in seen {
        let closing: Vec<_> = connection.iter().map(|head| closes(head)).collect();
        assert_eq!(closing, [false, false, false, false, false, true]);
    }
    assert_eq!(client.connections_opened().await, 1);
    for (metric, expected) in [
        ("upstream_connections_expired_total", 10),
        ("upstream_connections_recycled_total", 10),
        ("upstream_connections_closed_early_total", 0),
    ] {
        assert_eq!(counted(&envoy, metric).await, expected, "{metric}");
    }
    assert_eq!(counted(&envoy, "upstream_connections").await, 0);
    healthy(&envoy);
}

#[tokio::test]
async fn requests_at_once_lose_nothing_and_every_connection_has_its_turn() {
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
    let longest = backend.requests_by_connection().into_iter().max().unwrap();
    assert!(longest <= 40, "{:?}", backend.requests_by_connection());
    assert!(counted(&envoy, "upstream_connections_recycled_total").await >= 10);
}

#[tokio::test]
async fn an_http2_upstream_is_left_alone() {
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
    assert_eq!(counted(&envoy, "upstream_connections").await, 1);
    healthy(&envoy);
}

#[tokio::test]
async fn without_a_word_in_the_policy_only_what_shows_itself_as_http1_is_renewed() {
    let plain = Server::start(|_| Some(ok("a"))).await;
    let shown = Server::start(|_| {
        let head = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n";
        Some(head.as_bytes().to_vec())
    })
    .await;
    for (server, connections) in [(plain, 1), (shown, 5)] {
        let entry = Entry {
            kind: "http",
            root: "h",
            vm_id: "e",
            policy: FIVE,
        };
        let listener = http_listener("out", 0, &[], &[entry]);
        let envoy = config::start(&config::whole(&[listener], server.address)).await;
        let client = Client::http1(envoy.address("out"));

        for _ in 0..30 {
            assert_eq!(client.get("/").await.unwrap().status, 200);
        }

        assert_eq!(server.seen().len(), connections);
    }
}
