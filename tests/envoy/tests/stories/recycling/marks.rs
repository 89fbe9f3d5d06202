//! No mark on what is not an ordinary request, and no more marks than expired connections.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_test_envoy::{Client, Envoy};
use evenkeel_test_frames::http2::{ClientPreface, HEADERS, connect_websocket};
use evenkeel_test_frames::websocket::{UPGRADE_RESPONSE, upgrade_request};
use serde_json::json;

use super::{after, get_ok, listener, route, start};
use crate::support::config::{self, app, manager};
use crate::support::raw_client::RawClient;
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, announces_close, field};
use crate::support::{assert_healthy, assert_metric, metric};

/// A server that accepts upgrades and CONNECT, and responds with 503 below `/fails`.
fn reply(head: &str) -> Option<Vec<u8>> {
    let response = if field(head, "upgrade").is_some() {
        UPGRADE_RESPONSE.into()
    } else if head.starts_with("CONNECT ") {
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec()
    } else if path(head).starts_with("/fails") {
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
    } else {
        ok("a")
    };
    Some(response)
}

/// Starts an Envoy that passes upgrades and CONNECT, and recycles after two requests.
async fn proxy(server: &Server) -> Envoy {
    let mut listener = listener(&after(2));
    let manager = manager(&mut listener);
    manager["upgrade_configs"] =
        json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }]);
    manager["http2_protocol_options"] = json!({ "allow_connect": true });
    let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
    let connect = json!({ "match": { "connect_matcher": {} }, "route": { "cluster": "app", "timeout": "0s" } });
    *routes = json!([connect, routes[0].clone()]);
    config::start_before(server.address, &[listener]).await
}

/// Returns the request heads with the mark, in order.
fn marked(server: &Server) -> Vec<String> {
    let heads = server.heads_by_connection().into_iter().flatten();
    heads.filter(|head| announces_close(head)).collect()
}

/// No request is marked yet, and the next GET is.
async fn assert_next_get_is_marked(client: &Client, server: &Server) {
    assert_eq!(marked(server), Vec::<String>::new());
    get_ok(client, "/next").await;
    let marked = marked(server);
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!(path(&marked[0]), "/next");
}

/// A proxy and a client whose upstream connection has expired.
async fn expired(server: &Server, client: impl Fn(SocketAddr) -> Client) -> (Envoy, Client) {
    let envoy = proxy(server).await;
    let client = client(envoy.address("out"));
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;
    (envoy, client)
}

#[tokio::test]
async fn websocket_handshake_and_connect_are_not_marked() {
    let connect = "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n".to_owned();
    // Some clients send both tokens.
    let upgrade = upgrade_request("/ws").replace("Upgrade\r\n", "keep-alive, Upgrade\r\n");
    for (request, status) in [(upgrade, 101), (connect, 200)] {
        let server = Server::start(reply).await;
        let (envoy, client) = expired(&server, Client::http1).await;

        let mut socket = Socket::connect(envoy.address("out")).await;
        socket.send(request).await;
        let head = socket.head().await;

        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_next_get_is_marked(&client, &server).await;
        assert_healthy(&envoy);
    }
}

#[tokio::test]
async fn extended_connect_is_not_marked() {
    let server = Server::start(reply).await;
    // Its requests over HTTP/2 may be marked.
    let (envoy, client) = expired(&server, Client::http2).await;

    let mut tunnel = RawClient::connect(envoy.address("out"), ClientPreface::Go).await;
    tunnel.socket.send(connect_websocket(1, "/ws")).await;
    let frames = tunnel.read_until(|frame| frame.kind == HEADERS).await;

    assert!(frames[frames.len() - 1].has_status_200(), "{frames:?}");
    assert_next_get_is_marked(&client, &server).await;
    assert_healthy(&envoy);
}

/// Starts an Envoy that sends a request up to four times while the server responds with 503.
async fn retrying(server: &Server) -> Envoy {
    let mut listener = listener(&after(2));
    route(&mut listener)["route"]["retry_policy"] = json!({
        "retry_on": "5xx",
        "num_retries": 3,
        "retry_back_off": { "base_interval": "0.001s" },
    });
    config::start_before(server.address, &[listener]).await
}

#[tokio::test]
async fn no_request_is_marked_while_the_proxy_retries() {
    let server = Server::start(reply).await;
    let envoy = retrying(&server).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..20 {
        assert_eq!(client.get("/fails").await.unwrap().status, 503);
    }

    assert_metric(&envoy, "upstream_connections_expired_total", 1).await;
    assert_eq!(marked(&server), Vec::<String>::new());
    assert_eq!(server.requests_by_connection().len(), 1);
    // A request that is not retried reaches the limit, and the next one is marked.
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;
    assert_eq!(marked(&server).len(), 1);
    assert_healthy(&envoy);
}

#[tokio::test]
async fn retried_mark_counts_once_for_each_attempt() {
    let server = Server::start(reply).await;
    let envoy = retrying(&server).await;
    let client = Client::http1(envoy.address("out"));
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;

    // Envoy copies the mark to each attempt.
    for _ in 0..20 {
        assert_eq!(client.get("/fails").await.unwrap().status, 503);
    }

    assert_eq!(marked(&server).len(), 4);
    let recycled = metric(&envoy, "upstream_connections_recycled_total").await;
    let closed_early = metric(&envoy, "upstream_connections_closed_early_total").await;
    assert_eq!(recycled + closed_early, 4);
    assert_healthy(&envoy);
}

#[tokio::test]
async fn idle_close_by_the_server_costs_one_mark() {
    let server = Server::start(reply).await;
    let listener = listener(&after(4));
    let envoy = start(listener, app(server.address), Vec::new()).await;
    let client = Client::http1(envoy.address("out"));

    let bursts = 40;
    for _ in 0..bursts {
        for _ in 0..4 {
            get_ok(&client, "/").await;
        }
        // The idle timeout of the server, which closes no connection that the client has been slow to use.
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.close_idle();
        super::pools::wait_until_all_closed(&envoy).await;
    }

    let connections = server.requests_by_connection().len();
    assert!(connections >= bursts, "{connections}");
    assert!(
        connections * 10 <= bursts * 11,
        "{connections} connections, {bursts} expected"
    );
    assert_healthy(&envoy);
}
