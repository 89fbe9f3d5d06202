//! HTTP/2 connections that are not read, because their clients tolerate a GOAWAY at any time.

use std::sync::Arc;

use evenkeel_test_envoy::{Backend, Bootstrap, Client, Cluster, Envoy, Listener, Roles};
use evenkeel_test_frames::http2::{ClientPreface, GOAWAY, MAX_STREAM_ID, PING, get, ping};
use evenkeel_test_tasks::Tasks;
use serde_json::json;

use crate::support::raw_client::{Frame, RawClient, last_stream_id};
use crate::support::{
    assert_healthy, assert_metric, metric, start_listeners, wait_for_metric, wait_until_metric,
    with_defaults, within,
};

/// Returns a policy with this age.
fn age(age: &str) -> String {
    with_defaults(&format!(r#""max_connection_age": "{age}""#))
}

/// How many requests of HTTP/2 connections were counted: those that were read.
async fn requests_read(envoy: &Envoy) -> u64 {
    metric(envoy, "requests_total").await
}

/// The most common client in a mesh is a proxy. With large bodies in both directions, trailers and flow control.
#[tokio::test]
async fn client_envoy_is_drained_without_a_loss() {
    let (server_side, backend) = start_listeners(&[("in", Roles::Both, &age("30m"))]).await;
    let cluster = Cluster::new("peer", [server_side.address("in")]).http2();
    let bootstrap = Bootstrap::new()
        .cluster(cluster)
        .listener(Listener::http("out").route("/", "peer"));
    let client_side = Envoy::start(bootstrap).await.unwrap();
    let client = Arc::new(Client::http2(client_side.address("out")));
    for _ in 0..10 {
        assert_eq!(client.get("/").await.unwrap().body, "a");
    }
    wait_for_metric(&server_side, "requests_total", 1).await;

    let paths = ["/", "/delay/2", "/bytes/300000", "/trickle/5/4"];
    let rounds = 40;
    let mut users = Tasks::new();
    for path in paths.into_iter().cycle().take(16) {
        let client = Arc::clone(&client);
        users.spawn(async move {
            for _ in 0..rounds {
                assert_eq!(client.get(path).await.unwrap().status, 200, "{path}");
            }
        });
    }
    server_side
        .replace_policy("in", age("100ms"))
        .await
        .unwrap();
    users.join().await;

    wait_until_metric(&server_side, "drain_signals_total", |count| count > 0).await;
    assert_eq!(backend.requests(), 16 * rounds + 10);
    assert_metric(&server_side, "requests_aborted_total", 0).await;
    assert_metric(&server_side, "connections_bypassed_total", 0).await;
    assert_healthy(&server_side);
}

#[tokio::test]
async fn requests_after_the_first_are_not_read() {
    let (envoy, backend) = start_listeners(&[("in", Roles::Network, &age("30m"))]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Curl).await;
    for stream in [1, 3, 5] {
        client.send_get(stream, "/").await;
        client.read_response(stream).await;
    }
    wait_until_metric(&envoy, "requests_total", |count| count > 0).await;
    envoy.replace_policy("in", age("1s")).await.unwrap();

    let frames = within("a GOAWAY", async {
        let mut frames = Vec::new();
        while !frames.iter().any(|frame: &Frame| frame.kind == GOAWAY) {
            client.socket.send(ping()).await;
            frames.extend(client.read_until(|frame| frame.kind == PING).await);
        }
        frames
    })
    .await;

    assert_eq!(last_stream_id(&frames), Some(MAX_STREAM_ID));
    // The client may continue: what is in flight is not known, so only the client ends the connection.
    client.send_get(7, "/").await;
    client.read_response(7).await;
    assert_eq!(backend.requests(), 4);
    assert!(requests_read(&envoy).await < 3);
    assert_metric(&envoy, "connections_bypassed_total", 0).await;
}

/// The last-stream-id must not increase (RFC 9113 6.8): a client may take that for an error of the connection.
#[tokio::test]
async fn no_goaway_follows_the_last_one_of_envoy() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .route("/", "app")
        .evenkeel(Roles::Network, age("30m"))
        .connection_limits(json!({ "max_connection_duration": "1s" }));
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Curl).await;
    client.send_get(1, "/").await;
    client.read_response(1).await;
    client.send_get(3, "/hold").await;
    let last_id = |frame: &Frame| frame.last_stream_id().is_some_and(|id| id == 3);
    let frames = within("Envoy's last GOAWAY", client.read_until(last_id)).await;
    let ids: Vec<_> = frames.iter().filter_map(Frame::last_stream_id).collect();
    assert_eq!(ids, [MAX_STREAM_ID, 3]);

    envoy.replace_policy("in", age("1ms")).await.unwrap();
    for _ in 0..20 {
        client.socket.send(ping()).await;
        let frames = client.read_until(|frame| frame.kind == PING).await;
        assert!(frames.iter().all(|frame| frame.kind != GOAWAY));
    }
    backend.release();
    let frames = client.read_to_end().await;

    assert!(frames.iter().any(Frame::ends_stream));
    assert!(frames.iter().all(|frame| frame.kind != GOAWAY));
    assert_metric(&envoy, "drain_signals_total", 0).await;
    assert_healthy(&envoy);
}

/// A TCP proxy passes frames on as they come, in any pieces.
#[tokio::test]
async fn connection_through_a_tcp_proxy_is_read() {
    let backend = Backend::start("a").await.unwrap();
    let listener = Listener::tcp("in", "app").evenkeel(Roles::Network, age("30m"));
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Curl).await;
    for stream in [1, 3, 5, 7] {
        client.socket.send(get(stream, "/bytes/10000")).await;
        client.read_response(stream).await;
    }
    wait_for_metric(&envoy, "requests_total", 4).await;
    assert_metric(&envoy, "connections_bypassed_total", 0).await;
}
