//! The HTTP role: rules by route, protection, upstreams.

use evenkeel_test_host::{Connection, Host, RootSpec, module};
use evenkeel_test_module::http1::{CLOSE, response_with};
use evenkeel_test_module::{Proxy, TICK, http, network};

const ROUTES: &str = r#"{"version": 1, "budget": "off", "defaults": {"max_requests_per_connection": 3, "jitter": 0}, "routes": [
    {"name": "events", "match": {"path_prefix": "/events"}, "protect": true},
    {"name": "api", "match": {"route": "api-*", "authority": "*.example"}, "max_requests_per_connection": 1}]}"#;

#[test]
fn route_of_a_request_selects_the_rule_of_its_connection() {
    let proxy = Proxy::new(ROUTES);
    let connection = proxy.network.connect();
    let stream = proxy.http.stream(&connection);
    stream.set_property(&["xds", "route_name"], "api-v2");
    connection.client_sends(evenkeel_test_module::http1::get("/1"));
    stream.request_headers(&[(":authority", "shop.example"), (":path", "/1")], true);
    assert_eq!(proxy.respond(&connection, &stream), response_with(CLOSE));
}

#[test]
fn request_without_a_route_is_under_the_defaults() {
    let proxy = Proxy::new(ROUTES);
    let connection = proxy.network.connect();
    assert_eq!(proxy.exchange(&connection, "/1"), response_with(""));
    assert_eq!(proxy.exchange(&connection, "/2"), response_with(""));
    assert_eq!(proxy.exchange(&connection, "/3"), response_with(CLOSE));
}

#[test]
fn protected_stream_prevents_the_drain() {
    let proxy = Proxy::new(ROUTES);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");
    proxy.exchange(&connection, "/2");
    assert_eq!(proxy.exchange(&connection, "/events"), response_with(""));
    assert_eq!(
        proxy.exchange(&connection, "/4"),
        response_with(CLOSE),
        "once it has ended, no longer"
    );
}

#[test]
fn unmatched_streams_are_counted_and_logged_once() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let root = worker.configure(&http(ROUTES));
    let connection = worker.accept();
    for _ in 0..3 {
        let stream = root.stream(&connection);
        stream.request_headers(&[(":path", "/")], true);
        stream.ends();
    }
    assert_eq!(host.metric("evenkeel_streams_unmatched_total"), Some(3));
    let warnings = host
        .log()
        .into_iter()
        .filter(|line| line.text.contains("NETWORK filter"));
    assert_eq!(warnings.count(), 1);
}

#[test]
fn outbound_connections_of_a_sidecar_need_outbound_rules() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_requests_per_connection": 1, "jitter": 0}, "routes": [
        {"name": "db", "match": {"direction": "outbound", "path_prefix": "/db"}, "max_requests_per_connection": 1}]}"#;
    let host = Host::new(&module());
    let worker = host.start_worker();
    let sidecar = |spec: RootSpec| {
        worker.configure(
            &spec
                .node_id("sidecar~10.0.0.1~shop")
                .direction(evenkeel_test_host::Direction::Outbound),
        )
    };
    let proxy = Proxy {
        network: sidecar(network(policy)),
        http: sidecar(http(policy)),
        host,
        worker,
    };
    let connection = proxy.network.connect();
    assert_eq!(proxy.exchange(&connection, "/app"), response_with(""));
    assert_eq!(proxy.exchange(&connection, "/db"), response_with(CLOSE));
}

const UPSTREAM: &str =
    r#"{"version": 1, "upstream": {"max_requests_per_connection": 3, "jitter": 0}}"#;

/// A request over the upstream connection from `local`. True if it has `connection: close`.
fn over(proxy: &Proxy, connection: &Connection, local: &str, field: &str) -> bool {
    let stream = proxy.http.stream(connection);
    stream.set_property(&["request", "protocol"], "HTTP/1.1");
    stream.set_property(&["xds", "cluster_name"], "shop");
    stream.request_headers(&[(":path", "/")], true);
    stream.set_property(&["upstream", "address"], "10.0.0.1:8080");
    stream.set_property(&["upstream", "local_address"], local);
    stream.response_headers(&[(":status", "200"), (field, "chunked")], true);
    let is_close = |(name, value): &(String, String)| name == "connection" && value == "close";
    let closes = stream.request().iter().any(is_close);
    stream.ends();
    closes
}

#[test]
fn expired_upstream_connection_is_recycled_by_a_marked_request() {
    let proxy = Proxy::new(UPSTREAM);
    let connection = proxy.network.connect();
    let local = "10.0.0.9:40001";
    let said: Vec<bool> = (0..4)
        .map(|_| over(&proxy, &connection, local, "transfer-encoding"))
        .collect();
    assert_eq!(said, [false, false, false, true]);
    assert!(!over(
        &proxy,
        &connection,
        "10.0.0.9:40002",
        "transfer-encoding"
    ));
    assert_eq!(
        proxy.metric("evenkeel_upstream_connections_recycled_total"),
        1
    );
    proxy.host.advance(TICK);
    assert_eq!(
        proxy.metric("upstream_host=.=10.0.0.1:8080;.;evenkeel_upstream_requests_total"),
        5
    );
    assert_eq!(
        proxy.metric("upstream_host=.=10.0.0.1:8080;.;evenkeel_upstream_connections"),
        1
    );
    assert_eq!(
        proxy.metric("upstream_host=.=10.0.0.1:8080;.;evenkeel_upstream_active_requests"),
        0
    );
}

#[test]
fn upstream_without_evidence_of_http1_is_never_marked() {
    let proxy = Proxy::new(UPSTREAM);
    let connection = proxy.network.connect();
    assert!((0..50).all(|_| !over(&proxy, &connection, "10.0.0.9:40001", "x-shop")));
}

#[test]
fn dry_run_marks_no_request() {
    let proxy = Proxy::new(&UPSTREAM.replacen('{', r#"{"mode": "dry_run", "#, 1));
    let connection = proxy.network.connect();
    assert!((0..50).all(|_| !over(&proxy, &connection, "10.0.0.9:40001", "connection")));
    assert_eq!(
        proxy.metric("evenkeel_upstream_connections_expired_total"),
        1
    );
}

#[test]
fn http_role_alone_counts_upstream_requests_where_hosts_are_compared() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let root = worker.configure(&http(r#"{"version": 1, "rebalance": {}}"#));
    let stream = root.stream(&worker.accept());
    stream.request_headers(&[(":path", "/")], true);
    stream.set_property(&["upstream", "address"], "10.0.0.1:80");
    stream.response_headers(&[(":status", "200")], true);
    host.advance(TICK);
    let active = "upstream_host=.=10.0.0.1:80;.;evenkeel_upstream_active_requests";
    assert_eq!(host.metric(active), Some(1));
    stream.ends();
    host.advance(TICK);
    assert_eq!(host.metric(active), Some(0));
}
