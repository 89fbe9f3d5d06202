//! The HTTP role and upstream connections: which request is marked, and the series of hosts.

use std::time::Duration;

use evenkeel_test_host::{Connection, Host, module};
use evenkeel_test_module::http1::{CLOSE, get, head};
use evenkeel_test_module::{Proxy, TICK, http};

const UPSTREAM: &str = r#"{"version": 1, "budget": "off", "upstream": {"max_requests_per_connection": 2, "jitter": 0}}"#;

/// The `connection` fields of a request with these headers after the module has processed it, when the response
/// comes over the upstream connection from `local`.
fn sent(
    proxy: &Proxy,
    connection: &Connection,
    local: &str,
    fields: &[(&str, &str)],
) -> Vec<String> {
    let stream = proxy.http.stream(connection);
    stream.set_property(&["request", "protocol"], "HTTP/1.1");
    stream.set_property(&["xds", "cluster_name"], "shop");
    stream.request_headers(fields, true);
    stream.set_property(&["upstream", "address"], "10.0.0.1:8080");
    stream.set_property(&["upstream", "local_address"], local);
    stream.response_headers(
        &[(":status", "200"), ("transfer-encoding", "chunked")],
        true,
    );
    let fields = stream.request().into_iter();
    let sent = fields
        .filter(|(name, _)| name == "connection")
        .map(|(_, value)| value);
    let sent = sent.collect();
    stream.ends();
    sent
}

/// A proxy with an expired upstream connection.
fn expired() -> (Proxy, Connection) {
    let proxy = Proxy::new(UPSTREAM);
    let connection = proxy.network.connect();
    for _ in 0..2 {
        assert!(sent(&proxy, &connection, "10.0.0.9:40001", &[(":method", "GET")]).is_empty());
    }
    (proxy, connection)
}

#[test]
fn mark_waits_for_an_ordinary_request() {
    let (proxy, connection) = expired();
    for fields in [
        &[(":method", "CONNECT")][..],
        &[(":method", "CONNECT"), (":protocol", "connect-udp")],
        &[
            (":method", "GET"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
        ],
        &[
            (":method", "POST"),
            ("connection", "Upgrade"),
            ("upgrade", "SPDY/3.1"),
        ],
        &[(":method", "GET"), ("connection", "x-a , UPGRADE")],
        &[(":method", "GET"), ("connection", "Close")],
    ] {
        let before: Vec<_> = fields
            .iter()
            .filter(|(name, _)| *name == "connection")
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(sent(&proxy, &connection, "10.0.0.9:40002", fields), before);
    }
    assert_eq!(
        sent(&proxy, &connection, "10.0.0.9:40001", &[(":method", "GET")]),
        ["close"]
    );
    assert_eq!(
        proxy.metric("evenkeel_upstream_connections_recycled_total"),
        1
    );
}

#[test]
fn mark_leaves_the_other_tokens_of_the_field() {
    let (proxy, connection) = expired();
    let fields = [(":method", "GET"), ("connection", "te, x-hop")];
    assert_eq!(
        sent(&proxy, &connection, "10.0.0.9:40001", &fields),
        ["te, x-hop, close"]
    );
}

#[test]
fn reply_of_the_proxy_to_a_marked_request_ends_nothing() {
    let (proxy, connection) = expired();
    let stream = proxy.http.stream(&connection);
    stream.set_property(&["request", "protocol"], "HTTP/1.1");
    stream.set_property(&["xds", "cluster_name"], "shop");
    stream.request_headers(&[(":method", "GET")], true);
    stream.set_property(&["upstream", "address"], "10.0.0.1:8080");
    stream.set_property(
        &["response", "code_details"],
        "upstream_reset_before_response_started{connection_termination}",
    );
    stream.response_headers(&[(":status", "503")], true);
    stream.ends();
    assert_eq!(
        proxy.metric("evenkeel_upstream_connections_closed_early_total"),
        0
    );
    // Once the server responds again, the next request is marked.
    assert!(sent(&proxy, &connection, "10.0.0.9:40001", &[(":method", "GET")]).is_empty());
    assert_eq!(
        sent(&proxy, &connection, "10.0.0.9:40001", &[(":method", "GET")]),
        ["close"]
    );
}

#[test]
fn live_hosts_have_their_own_series_however_many_are_gone() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let root = worker.configure(&http(r#"{"version": 1, "rebalance": {}}"#));
    let connection = worker.accept();
    let serves = |number: u32| {
        let stream = root.stream(&connection);
        stream.request_headers(&[(":path", "/")], true);
        stream.set_property(
            &["upstream", "address"],
            format!("10.0.{}.{}:80", number / 200, number % 200),
        );
        stream.response_headers(&[(":status", "200")], true);
        stream.ends();
    };
    let of = |address: &str, name: &str| {
        host.metric(&format!(
            "upstream_host=.={address};.;evenkeel_upstream_{name}"
        ))
    };
    // 256 hosts are live: the next one has no series of its own.
    (0..256).for_each(serves);
    serves(256);
    host.advance(TICK);
    assert_eq!(of("other", "requests_total"), Some(1));
    assert_eq!(of("10.0.1.56:80", "requests_total"), None);
    host.advance(Duration::from_secs(2));
    assert!(of("10.0.0.0:80", "requests_per_second").is_some());

    // All but one are removed after a time.
    for _ in 0..90 {
        serves(0);
        host.advance(Duration::from_secs(1));
    }
    (257..512).for_each(serves);
    host.advance(TICK);

    assert_eq!(of("other", "requests_total"), Some(1));
    for number in 257..512 {
        let address = format!("10.0.{}.{}:80", number / 200, number % 200);
        assert_eq!(of(&address, "requests_total"), Some(1), "{address}");
    }
    assert_eq!(of("10.0.0.0:80", "requests_total"), Some(91));
    for _ in 0..3 {
        serves(0);
        serves(300);
        host.advance(Duration::from_secs(1));
    }
    assert_eq!(
        of("10.0.0.1:80", "requests_per_second"),
        Some(0),
        "it is gone"
    );
    assert!(of("10.0.0.0:80", "requests_per_second") > Some(0));
    assert!(of("10.0.1.100:80", "requests_per_second") > Some(0));
}

#[test]
fn upstream_connections_and_those_of_clients_take_from_one_budget() {
    let text = r#"{"version": 1, "budget": {"per_second": 0.001, "burst": 2}, "defaults": {"max_requests_per_connection": 1, "jitter": 0},
        "upstream": {"max_requests_per_connection": 1, "jitter": 0, "protocol": "http1"}}"#;
    let is_marked = |proxy: &Proxy, connection: &Connection, local: &str| {
        sent(proxy, connection, local, &[(":method", "GET")]) == ["close"]
    };
    for drained in 0..=2 {
        let proxy = Proxy::new(text);
        for _ in 0..drained {
            let connection = proxy.network.connect();
            connection.client_sends(get("/"));
            let response = connection.server_writes(head("content-length: 0\r\n"));
            assert_eq!(response, head(&format!("content-length: 0\r\n{CLOSE}")));
        }

        let connection = proxy.network.connect();
        let mut marked = 0;
        for port in 0..10 {
            let local = format!("10.0.0.9:{}", 40001 + port);
            marked += usize::from(is_marked(&proxy, &connection, &local));
        }

        assert_eq!(marked, 2 - drained);
    }
}
