//! Valid and invalid policies, and updates while connections are open.

use std::time::Duration;

use evenkeel_metrics::{Metric, VERSION};
use evenkeel_test_host::{Host, Level, LogLine, RootSpec, module};
use evenkeel_test_module::http1::{CLOSE, get, head, response_with};
use evenkeel_test_module::{Proxy, http, network, policy};

const BAD: [&str; 6] = [
    "",
    "{",
    r#"{"version": 1, "defaults": {"max_connection_age": "1s", "max_requests_per_connection": 1"#,
    r#"{"version": 2}"#,
    r#"{"version": 1, "defualts": {"max_requests_per_connection": 1}}"#,
    "\u{0}\u{0}\u{0}",
];

#[test]
fn invalid_policy_leaves_traffic_unchanged_and_is_reported_once() {
    for bad in BAD {
        let host = Host::new(&module());
        let worker = host.start_worker();
        // Both filter entries have the same text, for which a real Envoy creates one root.
        let root = worker.configure(&RootSpec::new("evenkeel").config(bad));
        let connection = root.connect();
        assert_eq!(connection.client_sends(get("/")), get("/"));
        let stream = root.stream(&connection);
        stream.request_headers(&[(":path", "/")], true);
        stream.response_headers(&[(":status", "200")], false);
        assert_eq!(
            connection.server_writes(response_with("")),
            response_with("")
        );
        stream.ends();
        host.advance(Duration::from_secs(60));
        assert!(connection.is_open());
        assert_eq!(
            host.metric("update_result=.=rejected;.;evenkeel_policy_updates_total"),
            Some(1),
            "{bad:?}"
        );
        let errors = host
            .log()
            .into_iter()
            .filter(|line| line.level == Level::Error);
        assert_eq!(errors.count(), 1, "{bad:?}");
    }
}

#[test]
fn log_states_the_path_of_the_error_and_a_suggestion() {
    let host = Host::new(&module());
    let text = r#"{"version": 1, "role": "network", "defaults": {"max_connection_agee": "5m"}}"#;
    host.start_worker()
        .configure(&RootSpec::new("evenkeel").config(text));
    assert!(
        host.logged("defaults.max_connection_agee"),
        "{:?}",
        host.log()
    );
    assert!(
        host.logged("did you mean `max_connection_age`?"),
        "{:?}",
        host.log()
    );
}

#[test]
fn policy_without_a_role_serves_both_roles() {
    let host = Host::new(&module());
    let root = host.start_worker().configure(
        &RootSpec::new("evenkeel").config(policy(r#""max_requests_per_connection": 1"#)),
    );
    let connection = root.connect();
    connection.client_sends(get("/"));
    let stream = root.stream(&connection);
    stream.request_headers(&[(":path", "/")], true);
    stream.response_headers(&[(":status", "200")], false);
    let closing = head(&format!("content-length: 0\r\n{CLOSE}"));
    assert_eq!(
        connection.server_writes(head("content-length: 0\r\n")),
        closing
    );
}

#[test]
fn new_policy_governs_open_connections() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
    let connection = proxy.network.connect();
    proxy.host.advance(Duration::from_secs(120));
    assert_eq!(proxy.exchange(&connection, "/1"), response_with(""));
    let update = policy(r#""max_connection_age": "60s""#);
    proxy.worker.configure(&network(&update));
    proxy.worker.configure(&http(&update));
    // The response before this one was not read.
    assert_eq!(proxy.exchange(&connection, "/2"), response_with(""));
    assert_eq!(proxy.exchange(&connection, "/3"), response_with(CLOSE));
}

#[test]
fn invalid_update_leaves_the_last_valid_policy_active() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 2"#);
    let old = proxy.network.connect();
    assert_eq!(proxy.exchange(&old, "/1"), response_with(""));
    let bad = RootSpec::new("evenkeel-network").config(r#"{"version": 1, "defaults": "#);
    let updated = proxy.worker.configure(&bad);
    assert_eq!(proxy.exchange(&old, "/2"), response_with(CLOSE));
    let new = updated.connect();
    new.client_sends(get("/1"));
    new.server_writes(head("content-length: 0\r\n"));
    new.client_sends(get("/2"));
    let closing = head(&format!("content-length: 0\r\n{CLOSE}"));
    assert_eq!(new.server_writes(head("content-length: 0\r\n")), closing);
    assert!(proxy.host.logged("the last valid policy stays active"));
}

#[test]
fn entries_with_the_same_name_keep_their_policies() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let strict = worker.configure(&network(&policy(r#""max_requests_per_connection": 1"#)));
    let lenient = worker.configure(&network(&policy(r#""max_requests_per_connection": 100"#)));
    for _ in 0..5 {
        host.advance(Duration::from_secs(3));
        strict.connect().client_closes();
        lenient.connect().client_closes();
    }
    let (connection, other) = (strict.connect(), lenient.connect());
    other.client_sends(get("/"));
    let kept = head("content-length: 0\r\n");
    assert_eq!(other.server_writes(&kept), kept);
    connection.client_sends(get("/"));
    let closing = head(&format!("content-length: 0\r\n{CLOSE}"));
    assert_eq!(
        connection.server_writes(head("content-length: 0\r\n")),
        closing
    );
    let said = |line: &LogLine| line.text.contains("two filter entries");
    assert_eq!(host.log().iter().filter(|line| said(line)).count(), 1);
}

#[test]
fn removed_root_leaves_the_others_unchanged() {
    let proxy = Proxy::with_defaults(r#""max_requests_per_connection": 2"#);
    let connection = proxy.network.connect();
    proxy.exchange(&connection, "/1");
    let update = proxy
        .worker
        .configure(&network(&policy(r#""max_requests_per_connection": 2"#)));
    let Proxy {
        host, network: old, ..
    } = proxy;
    old.drop_root();
    host.advance(Duration::from_secs(1));
    let new = update.connect();
    new.client_sends(get("/1"));
    assert_eq!(
        new.server_writes(head("content-length: 0\r\n")),
        head("content-length: 0\r\n")
    );
}

/// Envoy tries each configuration in a VM that it discards, and in which no time passes.
#[test]
fn rejected_policy_is_counted_from_the_first_tick_until_its_root_is_removed() {
    let host = Host::new(&module());
    let worker = host.start_worker();
    let root = worker.configure(&RootSpec::new("evenkeel").config("{"));
    let shown = || host.metric("evenkeel_policy_rejected");
    assert_eq!(shown(), Some(0));

    host.advance(Duration::from_secs(2));
    assert_eq!(shown(), Some(1));

    root.drop_root();
    assert_eq!(shown(), Some(0));
}

#[test]
fn route_named_defaults_does_not_govern_connections_without_a_route() {
    let proxy = Proxy::with_defaults(r#""max_connection_age": "1h""#);
    let connection = proxy.network.connect();
    assert_eq!(proxy.exchange(&connection, "/1"), response_with(""));
    let update = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "1h", "jitter": 0}, "routes": [
        {"name": "defaults", "match": {"path_prefix": "/x"}, "max_connection_age": "60s"}]}"#;
    proxy.worker.configure(&network(update));
    proxy.host.advance(Duration::from_secs(120));
    connection.client_sends(get("/2"));
    assert_eq!(
        connection.server_writes(response_with("")),
        response_with("")
    );
}

#[test]
fn info_gauges_count_active_policies_and_versions() {
    let proxy = Proxy::new(r#"{"version": 1, "mode": "dry_run"}"#);
    let enforced = "policy_mode=.=enforce;.;evenkeel_policy_info";
    let dry_run = "policy_mode=.=dry_run;.;evenkeel_policy_info";
    let version = Metric::BuildInfo.stat(&[VERSION]);
    assert_eq!(
        proxy.metric(&version),
        0,
        "Envoy tries each configuration in a VM that it discards"
    );

    proxy.host.advance(Duration::from_secs(1));
    assert_eq!((proxy.metric(enforced), proxy.metric(dry_run)), (0, 2));
    assert_eq!(proxy.metric(&version), 1);

    proxy
        .host
        .start_main_thread()
        .configure(&network(r#"{"version": 1}"#));
    proxy.host.advance(Duration::from_secs(1));
    assert_eq!((proxy.metric(enforced), proxy.metric(dry_run)), (1, 2));
    assert_eq!(proxy.metric(&version), 2);
}

#[test]
fn rejected_policy_counts_in_every_thread() {
    let host = Host::new(&module());
    let threads = [
        host.start_main_thread(),
        host.start_worker(),
        host.start_worker(),
    ];
    for thread in &threads {
        thread.configure(&network("{"));
        thread.configure(&http("{"));
    }
    host.advance(Duration::from_secs(1));
    assert_eq!(host.metric("evenkeel_policy_rejected"), Some(6));
}
