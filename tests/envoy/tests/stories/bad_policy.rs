//! A policy that cannot be read leaves traffic alone, and says why: each mistake once, in one line, in the
//! words that `evenkeel check` has for it.

use evenkeel_policy::Policy;
use evenkeel_test_envoy::{Client, Envoy, Roles};
use serde_json::json;

use crate::support::config::{self, Entry, http_listener};
use crate::support::server::{Server, ok};
use crate::support::socket::{Socket, closes, get};
use crate::support::{REJECTED, counted, counted_with, healthy, said, site};

/// Policies that the module refuses, by the name of their listener.
const BAD: [(&str, &str); 5] = [
    (
        "misspelt",
        r#"{"version": 1, "defaults": {"max_connection_aeg": "5m", "max_requests_per_connection": 1}}"#,
    ),
    (
        "truncated",
        r#"{"version": 1, "defaults": {"max_requests_per_connection": 1"#,
    ),
    ("empty", ""),
    (
        "several",
        r#"{"version": 2, "defaults": {"max_requests_per_connection": 0}, "tcp": [{"name": "db", "match": {"port": 1, "path_prefix": "/"}}]}"#,
    ),
    (
        "contradicting",
        r#"{"version": 1, "defaults": {"max_connection_age": "1m", "min_connection_age": "2m"}, "rebalance": {"low_watermark": 1}}"#,
    ),
];

/// Each mistake in a line, with place and hint, as `evenkeel check` shows it.
fn told(policy: &str) -> Vec<String> {
    let errors = Policy::parse(policy.as_bytes()).unwrap_err();
    errors.to_string().lines().map(str::to_owned).collect()
}

/// Two hundred requests of each protocol, each on one connection that lasts.
async fn traffic_is_left_alone(envoy: &Envoy, listener: &str) {
    for client in [
        Client::http1(envoy.address(listener)),
        Client::http2(envoy.address(listener)),
    ] {
        for _ in 0..200 {
            let answer = client.get("/").await.unwrap();
            assert_eq!(
                (answer.status, answer.headers.get("connection")),
                (200, None)
            );
        }
        assert_eq!(client.connections_opened().await, 1, "{listener}");
    }
}

#[tokio::test]
async fn each_role_that_gets_it_does_nothing_and_says_why() {
    let listeners = BAD.map(|(name, policy)| (name, Roles::Both, policy));
    let (envoy, backend) = site(&listeners).await;

    for (name, policy) in BAD {
        traffic_is_left_alone(&envoy, name).await;

        for role in ["network", "http"] {
            for mistake in told(policy) {
                // The role in front of what the policy says moves its columns.
                let words = mistake
                    .split_once("column")
                    .map_or(&*mistake, |_| "the text ends");
                let entry = format!("evenkeel-{role}-{name}: policy rejected");
                let log = said(&envoy);
                let mut lines = log.lines().filter(|line| line.contains(&entry));
                assert!(lines.any(|line| line.contains(words)), "{words}\n{log}");
            }
        }
    }

    // Each line of Envoy's log begins with its time.
    let stray = envoy.log();
    let stray: Vec<_> = stray
        .lines()
        .filter(|line| !line.starts_with('['))
        .collect();
    assert!(stray.is_empty(), "a line without its beginning: {stray:?}");
    assert_eq!(backend.requests(), 400 * BAD.len() as u64);
    assert!(counted_with(&envoy, "policy_updates_total", REJECTED).await >= 2 * BAD.len() as u64);
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
    healthy(&envoy);
}

/// As Istio does it, where both plugins were given the same name and text: Envoy makes one root of them. The
/// log then has each mistake in the very words of `evenkeel check`.
#[tokio::test]
async fn both_roles_may_share_the_very_same_text() {
    for (name, policy) in BAD {
        let server = Server::start(|_| Some(ok("a"))).await;
        let entry = |kind| Entry {
            kind,
            root: name,
            vm_id: "e",
            policy,
        };
        let listener = http_listener("in", 0, &[entry("network")], &[entry("http")]);
        let envoy = config::start(&config::whole(&[listener], server.address)).await;

        traffic_is_left_alone(&envoy, "in").await;

        let log = said(&envoy);
        for mistake in told(policy) {
            let line = format!(" {name}: policy rejected, no connection is drained: {mistake}");
            assert!(
                log.lines().any(|said| said.ends_with(&line)),
                "{line}\n{log}"
            );
        }
        assert!(counted_with(&envoy, "policy_updates_total", REJECTED).await >= 1);
        healthy(&envoy);
    }
}

#[tokio::test]
async fn a_good_policy_may_be_shared_by_both_roles_too() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let policy = r#"{"version": 1, "routes": [{"name": "all", "match": {"path_prefix": "/"}, "max_requests_per_connection": 2}]}"#;
    let entry = |kind| Entry {
        kind,
        root: "evenkeel",
        vm_id: "e",
        policy,
    };
    let listener = http_listener("in", 0, &[entry("network")], &[entry("http")]);
    let envoy = config::start(&config::whole(&[listener], server.address)).await;

    let mut socket = Socket::connect(envoy.address("in")).await;
    let mut closing = Vec::new();
    for _ in 0..2 {
        socket.send(get("/")).await;
        closing.push(closes(&socket.answer().await.0));
    }

    assert_eq!(closing, [false, true], "{}", said(&envoy));
    healthy(&envoy);
}

/// What a plain Envoy's YAML has where the policy is written as a message instead of as text.
#[tokio::test]
async fn a_policy_that_is_a_protobuf_struct_is_rejected_with_what_to_write() {
    let server = Server::start(|_| Some(ok("a"))).await;
    let policy = json!({ "version": 1, "defaults": { "max_requests_per_connection": 1 } });
    let mut listener = http_listener(
        "in",
        0,
        &[Entry {
            kind: "network",
            root: "evenkeel",
            vm_id: "e",
            policy: "",
        }],
        &[],
    );
    listener["filter_chains"][0]["filters"][0]["typed_config"]["config"]["configuration"] =
        json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": policy });
    let envoy = config::start(&config::whole(&[listener], server.address)).await;

    traffic_is_left_alone(&envoy, "in").await;

    let log = said(&envoy);
    let rejected = log
        .lines()
        .filter(|line| line.contains("evenkeel: policy rejected"));
    let rejected: Vec<_> = rejected.collect();
    assert!(!rejected.is_empty(), "{log}");
    for line in rejected {
        for name in ["google.protobuf.Struct", "google.protobuf.StringValue"] {
            assert!(line.contains(name), "{line}");
        }
    }
    assert!(counted_with(&envoy, "policy_updates_total", REJECTED).await >= 1);
    assert_eq!(counted(&envoy, "drain_signals_total").await, 0);
    healthy(&envoy);
}
