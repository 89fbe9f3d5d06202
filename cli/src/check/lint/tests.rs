//! What is told of which policy, and what is left alone.

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

/// A policy, what is told of it with 1000 connections, and where.
const TOLD: &[(&str, &[(&str, &str)])] = &[
    (
        r#"{"version": 1, "defaults": {"max_age": "1m"}}"#,
        &[("age-below-keepalive", r#""1m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_age": "1h", "mean_age": "1m"}}"#,
        &[("age-below-keepalive", r#""1m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_requests": 9}, "upstream": {"max_requests": 1, "jitter": 0}}"#,
        &[
            ("few-requests", "9"),
            ("few-requests", "1"),
            ("no-jitter", "0"),
        ],
    ),
    // What a route inherits is told once.
    (
        r#"{"version": 1, "defaults": {"jitter": 0},
            "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "max_age": "1h"}]}"#,
        &[("no-jitter", "0")],
    ),
    (
        r#"{"version": 1, "defaults": {"max_age": "off", "jitter": 0},
            "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "max_age": "1h"}]}"#,
        &[("no-jitter", "0")],
    ),
    (
        r#"{"version": 1, "defaults": {"max_age": "10m", "jitter": 0.5, "min_age": "8m"}}"#,
        &[("min-age-gathers", r#""8m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_age": "off", "mean_age": "10m", "min_age": "5m"}}"#,
        &[("min-age-gathers", r#""5m""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"mean_age": "1h"}}"#,
        &[("mean-age-behind-max-age", r#""1h""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"grace": "10s"}}"#,
        &[("grace-below-timeout", r#""10s""#)],
    ),
    (
        r#"{"version": 1, "connections": [{"name": "a", "match": {"port": 1}, "grace": "1s"}]}"#,
        &[("grace-below-quiet-wait", r#""1s""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"busy": "announce"}}"#,
        &[("busy-without-grace", r#""announce""#)],
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
        r#"{"version": 1, "defaults": {"idle_wait": "1h"}}"#,
        &[("no-effect", r#""1h""#)],
    ),
    (
        r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/a"},
            "max_age": "off", "mean_age": "1h", "jitter": 0.1}]}"#,
        &[("no-effect", "0.1")],
    ),
    (
        r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/a"},
            "protect": true, "max_stream_age": "1h"}]}"#,
        &[("no-effect", r#""1h""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"max_age": "off"}}"#,
        &[("moves-nothing", r#""off""#)],
    ),
    (
        r#"{"version": 1, "budget": {"per_second": 0.5}}"#,
        &[("budget-too-small", "0.5")],
    ),
    // The built-in budget stands nowhere: told at the rule.
    (
        r#"{"version": 1, "connections": [{"name": "a", "match": {"port": 1}, "max_age": "5s"}]}"#,
        &[(
            "budget-too-small",
            r#"{"name": "a", "match": {"port": 1}, "max_age": "5s"}"#,
        )],
    ),
    (
        r#"{"version": 1, "shed": {"rate": 0.02}, "peers": {"cluster": "a"}, "budget": {"per_second": 10}}"#,
        &[("budget-below-shed", "10")],
    ),
    (
        r#"{"version": 1, "keepalive": {"tcp": {"idle": "4m"}}}"#,
        &[("keepalive-behind-idle", r#""4m""#)],
    ),
    (
        r#"{"version": 1, "mode": "observe"}"#,
        &[("observe-mode", r#""observe""#)],
    ),
    (
        r#"{"version": 1, "peers": {"cluster": "a"}}"#,
        &[("peers-without-shed", r#""peers""#)],
    ),
    (
        r#"{"version": 1, "shed": {}, "peers": {"cluster": "a", "allow": "anyone"}}"#,
        &[("peers-of-anyone", r#""anyone""#)],
    ),
    (
        r#"{"version": 1, "keepalive": {"upstream_http2": {"interval": "299s"}}}"#,
        &[("pings-below-grpc", r#""299s""#)],
    ),
    (
        r#"{"version": 1, "defaults": {"websocket": "going_away"}}"#,
        &[("going-away-for-good", r#""going_away""#)],
    ),
];

/// Near to what is told, and fine.
const FINE: &[&str] = &[
    r#"{"version": 1}"#,
    r#"{"version": 1, "defaults": {"max_age": "2m", "max_requests": 10}}"#,
    // Raw TCP: its age is the operator's choice.
    r#"{"version": 1, "connections": [{"name": "a", "match": {"port": 1}, "max_age": "30s", "grace": "2s"}]}"#,
    r#"{"version": 1, "defaults": {"max_age": "off", "mean_age": "1h", "min_age": "15m"}}"#,
    r#"{"version": 1, "defaults": {"max_age": "10m", "jitter": 0.5, "min_age": "6m"}}"#,
    r#"{"version": 1, "defaults": {"mean_age": "1h", "max_age": "1h"}}"#,
    r#"{"version": 1, "defaults": {"grace": "15s", "busy": "announce", "protect": true}}"#,
    // Jitter 0 with nothing to spread, and a default that a rule replaces.
    r#"{"version": 1, "defaults": {"max_age": "off", "mean_age": "1h", "max_stream_age": "1h", "jitter": 0}}"#,
    r#"{"version": 1, "defaults": {"idle_wait": "1h"},
        "routes": [{"name": "a", "match": {"path_prefix": "/a"}, "websocket": "service_restart"}]}"#,
    r#"{"version": 1, "routes": [
        {"name": "a", "match": {"authority": "*.shop.example"}},
        {"name": "b", "match": {"authority": "*.example"}},
        {"name": "c", "match": {"authority": "*.shop.example", "direction": "outbound"}},
        {"name": "d", "match": {"route": "a*"}},
        {"name": "e", "match": {"route": "*a"}}]}"#,
    r#"{"version": 1, "defaults": {"max_age": "off"}, "shed": {}}"#,
    r#"{"version": 1, "defaults": {"max_age": "off"}, "upstream": {"max_age": "1h"}}"#,
    r#"{"version": 1, "budget": {"per_second": 0.7}}"#,
    r#"{"version": 1, "budget": "off", "defaults": {"max_age": "100s"}}"#,
    r#"{"version": 1, "shed": {}, "peers": {"cluster": "a"}, "budget": {"per_second": 10}}"#,
    r#"{"version": 1, "keepalive": {"tcp": {"idle": "3m"}}}"#,
    r#"{"version": 1, "keepalive": {"http2_ping": {}, "upstream_http2": {}, "http1_hint": false}}"#,
    r#"{"version": 1, "keepalive": {"upstream_http2": {"interval": "5m"}}}"#,
];

#[test]
fn what_is_unwise_is_told_where_it_stands() {
    for (text, expected) in TOLD {
        let told: Vec<_> = found(text, 1000);
        let told: Vec<_> = told.iter().map(|(code, at)| (*code, at.as_str())).collect();
        assert_eq!(told, *expected, "{text}");
    }
}

#[test]
fn what_is_fine_is_left_alone() {
    for text in FINE {
        assert_eq!(found(text, 1000), [], "{text}");
    }
}

#[test]
fn every_lint_has_a_case() {
    let told: Vec<_> = TOLD
        .iter()
        .flat_map(|(_, told)| *told)
        .map(|(code, _)| *code)
        .collect();
    for lint in Lint::value_variants() {
        // Those about the filter that has the policy are in `tests/check/manifests.rs`.
        let is_of_a_filter = matches!(lint, Lint::WrongRole | Lint::RolesDiffer);
        assert!(
            is_of_a_filter || told.contains(&lint.code()),
            "{} has no case",
            lint.code()
        );
        assert_eq!(Lint::of(lint.code()), Some(*lint));
    }
}
