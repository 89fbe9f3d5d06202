//! The findings of policies.

use evenkeel_policy::Policy;

use super::*;

fn found(text: &str, connections: u64) -> Vec<(&'static str, String)> {
    let source = Source::new("a", text.into());
    let policy =
        Policy::parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{text}:\n{errors}"));
    let findings = findings(&source, &policy, connections);
    let found = findings.into_iter().map(|finding| {
        let span = finding
            .span
            .unwrap_or_else(|| panic!("{} has no place", finding.message));
        (finding.code, text[span].to_owned())
    });
    found.collect()
}

/// A policy, and its findings with 1000 connections.
const POLICIES: &[(&str, &[(&str, &str)])] = &[
    (
        r#"{"version": 1, "defaults": {"max_connection_age": "1m"}}"#,
        &[("age-below-keepalive", r#""1m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_connection_age": "1h", "mean_connection_age": "1m"}}"#,
        &[("age-below-keepalive", r#""1m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_requests_per_connection": 9}, "upstream": {"max_requests_per_connection": 1, "jitter": 0}}"#,
        &[
            ("few-requests", "9"),
            ("few-requests", "1"),
            ("no-jitter", "0"),
        ],
    ),
    // What a route inherits is reported once.
    (
        r#"{"version": 1, "defaults": {"jitter": 0},
            "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "max_connection_age": "1h"}]}"#,
        &[("no-jitter", "0")],
    ),
    (
        r#"{"version": 1, "defaults": {"max_connection_age": "off", "jitter": 0},
            "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "max_connection_age": "1h"}]}"#,
        &[("no-jitter", "0")],
    ),
    (
        r#"{"version": 1, "defaults": {"max_connection_age": "10m", "jitter": 0.5, "min_connection_age": "8m"}}"#,
        &[("min-age-clusters", r#""8m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_connection_age": "off", "mean_connection_age": "10m", "min_connection_age": "5m"}}"#,
        &[("min-age-clusters", r#""5m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"mean_connection_age": "1h"}}"#,
        &[("mean-age-above-max-age", r#""1h""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"drain_timeout": "10s"}}"#,
        &[("drain-timeout-too-short", r#""10s""#)],
    ),
    (
        r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}, "drain_timeout": "1s"}]}"#,
        &[("drain-timeout-below-idle-time", r#""1s""#)],
    ),
    (
        r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 5432}, "protocol": "raw", "session_state": "pin"}]}"#,
        &[("raw-on-known-port", r#""raw""#), ("no-effect", r#""pin""#)],
    ),
    (
        r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 3306}, "error": "admin_shutdown"}]}"#,
        &[("no-effect", r#""admin_shutdown""#)],
    ),
    (
        r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}, "when_active": "abort", "drain_timeout": "off"}]}"#,
        &[("when-active-without-drain-timeout", r#""abort""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"http2": {"when_active": "drain"}}}"#,
        &[("when-active-without-drain-timeout", r#""drain""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"protect": true}}"#,
        &[("protects-everything", "true")],
    ),
    (
        r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/"}, "protect": true}]}"#,
        &[("protects-everything", "true")],
    ),
    (
        r#"{"version": 1, "routes": [
            {"name": "a", "match": {"authority": "*.example"}},
            {"name": "b", "match": {"authority": "A.example:80", "path_prefix": "/b"}}]}"#,
        &[(
            "never-matches",
            r#"{"authority": "A.example:80", "path_prefix": "/b"}"#,
        )],
    ),
    (
        r#"{"version": 1, "routes": [
            {"name": "a", "match": {"authority": "https://a.example"}},
            {"name": "b", "match": {"authority": "b.example/b"}},
            {"name": "c", "match": {"path_prefix": "/a b"}}]}"#,
        &[
            ("never-matches", r#""https://a.example""#),
            ("never-matches", r#""b.example/b""#),
            ("never-matches", r#""/a b""#),
        ],
    ),
    (
        r#"{"version": 1, "defaults": {"websocket": {"idle_timeout": "1h"}}}"#,
        &[("no-effect", r#""1h""#)],
    ),
    (
        r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/a"},
            "max_connection_age": "off", "mean_connection_age": "1h", "jitter": 0.1}]}"#,
        &[("no-effect", "0.1")],
    ),
    (
        r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/a"},
            "protect": true, "grpc": {"max_stream_age": "1h"}}]}"#,
        &[("no-effect", r#""1h""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_connection_age": "off"}}"#,
        &[("drains-nothing", r#""off""#)],
    ),
    (
        r#"{"version": 1, "budget": {"per_second": 0.5}}"#,
        &[("budget-too-small", "0.5")],
    ),
    // The built-in budget has no position: reported at the rule.
    (
        r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}, "max_connection_age": "5s"}]}"#,
        &[(
            "budget-too-small",
            r#"{"name": "a", "match": {"port": 1}, "max_connection_age": "5s"}"#,
        )],
    ),
    (
        r#"{"version": 1, "rebalance": {"max_rate": 0.02}, "peers": {"cluster": "a"}, "budget": {"per_second": 10}}"#,
        &[("budget-below-rebalance", "10")],
    ),
    (
        r#"{"version": 1, "keepalive": {"tcp": {"time": "4m"}}}"#,
        &[("keepalive-after-idle-timeout", r#""4m""#)],
    ),
    (
        r#"{"version": 1, "mode": "dry_run"}"#,
        &[("dry-run", r#""dry_run""#)],
    ),
    (
        r#"{"version": 1, "peers": {"cluster": "a"}}"#,
        &[("peers-without-rebalance", r#""peers""#)],
    ),
    (
        r#"{"version": 1, "rebalance": {}, "peers": {"cluster": "a", "trust": "anyone"}}"#,
        &[("peers-trust-anyone", r#""anyone""#)],
    ),
    (
        r#"{"version": 1, "keepalive": {"upstream_http2": {"interval": "299s"}}}"#,
        &[("upstream-pings-too-frequent", r#""299s""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"websocket": {"close_code": "going_away"}}}"#,
        &[("close-code-going-away", r#""going_away""#)],
    ),
];

/// Policies just inside the limits, without findings.
const WITHOUT_FINDINGS: &[&str] = &[
    r#"{"version": 1}"#,
    r#"{"version": 1, "defaults": {"max_connection_age": "2m", "max_requests_per_connection": 10}}"#,
    // Raw TCP has no recommended age.
    r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1}, "max_connection_age": "30s", "drain_timeout": "2s"}]}"#,
    r#"{"version": 1, "defaults": {"max_connection_age": "off", "mean_connection_age": "1h", "min_connection_age": "15m"}}"#,
    r#"{"version": 1, "defaults": {"max_connection_age": "10m", "jitter": 0.5, "min_connection_age": "6m"}}"#,
    r#"{"version": 1, "defaults": {"mean_connection_age": "1h", "max_connection_age": "1h"}}"#,
    r#"{"version": 1, "defaults": {"drain_timeout": "15s", "http2": {"when_active": "drain"}, "protect": true}}"#,
    // A database is not closed at its drain timeout, and raw TCP elsewhere is fine.
    r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 5432}, "drain_timeout": "100ms"},
        {"name": "b", "match": {"port": 15432}, "protocol": "raw"}]}"#,
    // Jitter 0 with nothing to spread, and a default that a rule replaces.
    r#"{"version": 1, "defaults": {"max_connection_age": "off", "mean_connection_age": "1h", "grpc": {"max_stream_age": "1h"}, "jitter": 0}}"#,
    r#"{"version": 1, "defaults": {"websocket": {"idle_timeout": "1h"}},
        "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "websocket": {"close_code": "service_restart"}}]}"#,
    r#"{"version": 1, "routes": [
        {"name": "a", "match": {"authority": "*.shop.example"}},
        {"name": "b", "match": {"authority": "*.example"}},
        {"name": "c", "match": {"authority": "*.shop.example", "direction": "outbound"}},
        {"name": "d", "match": {"route": "a*"}},
        {"name": "e", "match": {"route": "*a"}}]}"#,
    r#"{"version": 1, "defaults": {"max_connection_age": "off"}, "rebalance": {}}"#,
    r#"{"version": 1, "defaults": {"max_connection_age": "off"}, "upstream": {"max_connection_age": "1h"}}"#,
    r#"{"version": 1, "budget": {"per_second": 0.7}}"#,
    r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "100s"}}"#,
    r#"{"version": 1, "rebalance": {}, "peers": {"cluster": "a"}, "budget": {"per_second": 10}}"#,
    r#"{"version": 1, "keepalive": {"tcp": {"time": "3m"}}}"#,
    r#"{"version": 1, "keepalive": {"http2": {}, "upstream_http2": {}, "http1_hint": false}}"#,
    r#"{"version": 1, "keepalive": {"upstream_http2": {"interval": "5m"}}}"#,
];

#[test]
fn findings_point_at_the_value() {
    for (text, expected) in POLICIES {
        let findings = found(text, 1000);
        let findings: Vec<_> = findings
            .iter()
            .map(|(code, at)| (*code, at.as_str()))
            .collect();
        assert_eq!(findings, *expected, "{text}");
    }
}

#[test]
fn accepted_policies_have_no_findings() {
    for text in WITHOUT_FINDINGS {
        assert_eq!(found(text, 1000), [], "{text}");
    }
}

#[test]
fn every_lint_has_a_case() {
    let codes: Vec<_> = POLICIES
        .iter()
        .flat_map(|(_, findings)| *findings)
        .map(|(code, _)| *code)
        .collect();
    for lint in Lint::value_variants() {
        // Those about the filter that has the policy are in `tests/check/manifests.rs`.
        let is_of_a_filter = matches!(lint, Lint::WrongRole | Lint::RolesDiffer);
        assert!(
            is_of_a_filter || codes.contains(&lint.code()),
            "{} has no case",
            lint.code()
        );
        assert_eq!(Lint::of(lint.code()), Some(*lint));
    }
}
