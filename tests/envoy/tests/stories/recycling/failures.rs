//! Requests that get no response of a server count for no connection.

use evenkeel_test_envoy::Client;
use serde_json::json;

use super::{after, cluster, get_ok, listener, start};
use crate::support::config::app;
use crate::support::server::{Server, ok, path};
use crate::support::{counted, healthy};

/// A server that drops the connection of a request below `/drop`.
fn site(head: &str) -> Option<Vec<u8>> {
    (!path(head).starts_with("/drop")).then(|| ok("a"))
}

async fn get_503(client: &Client, path: &str) {
    assert_eq!(client.get(path).await.unwrap().status, 503);
}

#[tokio::test]
async fn connections_that_could_not_be_opened_to_a_unix_socket_do_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let app = cluster("app", &json!({ "pipe": { "path": socket } }));
    let envoy = start(listener(&after(5)), app, Vec::new()).await;
    let client = Client::http1(envoy.address("out"));
    for _ in 0..23 {
        get_503(&client, "/").await;
    }
    assert_eq!(counted(&envoy, "upstream_connections").await, 0);

    let server = Server::start_unix(&socket, site);
    for _ in 0..60 {
        get_ok(&client, "/").await;
    }

    let requests: Vec<_> = server.seen().iter().map(Vec::len).collect();
    assert_eq!(requests, [6; 10]);
    assert_eq!(
        counted(&envoy, "upstream_connections_expired_total").await,
        10
    );
    assert_eq!(
        counted(&envoy, "upstream_connections_recycled_total").await,
        10
    );
    healthy(&envoy);
}

#[tokio::test]
async fn responses_of_the_proxy_itself_do_not_count_for_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let server = Server::start_unix(&socket, site);
    let app = cluster("app", &json!({ "pipe": { "path": socket } }));
    let envoy = start(listener(&after(5)), app, Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..10 {
        for _ in 0..4 {
            get_503(&client, "/drop").await;
        }
        // The fifth response reaches the limit, and the sixth request is marked.
        for _ in 0..6 {
            get_ok(&client, "/").await;
        }
    }

    let requests: Vec<_> = server.seen().iter().map(Vec::len).collect();
    assert_eq!(requests, [[1, 1, 1, 1, 6]; 10].concat());
    assert_eq!(
        counted(&envoy, "upstream_connections_recycled_total").await,
        10
    );
    assert_eq!(
        counted(&envoy, "upstream_connections_closed_early_total").await,
        0
    );
    healthy(&envoy);
}

#[tokio::test]
async fn server_that_cannot_be_reached_has_no_connections() {
    let server = Server::start(site).await;
    let address = server.address;
    drop(server);
    let envoy = start(listener(&after(5)), app(address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..30 {
        get_503(&client, "/").await;
    }

    for metric in [
        "upstream_connections",
        "upstream_connections_expired_total",
        "upstream_connections_closed_early_total",
    ] {
        assert_eq!(counted(&envoy, metric).await, 0, "{metric}");
    }
    healthy(&envoy);
}

#[tokio::test]
async fn connection_that_ends_without_a_response_needs_no_mark() {
    let server = Server::start(site).await;
    let envoy = start(listener(&after(5)), app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..10 {
        for _ in 0..4 {
            get_ok(&client, "/").await;
        }
        get_503(&client, "/drop").await;
    }

    assert_eq!(server.seen().len(), 10);
    for metric in [
        "upstream_connections",
        "upstream_connections_expired_total",
        "upstream_connections_closed_early_total",
    ] {
        assert_eq!(counted(&envoy, metric).await, 0, "{metric}");
    }
    healthy(&envoy);
}
