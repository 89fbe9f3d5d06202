//! What is known of an upstream's protocol, and what the operator is told where nothing is.

use evenkeel_test_envoy::Client;
use serde_json::json;

use super::{auto_after, cluster, get_ok, listener, start};
use crate::support::config::app;
use crate::support::server::{Server, ok, path};
use crate::support::{counted, healthy, said};

/// A server that sends chunks below `/chunks`, and else a body of known length.
fn site(head: &str) -> Option<Vec<u8>> {
    Some(if path(head).starts_with("/chunks") {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_vec()
    } else {
        ok("a")
    })
}

#[tokio::test]
async fn connection_that_shows_no_protocol_is_reported() {
    let server = Server::start(site).await;
    let envoy = start(listener(&auto_after(5)), app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..100 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.seen().len(), 1);
    assert_eq!(
        counted(&envoy, "upstream_connections_not_recycled_total").await,
        1
    );
    assert_eq!(
        counted(&envoy, "upstream_connections_expired_total").await,
        0
    );
    let said = said(&envoy);
    let warnings = said.matches("cluster app: an upstream connection reached a limit");
    assert_eq!(warnings.count(), 1, "{said}");
    healthy(&envoy);
}

#[tokio::test]
async fn one_response_in_chunks_shows_the_protocol_of_its_cluster() {
    let server = Server::start(site).await;
    let envoy = start(listener(&auto_after(5)), app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    get_ok(&client, "/chunks").await;
    for _ in 0..95 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.seen().len(), 16);
    assert_eq!(
        counted(&envoy, "upstream_connections_not_recycled_total").await,
        0
    );
    healthy(&envoy);
}

#[tokio::test]
async fn server_that_shows_no_protocol_does_not_block_the_others_of_its_cluster() {
    let silent = Server::start(|_| Some(ok("a"))).await;
    let shown = Server::start(|_| site("GET /chunks ")).await;
    let endpoints: Vec<_> = [&silent, &shown]
        .map(|server| {
            json!({ "endpoint": { "address": { "socket_address": {
            "address": "127.0.0.1", "port_value": server.address.port() } } } })
        })
        .to_vec();
    let mut app = cluster("app", &json!({}));
    app["load_assignment"]["endpoints"] = json!([{ "lb_endpoints": endpoints }]);
    let envoy = start(listener(&auto_after(5)), app, Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..120 {
        get_ok(&client, "/").await;
    }

    let connections = [silent.seen().len(), shown.seen().len()];
    assert!(
        (18..=22).contains(&connections.iter().sum::<usize>()),
        "{connections:?}"
    );
    assert!(
        connections.iter().all(|&count| count > 1),
        "{connections:?}"
    );
    healthy(&envoy);
}
