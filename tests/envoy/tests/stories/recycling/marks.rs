//! No mark on what is not an ordinary request, and no more marks than expired connections.

use std::time::Duration;

use bytes::Bytes;
use evenkeel_test_envoy::{Client, Envoy};
use evenkeel_test_tasks::Tasks;
use hyper::Request;
use serde_json::json;

use super::{after, get_ok, listener, manager, route, start};
use crate::support::config::{self, app};
use crate::support::server::{Server, ok, path};
use crate::support::socket::{Socket, closes, field};
use crate::support::{counted, healthy, within};

/// A server that takes upgrades and CONNECT, and responds with 503 below `/fails`.
fn site(head: &str) -> Option<Vec<u8>> {
    let reply = if field(head, "upgrade").is_some() {
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            .to_vec()
    } else if head.starts_with("CONNECT ") {
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec()
    } else if path(head).starts_with("/fails") {
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
    } else {
        ok("a")
    };
    Some(reply)
}

/// An Envoy before that server that lets upgrades and CONNECT pass, and recycles after two requests.
async fn proxy(server: &Server) -> Envoy {
    let mut listener = listener(&after(2));
    let manager = manager(&mut listener);
    manager["upgrade_configs"] =
        json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }]);
    manager["http2_protocol_options"] = json!({ "allow_connect": true });
    let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
    let connect = json!({ "match": { "connect_matcher": {} }, "route": { "cluster": "app", "timeout": "0s" } });
    *routes = json!([connect, routes[0].clone()]);
    config::start(&config::whole(&[listener], server.address)).await
}

/// The heads with the mark that the server got, in order.
fn marked(server: &Server) -> Vec<String> {
    let heads = server.seen().into_iter().flatten();
    heads.filter(|head| closes(head)).collect()
}

/// After an expired connection and what is no ordinary request, the next ordinary one is marked.
async fn mark_waits_for_a_get(client: &Client, server: &Server) {
    assert_eq!(marked(server), Vec::<String>::new());
    get_ok(client, "/next").await;
    let marked = marked(server);
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!(path(&marked[0]), "/next");
}

#[tokio::test]
async fn websocket_handshake_is_not_marked() {
    let server = Server::start(site).await;
    let envoy = proxy(&server).await;
    let client = Client::http1(envoy.address("out"));
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;

    let mut socket = Socket::connect(envoy.address("out")).await;
    let handshake = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.send(handshake).await;
    let head = socket.head().await;

    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    mark_waits_for_a_get(&client, &server).await;
    healthy(&envoy);
}

#[tokio::test]
async fn connect_is_not_marked() {
    let server = Server::start(site).await;
    let envoy = proxy(&server).await;
    let client = Client::http1(envoy.address("out"));
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;

    let mut socket = Socket::connect(envoy.address("out")).await;
    socket
        .send("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n")
        .await;
    let head = socket.head().await;

    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    mark_waits_for_a_get(&client, &server).await;
    healthy(&envoy);
}

#[tokio::test]
async fn extended_connect_is_not_marked() {
    let server = Server::start(site).await;
    let envoy = proxy(&server).await;
    // Requests over HTTP/2 of the kind that may be marked.
    let client = Client::http2(envoy.address("out"));
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;

    let stream = tokio::net::TcpStream::connect(envoy.address("out"))
        .await
        .unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let mut tasks = Tasks::new();
    tasks.spawn(async move {
        // How it ends is seen by its streams.
        let _ = connection.await;
    });
    within("extended CONNECT", async {
        while !sender.is_extended_connect_protocol_enabled() {
            sender = sender.clone().ready().await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut request = Request::connect("http://a/ws").body(()).unwrap();
    let protocol = h2::ext::Protocol::from_static("websocket");
    request.extensions_mut().insert(protocol);
    request
        .headers_mut()
        .insert("sec-websocket-version", "13".parse().unwrap());
    let (response, mut body) = sender.send_request(request, false).unwrap();
    let response = within("a response", response).await.unwrap();

    assert_eq!(response.status(), 200);
    body.send_data(Bytes::new(), true).unwrap();
    mark_waits_for_a_get(&client, &server).await;
    healthy(&envoy);
}

/// An Envoy that sends a request up to four times while the server responds with 503.
async fn retrying(server: &Server) -> Envoy {
    let mut listener = listener(&after(2));
    route(&mut listener)["route"]["retry_policy"] = json!({
        "retry_on": "5xx",
        "num_retries": 3,
        "retry_back_off": { "base_interval": "0.001s" },
    });
    config::start(&config::whole(&[listener], server.address)).await
}

#[tokio::test]
async fn no_request_is_marked_while_the_proxy_retries() {
    let server = Server::start(site).await;
    let envoy = retrying(&server).await;
    let client = Client::http1(envoy.address("out"));

    for _ in 0..20 {
        assert_eq!(client.get("/fails").await.unwrap().status, 503);
    }

    assert_eq!(
        counted(&envoy, "upstream_connections_expired_total").await,
        1
    );
    assert_eq!(marked(&server), Vec::<String>::new());
    assert_eq!(server.seen().len(), 1);
    // What comes once is the sign, and the next request is marked.
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;
    assert_eq!(marked(&server).len(), 1);
    healthy(&envoy);
}

#[tokio::test]
async fn marked_request_that_is_retried_is_counted_once_for_each_attempt() {
    let server = Server::start(site).await;
    let envoy = retrying(&server).await;
    let client = Client::http1(envoy.address("out"));
    get_ok(&client, "/1").await;
    get_ok(&client, "/2").await;

    // Envoy copies the mark to each attempt.
    for _ in 0..20 {
        assert_eq!(client.get("/fails").await.unwrap().status, 503);
    }

    assert_eq!(marked(&server).len(), 4);
    let recycled = counted(&envoy, "upstream_connections_recycled_total").await;
    let strays = counted(&envoy, "upstream_connections_closed_early_total").await;
    assert_eq!(recycled + strays, 4);
    healthy(&envoy);
}

#[tokio::test]
async fn connection_that_the_server_closed_on_idle_costs_one_mark() {
    let server = Server::start(site).await;
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
        super::pools::all_closed(&envoy).await;
    }

    let connections = server.seen().len();
    assert!(connections >= bursts, "{connections}");
    assert!(
        connections * 10 <= bursts * 11,
        "{connections} connections where {bursts} are right"
    );
    healthy(&envoy);
}
