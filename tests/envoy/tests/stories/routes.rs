//! Routes, and what each role does where the other is missing.

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, eventually};
use evenkeel_test_frames::http2::{ClientPreface, MAX_STREAM_ID};

use crate::support::config::{self, Entry, http_listener};
use crate::support::raw_client::{Frame, RawClient, last_stream_id};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, announces_close};
use crate::support::{
    assert_healthy, assert_metric, module_log, start_listeners, wait_for_metric,
    wait_for_metric_with,
};

const ROUTES: &str = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0}, "routes": [
    {"name": "checkout", "match": {"route": "checkout-*"}, "max_requests_per_connection": 1},
    {"name": "shop", "match": {"authority": "*.shop.example"}, "max_requests_per_connection": 2},
    {"name": "api", "match": {"path_prefix": "/api/"}, "max_requests_per_connection": 3},
    {"name": "both", "match": {"authority": "a.example", "path_prefix": "/both"}, "max_requests_per_connection": 4}]}"#;

#[tokio::test]
async fn first_matching_route_decides() {
    let backend = evenkeel_test_envoy::Backend::start("a").await.unwrap();
    let listener = Listener::http("in")
        .named_route("checkout-eu", "/pay", "app")
        .route("/", "app")
        .evenkeel(Roles::Both, ROUTES);
    let bootstrap = Bootstrap::new()
        .listener(listener)
        .cluster(Cluster::new("app", [backend.address()]));
    let envoy = Envoy::start(bootstrap).await.unwrap();

    for (path, authority, last) in [
        ("/pay", "a", Some(1)),
        ("/", "www.SHOP.example:8080", Some(2)),
        ("/api/x", "a", Some(3)),
        ("/api", "a", None),
        ("/both?x", "a.example", Some(4)),
        ("/both", "b.example", None),
        ("/", "shop.example", None),
    ] {
        let mut socket = Socket::connect(envoy.address("in")).await;
        let mut closing = Vec::new();
        for _ in 0..last.unwrap_or(6) {
            socket
                .send(format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n\r\n"))
                .await;
            closing.push(announces_close(&socket.response().await.0));
        }
        let first_close = closing.iter().position(|closes| *closes).map(|at| at + 1);
        assert_eq!(first_close, last, "{path} {authority}");
    }
    assert_metric(&envoy, "streams_unmatched_total", 0).await;
    assert_healthy(&envoy);
}

const PROTECT: &str = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0, "max_connection_age": "300ms", "http2": {"idle_wait": "0s"}},
    "routes": [{"name": "events", "match": {"path_prefix": "/tail"}, "protect": true}]}"#;

/// Sends a GET; returns the last-stream-id of the GOAWAY that came with the response, if one did.
async fn goaway_of_get(client: &mut RawClient, stream: u32) -> Option<u32> {
    client.send_get(stream, "/").await;
    let frames = client.read_response_and_ping(stream).await;
    last_stream_id(&frames)
}

#[tokio::test]
async fn open_protected_stream_protects_its_connection() {
    let (envoy, backend) = start_listeners(&[("in", Roles::Both, PROTECT)]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.send_get(1, "/tail").await;
    client.read_until(|frame| frame.stream == 1).await;
    let mut other = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    wait_for_metric(&envoy, "connections_expired_total", 2).await;

    assert_eq!(goaway_of_get(&mut client, 3).await, None);
    assert_eq!(goaway_of_get(&mut other, 1).await, Some(MAX_STREAM_ID));

    backend.release();
    client.read_response(1).await;
    assert_eq!(goaway_of_get(&mut client, 5).await, Some(MAX_STREAM_ID));
    assert_metric(&envoy, "requests_aborted_total", 0).await;
}

#[tokio::test]
async fn connection_is_drained_when_its_protected_stream_ends() {
    let (envoy, backend) = start_listeners(&[("in", Roles::Both, PROTECT)]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.send_get(1, "/tail").await;
    wait_for_metric(&envoy, "connections_expired_total", 1).await;

    backend.release();
    client.read_response(1).await;

    let frames = client.ping_until_goaway().await;
    assert_eq!(
        frames.last().and_then(Frame::last_stream_id),
        Some(MAX_STREAM_ID)
    );
}

#[tokio::test]
async fn roles_in_separate_vms_warn_and_use_the_defaults() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0, "max_requests_per_connection": 3},
        "routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 1}]}"#;
    let entry = |kind, vm_id| Entry {
        kind,
        root: kind,
        vm_id,
        policy,
    };
    let (network, http) = (entry("network", "one"), entry("http", "other"));
    let listener = http_listener("in", 0, &[network], &[http]);
    let envoy = config::start_before(server.address, &[listener]).await;

    let mut socket = Socket::connect(envoy.address("in")).await;
    let closing = socket.closing_responses("/", 3).await;

    assert_eq!(closing, [false, false, true]);
    assert_metric(&envoy, "streams_unmatched_total", 3).await;
    let warning = "an HTTP stream came on a connection that the network role does not know";
    eventually("the warning", || async {
        Ok(envoy.log().contains(warning).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(envoy.log().matches(warning).count(), 1);
}

#[tokio::test]
async fn network_role_alone_uses_the_defaults() {
    let policy = ROUTES.replace(
        r#"{"jitter": 0}"#,
        r#"{"jitter": 0, "max_requests_per_connection": 5}"#,
    );
    let (envoy, _backend) = start_listeners(&[("in", Roles::Network, &policy)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    let closing = socket.closing_responses("/api/x", 5).await;

    assert_eq!(closing, [false, false, false, false, true]);
    assert_metric(&envoy, "streams_unmatched_total", 0).await;
}

#[tokio::test]
async fn http_role_alone_only_counts_upstreams() {
    let policy = r#"{"version": 1, "budget": "off", "rebalance": {},
        "defaults": {"jitter": 0, "max_requests_per_connection": 1, "max_connection_age": "100ms"}}"#;
    let (envoy, backend) = start_listeners(&[("in", Roles::Http, policy)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    for _ in 0..10 {
        assert!(!announces_close(&socket.get("/").await.0));
    }

    let upstream = [("upstream_host", &*backend.address().to_string())];
    wait_for_metric_with(&envoy, "upstream_requests_total", &upstream, 10).await;
    wait_for_metric(&envoy, "upstream_active_requests", 0).await;
    assert!(!module_log(&envoy).contains("network role does not know"));
    assert_healthy(&envoy);
}
