//! Requests without a response of a server count for no connection.

use evenkeel_test_envoy::{Client, Envoy};

use super::{after, get_ok, listener, start, start_unix};
use crate::support::config::app;
use crate::support::server::{Server, ok, path};
use crate::support::{assert_healthy, assert_metric};

/// A server that closes the connection on a request below `/drop`.
fn reply(head: &str) -> Option<Vec<u8>> {
    (!path(head).starts_with("/drop")).then(|| ok("a"))
}

/// Requests that get a local reply of the proxy.
async fn get_503(client: &Client, path: &str, count: usize) {
    for _ in 0..count {
        assert_eq!(client.get(path).await.unwrap().status, 503);
    }
}

async fn assert_nothing_counted(envoy: &Envoy) {
    for name in [
        "upstream_connections",
        "upstream_connections_expired_total",
        "upstream_connections_closed_early_total",
    ] {
        assert_metric(envoy, name, 0).await;
    }
    assert_healthy(envoy);
}

#[tokio::test]
async fn failed_connects_to_a_unix_socket_do_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let (envoy, client) = start_unix(&after(5), &socket).await;
    get_503(&client, "/", 23).await;
    assert_metric(&envoy, "upstream_connections", 0).await;

    let server = Server::start_unix(&socket, reply);
    for _ in 0..60 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.requests_by_connection(), [6; 10]);
    assert_metric(&envoy, "upstream_connections_expired_total", 10).await;
    assert_metric(&envoy, "upstream_connections_recycled_total", 10).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn local_replies_do_not_count_for_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("app.sock");
    let server = Server::start_unix(&socket, reply);
    let (envoy, client) = start_unix(&after(5), &socket).await;

    for _ in 0..10 {
        get_503(&client, "/drop", 4).await;
        // The fifth response reaches the limit, and the sixth request is marked.
        for _ in 0..6 {
            get_ok(&client, "/").await;
        }
    }

    let expected = [[1, 1, 1, 1, 6]; 10].concat();
    assert_eq!(server.requests_by_connection(), expected);
    assert_metric(&envoy, "upstream_connections_recycled_total", 10).await;
    assert_metric(&envoy, "upstream_connections_closed_early_total", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn unreachable_server_has_no_connections() {
    let server = Server::start(reply).await;
    let address = server.address;
    drop(server);
    let envoy = start(listener(&after(5)), app(address), Vec::new()).await;

    get_503(&Client::http1(envoy.address("out")), "/", 30).await;

    assert_nothing_counted(&envoy).await;
}

#[tokio::test]
async fn connection_that_ends_without_a_response_needs_no_mark() {
    let server = Server::start(reply).await;
    let envoy = start(listener(&after(5)), app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..10 {
        for _ in 0..4 {
            get_ok(&client, "/").await;
        }
        get_503(&client, "/drop", 1).await;
    }

    assert_eq!(server.requests_by_connection(), [5; 10]);
    assert_nothing_counted(&envoy).await;
}
