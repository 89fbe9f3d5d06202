//! Properties of every text, every pattern and every policy.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
use evenkeel_policy::{Direction, Errors, Policy, Request, schema};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

/// Asserts that there is one readable line per error.
fn assert_readable(errors: &Errors) {
    let text = errors.to_string();
    let listed = errors.iter().count();
    assert!(listed >= 1);
    assert!(
        (listed..=listed + 1).contains(&text.lines().count()),
        "{text}"
    );
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
}

fn check(text: &[u8]) -> Option<Policy> {
    match Policy::parse(text) {
        Ok(policy) => Some(policy),
        Err(errors) => {
            assert_readable(&errors);
            None
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A value that is valid for some key of a policy, or nearly.
fn likely_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("off"),
        json!("30s"),
        json!("5m"),
        json!("1h30m"),
        json!("0s"),
        json!("30m1h"),
        json!("99999999d"),
        json!(0),
        json!(1),
        json!(2.5),
        json!(3.0),
        json!(1e300),
        json!(0.2),
        json!(true),
        json!("auto"),
        json!("defer"),
        json!({"idle_wait": "1s", "when_active": "drain"}),
        json!({"close_code": "going_away"}),
        json!("workers"),
        json!("bytes"),
        json!("anyone"),
        json!("inbound"),
        json!("outbound"),
        json!("/api"),
        json!("/api*"),
        json!("checkout-*"),
        json!(""),
        json!(null),
        json!({}),
        json!([]),
    ])
}

fn object(keys: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop::sample::select(keys).prop_map(str::to_owned);
    prop::collection::btree_map(key, likely_value(), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

/// A policy that is often valid, or invalid in few places.
fn likely_policy() -> impl Strategy<Value = Value> {
    const RULE: &[&str] = &[
        "max_connection_age",
        "mean_connection_age",
        "max_requests_per_connection",
        "jitter",
        "min_connection_age",
        "drain_timeout",
        "close_delay",
        "http2",
        "websocket",
        "grpc",
        "protect",
    ];
    const REBALANCE: &[&str] = &[
        "measure",
        "high_watermark",
        "low_watermark",
        "max_rate",
        "min_connections",
        "samples",
        "weight",
        "slow_start",
        "stabilization_window",
        "fallback_mean_connection_age",
    ];
    let route = (
        object(RULE),
        object(&["route", "authority", "path_prefix", "direction"]),
        "[a-c ]",
    )
        .prop_map(|(mut rule, matcher, name)| {
            rule.insert("match".into(), matcher.into());
            rule.insert("name".into(), name.into());
            Value::from(rule)
        });
    let connection = (
        object(&["max_connection_age", "min_connection_age", "drain_timeout"]),
        0_u32..3,
        "[d-f]",
    )
        .prop_map(|(mut rule, port, name)| {
            rule.insert("match".into(), json!({ "port": port }));
            rule.insert("name".into(), name.into());
            Value::from(rule)
        });
    (
        object(RULE),
        prop::collection::vec(route, 0..3),
        prop::collection::vec(connection, 0..3),
        prop::option::of(object(&[
            "max_connection_age",
            "max_requests_per_connection",
            "jitter",
        ])),
        prop::option::of(object(&["per_second", "burst"])),
        object(&["http1_hint", "http2", "upstream_http2", "tcp"]),
        prop::option::of(object(REBALANCE)),
        prop::option::of(object(&["cluster", "interval", "trust"])),
    )
        .prop_map(
            |(defaults, routes, connections, upstream, budget, keepalive, rebalance, peers)| {
                let mut policy = json!({
                    "version": 1, "defaults": defaults, "routes": routes, "tcp": connections,
                    "keepalive": keepalive,
                });
                for (key, part) in [
                    ("upstream", upstream),
                    ("budget", budget),
                    ("rebalance", rebalance),
                    ("peers", peers),
                ] {
                    if let Some(part) = part {
                        policy[key] = part.into();
                    }
                }
                policy
            },
        )
}

/// The definition of a glob, in exponential time.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', pattern @ ..], _) => (0..=text.len()).any(|skip| fits(pattern, &text[skip..])),
        ([b'?', pattern @ ..], [_, text @ ..]) => fits(pattern, text),
        ([head, pattern @ ..], [byte, text @ ..]) => head == byte && fits(pattern, text),
        _ => false,
    }
}

fn with_match(matcher: &Value) -> Option<Policy> {
    check(
        json!({ "version": 1, "routes": [{ "name": "a", "match": matcher }] })
            .to_string()
            .as_bytes(),
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes_give_a_policy_or_readable_errors(text in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&text);
    }

    #[test]
    fn arbitrary_json_gives_a_policy_or_readable_errors(json in any_json()) {
        check(json.to_string().as_bytes());
    }

    #[test]
    fn cut_and_changed_policies_give_readable_errors(at in 0_usize..2_000, byte in any::<u8>()) {
        let mut text = include_bytes!("../../../policies/gateway.json").to_vec();
        let at = at % text.len();
        check(&text[..at]);
        text[at] = byte;
        check(&text);
    }

    #[test]
    fn schema_accepts_what_the_reader_accepts(policy in likely_policy()) {
        if check(policy.to_string().as_bytes()).is_some() {
            prop_assert!(SCHEMA.is_valid(&policy), "{policy}");
        }
    }

    #[test]
    fn accepted_policy_has_no_contradiction(policy in likely_policy()) {
        if let Some(policy) = check(policy.to_string().as_bytes()) {
            let rules = policy.routes.iter().map(|route| &route.rule);
            let rules = rules.chain(policy.tcp.iter().map(|rule| &rule.rule)).chain([&policy.defaults]);
            for rule in rules {
                prop_assert!(rule.max_connection_age.is_none_or(|max_connection_age| max_connection_age >= rule.min_connection_age && !max_connection_age.is_zero()));
                prop_assert!((0.0..=1.0).contains(&rule.jitter.get()));
            }
            if let Some(rebalance) = policy.rebalance {
                prop_assert!(rebalance.low_watermark >= 0.0 && rebalance.low_watermark <= rebalance.high_watermark);
                prop_assert!(rebalance.high_watermark > 0.0 && rebalance.max_rate > 0.0 && rebalance.samples > 0);
            }
        }
    }

    #[test]
    fn glob_matches_as_its_definition(pattern in "[ab*?]{1,8}", text in "[abc]{0,10}") {
        let policy = with_match(&json!({ "route": pattern })).unwrap();
        let request = Request { route: text.as_bytes(), ..Request::default() };
        let matched = policy.route(Direction::Inbound, &request).is_some();
        prop_assert_eq!(matched, fits(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn arbitrary_requests_are_matched(
        pattern in ".{1,20}",
        authority in prop::collection::vec(any::<u8>(), 0..40),
        path in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let policy = with_match(&json!({ "authority": pattern, "path_prefix": "/" })).unwrap();
        let request = Request { authority: &authority, path: &path, ..Request::default() };
        if policy.route(Direction::Inbound, &request).is_some() {
            prop_assert!(path.starts_with(b"/"));
        }
    }
}
