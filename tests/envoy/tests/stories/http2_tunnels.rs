//! WebSockets over HTTP/2 are streams without an end, and counted.

use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, Roles};

use crate::support::frames::{Greeting, HEADERS, RawClient, frame, post};
use crate::support::socket::Socket;
use crate::support::{counted, counted_with, healthy, rule, until};

/// Extended CONNECT (RFC 8441 4): literal fields that are not to be remembered.
fn websocket(stream: u32) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    // Entries 2 (:method), 6 (:scheme http), 4 (:path) and 1 (:authority).
    let mut block = [&[0x02][..], &text("CONNECT"), &[0x86]].concat();
    for (name, value) in [(4, "/ws/20"), (1, "shop.example")] {
        block.push(name);
        block.extend(text(value));
    }
    for (name, value) in [(":protocol", "websocket"), ("sec-websocket-version", "13")] {
        block.push(0);
        block.extend([text(name), text(value)].concat());
    }
    frame(HEADERS, 0x4, stream, &block)
}

#[tokio::test]
async fn a_websocket_over_http2_is_counted_and_other_streams_are_not() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .extended_connect()
        .route("/", "app")
        .evenkeel(Roles::Both, rule(r#""max_connection_age": "30m""#));
    let cluster = Cluster::new("app", [backend.address()]);
    let bootstrap = Bootstrap::new().listener(listener).cluster(cluster);
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let to = envoy.address("in");

    let mut client = RawClient::connect(to, Greeting::Go).await;
    client.get(1, "/").await;
    client.answer(1).await;
    client.socket.send(post(3, "/echo", b"body")).await;
    client.answer(3).await;
    // Over HTTP/1 it is a connection of its own.
    let mut http1 = Socket::connect(to).await;
    http1
        .send("GET /ws/20 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .await;
    http1.head().await;
    assert_eq!(counted(&envoy, "http2_tunnels_total").await, 0);

    client.socket.send(websocket(5)).await;

    until(&envoy, "http2_tunnels_total", |tunnels| tunnels == 1).await;
    let frame = [("bypass_reason", "frame")];
    assert_eq!(
        counted_with(&envoy, "connections_bypassed_total", &frame).await,
        0
    );
    healthy(&envoy);
}
