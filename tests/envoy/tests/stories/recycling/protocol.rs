//! How an upstream's protocol is identified, and what is logged where it is not.

use evenkeel_test_envoy::Client;
use serde_json::json;

use super::{auto_after, cluster, get_ok, listener, start};
use crate::support::config::app;
use crate::support::server::{Server, ok, path};
use crate::support::{assert_healthy, assert_metric, module_log};

/// A server that sends a chunked body below `/chunks`, and else one of known length.
fn reply(head: &str) -> Option<Vec<u8>> {
    Some(if path(head).starts_with("/chunks") {
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_vec()
    } else {
        ok("a")
    })
}

#[tokio::test]
async fn unknown_protocol_is_reported_and_not_recycled() {
    let server = Server::start(reply).await;
    let envoy = start(listener(&auto_after(5)), app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..100 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.requests_by_connection().len(), 1);
    assert_metric(&envoy, "upstream_connections_not_recycled_total", 1).await;
    assert_metric(&envoy, "upstream_connections_expired_total", 0).await;
    let log = module_log(&envoy);
    let warnings = log.matches("cluster app: an upstream connection reached a limit");
    assert_eq!(warnings.count(), 1, "{log}");
    assert_healthy(&envoy);
}

#[tokio::test]
async fn chunked_response_identifies_http1() {
    let server = Server::start(reply).await;
    let envoy = start(listener(&auto_after(5)), app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    get_ok(&client, "/chunks").await;
    for _ in 0..95 {
        get_ok(&client, "/").await;
    }

    assert_eq!(server.requests_by_connection().len(), 16);
    assert_metric(&envoy, "upstream_connections_not_recycled_total", 0).await;
    assert_healthy(&envoy);
}

#[tokio::test]
async fn unidentified_server_does_not_block_its_cluster() {
    let unidentified = Server::start(|_| Some(ok("a"))).await;
    let identified = Server::start(|_| reply("GET /chunks ")).await;
    let endpoints: Vec<_> = [&unidentified, &identified]
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

    let connections = [
        unidentified.requests_by_connection().len(),
        identified.requests_by_connection().len(),
    ];
    assert!(
        (18..=22).contains(&connections.iter().sum::<usize>()),
        "{connections:?}"
    );
    assert!(
        connections.iter().all(|&count| count > 1),
        "{connections:?}"
    );
    assert_healthy(&envoy);
}
