//! The meaning of policies, by example. The files of `policies/` are tested in `tests/`.
use super::*;
use core::num::NonZeroU64;
use core::time::Duration;
use std::rc::Rc;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod errors;
mod rebalance;

fn policy(text: &str) -> Policy {
    Policy::parse(text.as_bytes()).unwrap()
}

fn errors_of(text: &[u8]) -> String {
    Policy::parse(text).unwrap_err().to_string()
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn path(path: &str) -> Request<'_> {
    Request {
        path: path.as_bytes(),
        ..Request::default()
    }
}

#[test]
fn version_alone_is_a_complete_policy() {
    let policy = policy(r#"{"version": 1}"#);

    assert_eq!(policy, Policy::default());
    assert_eq!(policy.mode, Mode::Enforce);
    assert_eq!(&*policy.defaults.name, "defaults");
    assert_eq!(policy.defaults.max_connection_age, Some(minutes(30)));
    assert_eq!(policy.defaults.max_requests_per_connection, None);
    assert_eq!(policy.defaults.jitter.get(), 0.2);
    assert_eq!(policy.defaults.drain_timeout, None);
    assert_eq!(policy.defaults.websocket.close_code, CloseCode::Off);
    assert_eq!(policy.defaults.max_stream_age, None);
    assert_eq!(
        policy.budget,
        Some(Budget {
            per_second: 100.0,
            burst: 1000
        })
    );
    assert_eq!(policy.upstream, None);
    assert_eq!(policy.request_parts(), RequestParts::default());
}

#[test]
fn byte_order_mark_and_white_space_are_ignored() {
    assert_eq!(
        Policy::parse(b"\xef\xbb\xbf\r\n{\"version\": 1}\n"),
        Ok(Policy::default())
    );
}

#[test]
fn route_inherits_from_defaults() {
    let policy = policy(
        r#"{"version": 1, "defaults": {"max_connection_age": "10m", "max_requests_per_connection": 7, "drain_timeout": "1m"}, "routes": [
            {"name": "a", "match": {"path_prefix": "/a"}, "max_connection_age": "5m", "drain_timeout": "off"},
            {"name": "b", "match": {"path_prefix": "/b"}, "max_requests_per_connection": "off", "protect": true}]}"#,
    );

    let a = policy.route(Direction::Inbound, &path("/a/1")).unwrap();
    assert_eq!((a.name.as_str(), &*a.rule.name), ("a", "a"));
    assert_eq!(
        (a.rule.max_connection_age, a.rule.drain_timeout),
        (Some(minutes(5)), None)
    );
    assert_eq!(a.rule.max_requests_per_connection, NonZeroU64::new(7));
    let b = policy.route(Direction::Inbound, &path("/b?x")).unwrap();
    assert_eq!(
        (b.rule.max_connection_age, b.rule.drain_timeout),
        (Some(minutes(10)), Some(minutes(1)))
    );
    assert_eq!(
        (b.rule.max_requests_per_connection, b.rule.protect),
        (None, true)
    );
    assert_eq!(policy.defaults.drain_timeout, Some(minutes(1)));
    assert_eq!(policy.route(Direction::Inbound, &path("/c")), None);
}

#[test]
fn first_matching_route_wins() {
    let policy = policy(
        r#"{"version": 1, "routes": [
            {"name": "narrow", "match": {"path_prefix": "/a/b"}},
            {"name": "wide", "match": {"path_prefix": "/a"}},
            {"name": "own", "match": {"direction": "outbound"}}]}"#,
    );
    let name = |direction, request| {
        policy
            .route(direction, &path(request))
            .map(|route| route.name.as_str())
    };

    assert_eq!(name(Direction::Inbound, "/a/b/c"), Some("narrow"));
    assert_eq!(name(Direction::Inbound, "/a/c"), Some("wide"));
    assert_eq!(name(Direction::Inbound, "/c"), None);
    assert_eq!(name(Direction::Outbound, "/a/b/c"), Some("own"));
}

#[test]
fn raw_tcp_has_its_own_default_drain_timeout() {
    let rules = r#""tcp": [{"name": "db", "match": {"port": 5432}}]"#;
    let drain_timeout = |defaults: &str| {
        let policy = policy(&format!(
            r#"{{"version": 1, "defaults": {defaults}, {rules}}}"#
        ));
        let rule = Rc::clone(&policy.tcp_rule(Direction::Inbound, 5432).unwrap().rule);
        (
            rule.drain_timeout,
            rule.max_requests_per_connection,
            rule.protect,
        )
    };

    assert_eq!(
        drain_timeout("{}"),
        (Some(Duration::from_secs(30)), None, false)
    );
    assert_eq!(
        drain_timeout(r#"{"drain_timeout": "off"}"#),
        (None, None, false)
    );
    assert_eq!(
        drain_timeout(
            r#"{"drain_timeout": "1m", "max_requests_per_connection": 5, "protect": true}"#
        ),
        (Some(minutes(1)), None, false)
    );
}

#[test]
fn raw_tcp_and_databases_have_their_own_default_settings() {
    let tcp = |keys: &str| {
        let text =
            format!(r#"{{"version": 1, "tcp": [{{"name": "db", "match": {{"port": 1}}{keys}}}]}}"#);
        policy(&text).tcp[0].rule.tcp
    };

    let default = tcp("");
    assert_eq!(default.protocol, ProtocolSetting::Auto);
    assert_eq!(
        (default.raw_idle_time(), default.session_idle_time()),
        (Duration::from_secs(2), Duration::from_millis(500))
    );
    assert!(default.aborts_raw() && !default.aborts_sessions() && default.pins_sessions());
    let stated = tcp(r#", "protocol": "redis", "idle_time": "1s", "session_state": "ignore""#);
    assert_eq!(stated.protocol, ProtocolSetting::Redis);
    assert_eq!(
        (stated.raw_idle_time(), stated.session_idle_time()),
        (Duration::from_secs(1), Duration::from_secs(1))
    );
    assert!(!stated.pins_sessions());
    let defers = tcp(r#", "when_active": "defer""#);
    assert!(!defers.aborts_raw() && !defers.aborts_sessions());
    let aborts = tcp(r#", "when_active": "abort""#);
    assert!(aborts.aborts_raw() && aborts.aborts_sessions());
}

#[test]
fn tcp_rule_matches_port_and_direction() {
    let policy = policy(
        r#"{"version": 1, "tcp": [
            {"name": "server", "match": {"port": 5432}},
            {"name": "pool", "match": {"port": 5432, "direction": "outbound"}}]}"#,
    );
    let name = |direction, port| {
        policy
            .tcp_rule(direction, port)
            .map(|rule| rule.name.as_str())
    };

    assert_eq!(name(Direction::Inbound, 5432), Some("server"));
    assert_eq!(name(Direction::Outbound, 5432), Some("pool"));
    assert_eq!(name(Direction::Inbound, 5433), None);
}

#[test]
fn only_matched_request_parts_are_read() {
    let needs = |matches: &str| {
        policy(&format!(
            r#"{{"version": 1, "routes": [{{"name": "a", "match": {matches}}}]}}"#
        ))
        .request_parts()
    };

    assert_eq!(
        needs(r#"{"direction": "outbound"}"#),
        RequestParts::default()
    );
    assert_eq!(
        needs(r#"{"route": "a"}"#),
        RequestParts {
            route: true,
            ..RequestParts::default()
        }
    );
    let rest = RequestParts {
        authority: true,
        path: true,
        ..RequestParts::default()
    };
    assert_eq!(needs(r#"{"authority": "a", "path_prefix": "/"}"#), rest);
}

#[test]
fn whole_numbers_may_be_doubles() {
    for (number, meaning) in [
        ("100000.0", 100_000),
        ("1e5", 100_000),
        ("1", 1),
        ("9007199254740991", 9_007_199_254_740_991),
    ] {
        let policy = policy(&format!(
            r#"{{"version": 1.0, "defaults": {{"max_requests_per_connection": {number}}}}}"#
        ));
        assert_eq!(
            policy.defaults.max_requests_per_connection,
            NonZeroU64::new(meaning),
            "{number}"
        );
    }
    for number in [
        "2.5",
        "0",
        "-1",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551616",
        "1e300",
    ] {
        let text =
            format!(r#"{{"version": 1, "defaults": {{"max_requests_per_connection": {number}}}}}"#);
        assert!(
            errors_of(text.as_bytes()).starts_with("defaults.max_requests_per_connection: found "),
            "{number}"
        );
    }
}

#[test]
fn budget_is_completed_or_off() {
    let budget = |text: &str| policy(&format!(r#"{{"version": 1, "budget": {text}}}"#)).budget;

    assert_eq!(budget(r#""off""#), None);
    assert_eq!(budget("{}"), Some(Budget::default()));
    assert_eq!(
        budget(r#"{"per_second": 0.5}"#),
        Some(Budget {
            per_second: 0.5,
            burst: 1000
        })
    );
    assert_eq!(
        budget(r#"{"burst": 1}"#),
        Some(Budget {
            per_second: 100.0,
            burst: 1
        })
    );
}

#[test]
fn limit_that_is_off_contradicts_nothing() {
    let policy = policy(
        r#"{"version": 1, "defaults": {"max_connection_age": "off", "min_connection_age": "2h", "mean_connection_age": "1h"}}"#,
    );

    assert_eq!(
        (
            policy.defaults.max_connection_age,
            policy.defaults.mean_connection_age
        ),
        (None, Some(minutes(60)))
    );
    assert_eq!(policy.defaults.min_connection_age, minutes(120));
}

#[test]
fn outbound_rules_are_reported() {
    let outbound = r#""direction": "outbound""#;
    let route = format!(
        r#"{{"version": 1, "routes": [{{"name": "a", "match": {{"path_prefix": "/a", {outbound}}}}}]}}"#
    );
    let port = format!(
        r#"{{"version": 1, "tcp": [{{"name": "a", "match": {{"port": 1, {outbound}}}, "max_connection_age": "1h"}}]}}"#
    );

    assert!(policy(&route).names_outbound());
    assert!(policy(&port).names_outbound());
    assert!(
        !policy(r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefix": "/a"}}]}"#)
            .names_outbound()
    );
}
