//! Rules for requests, and what each role can do where the other is not.

use evenkeel_test_envoy::{Bootstrap, Cluster, Envoy, Listener, Roles, eventually};
use evenkeel_test_frames::http2::{ClientPreface, MAX_STREAM_ID, PING, ping};

use crate::support::config::{self, Entry, http_listener};
use crate::support::raw_client::{Frame, RawClient};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, get};
use crate::support::{counted, healthy, rule, said, site, until};

const ROUTES: &str = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0}, "routes": [
    {"name": "checkout", "match": {"route": "checkout-*"}, "max_requests_per_connection": 1},
    {"name": "shop", "match": {"authority": "*.shop.example"}, "max_requests_per_connection": 2},
    {"name": "api", "match": {"path_prefix": "/api/"}, "max_requests_per_connection": 3},
    {"name": "both", "match": {"authority": "a.example", "path_prefix": "/both"}, "max_requests_per_connection": 4}]}"#;

#[tokio::test]
async fn the_first_rule_that_matches_a_request_governs_its_connection() {
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
            closing.push(closes(&socket.answer().await.0));
        }
        let told = closing.iter().position(|closes| *closes).map(|at| at + 1);
        assert_eq!(told, last, "{path} {authority}");
    }
    assert_eq!(counted(&envoy, "streams_unmatched_total").await, 0);
    healthy(&envoy);
}

const PROTECT: &str = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0, "max_connection_age": "300ms", "http2": {"idle_wait": "0s"}},
    "routes": [{"name": "events", "match": {"path_prefix": "/tail"}, "protect": true}]}"#;

/// Asks on the side, and gives the GOAWAY that came with the answer, if one did.
async fn told(client: &mut RawClient, stream: u32) -> Option<u32> {
    client.get(stream, "/").await;
    let mut frames = client.answer(stream).await;
    // What rides in the same write comes before the answer to a PING.
    client.socket.send(ping()).await;
    frames.extend(client.until(|frame| frame.kind == PING).await);
    frames.iter().find_map(Frame::last_stream_id)
}

#[tokio::test]
async fn an_event_stream_protects_its_connection_as_long_as_it_is_open() {
    let (envoy, backend) = site(&[("in", Roles::Both, PROTECT)]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.get(1, "/tail").await;
    client.until(|frame| frame.stream == 1).await;
    let mut other = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    until(&envoy, "connections_expired_total", |due| due == 2).await;

    assert_eq!(told(&mut client, 3).await, None);
    assert_eq!(told(&mut other, 1).await, Some(MAX_STREAM_ID));

    backend.release();
    client.answer(1).await;
    assert_eq!(told(&mut client, 5).await, Some(MAX_STREAM_ID));
    assert_eq!(counted(&envoy, "requests_aborted_total").await, 0);
}

#[tokio::test]
async fn the_end_of_the_last_event_stream_is_itself_the_moment() {
    let (envoy, backend) = site(&[("in", Roles::Both, PROTECT)]).await;
    let mut client = RawClient::connect(envoy.address("in"), ClientPreface::Go).await;
    client.get(1, "/tail").await;
    until(&envoy, "connections_expired_total", |due| due == 1).await;

    backend.release();
    client.answer(1).await;

    let frames = client.pings_until_goaway().await;
    assert_eq!(
        frames.last().and_then(Frame::last_stream_id),
        Some(MAX_STREAM_ID)
    );
}

#[tokio::test]
async fn roles_that_are_not_joined_say_so_and_the_defaults_still_act() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"jitter": 0, "max_requests_per_connection": 3},
        "routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 1}]}"#;
    let network = Entry {
        kind: "network",
        root: "n",
        vm_id: "one",
        policy,
    };
    let http = Entry {
        kind: "http",
        root: "h",
        vm_id: "other",
        policy,
    };
    let listener = http_listener("in", 0, &[network], &[http]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;

    let mut socket = Socket::connect(envoy.address("in")).await;
    let mut closing = Vec::new();
    for _ in 0..3 {
        socket.send(get("/")).await;
        closing.push(closes(&socket.answer().await.0));
    }

    assert_eq!(closing, [false, false, true]);
    assert_eq!(counted(&envoy, "streams_unmatched_total").await, 3);
    let warning = "an HTTP stream came on a connection that the network role does not know";
    eventually("the warning", || async {
        Ok(envoy.log().contains(warning).then_some(()))
    })
    .await
    .unwrap();
    assert_eq!(envoy.log().matches(warning).count(), 1);
}

#[tokio::test]
async fn the_network_role_alone_acts_by_the_defaults() {
    let policy = ROUTES.replace(
        r#"{"jitter": 0}"#,
        r#"{"jitter": 0, "max_requests_per_connection": 5}"#,
    );
    let (envoy, _backend) = site(&[("in", Roles::Network, &policy)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    let mut closing = Vec::new();
    for _ in 0..5 {
        socket.send(get("/api/x")).await;
        closing.push(closes(&socket.answer().await.0));
    }

    assert_eq!(closing, [false, false, false, false, true]);
    assert_eq!(counted(&envoy, "streams_unmatched_total").await, 0);
}

#[tokio::test]
async fn the_http_role_alone_counts_upstreams_and_touches_no_downstream() {
    let policy = rule(r#""max_requests_per_connection": 1, "max_connection_age": "100ms""#);
    let (envoy, backend) = site(&[("in", Roles::Http, &policy)]).await;
    let mut socket = Socket::connect(envoy.address("in")).await;

    for _ in 0..10 {
        socket.send(get("/")).await;
        assert!(!closes(&socket.answer().await.0));
    }

    let upstream = [("upstream_host", &*backend.address().to_string())];
    let stats = envoy.stats().await.unwrap();
    assert_eq!(
        stats.with("wasmcustom.evenkeel_upstream_requests_total", &upstream),
        10
    );
    until(&envoy, "upstream_active_requests", |active| active == 0).await;
    assert!(!said(&envoy).contains("network role does not know"));
    healthy(&envoy);
}
