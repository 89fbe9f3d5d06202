//! What `rebalance` and `peers` mean.
use super::{errors_of, minutes, policy};
use crate::{Measure, Peers, Rebalance, Trust, Weight};
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn rebalance(text: &str) -> Rebalance {
    policy(&format!(
        r#"{{"version": 1, "rebalance": {text}, "peers": {{"cluster": "shop"}}}}"#
    ))
    .rebalance
    .unwrap()
}

fn rebalance_errors(text: &str) -> String {
    errors_of(
        format!(r#"{{"version": 1, "rebalance": {text}, "peers": {{"cluster": "shop"}}}}"#)
            .as_bytes(),
    )
}

fn peers(text: &str) -> Peers {
    policy(&format!(r#"{{"version": 1, "peers": {text}}}"#))
        .peers
        .unwrap()
}

#[test]
fn load_is_not_compared_by_default() {
    let policy = policy(r#"{"version": 1}"#);

    assert_eq!((policy.rebalance, policy.peers), (None, None));
}

#[test]
fn empty_rebalance_has_cautious_defaults() {
    let expected = Rebalance {
        measure: Measure::Connections,
        high_watermark: 0.2,
        low_watermark: 0.1,
        max_rate: 0.01,
        min_connections: 50,
        samples: 5,
        weight: Weight::Fixed(1.0),
        slow_start: Duration::ZERO,
        stabilization_window: Duration::from_secs(5),
        fallback_mean_connection_age: None,
    };

    assert_eq!(rebalance("{}"), expected);
    assert_eq!(Rebalance::default(), expected);
}

#[test]
fn rebalance_settings_are_read() {
    let stated = rebalance(
        r#"{"measure": "bytes", "high_watermark": 0.5, "low_watermark": 0, "max_rate": 1, "min_connections": 1, "samples": 15,
            "weight": 2.5, "slow_start": "2m", "stabilization_window": "0s", "fallback_mean_connection_age": "1h"}"#,
    );

    let expected = Rebalance {
        measure: Measure::Bytes,
        high_watermark: 0.5,
        low_watermark: 0.0,
        max_rate: 1.0,
        min_connections: 1,
        samples: 15,
        weight: Weight::Fixed(2.5),
        slow_start: minutes(2),
        stabilization_window: Duration::ZERO,
        fallback_mean_connection_age: Some(minutes(60)),
    };
    assert_eq!(stated, expected);
}

#[test]
fn weight_may_be_the_number_of_workers() {
    assert_eq!(
        rebalance(r#"{"weight": "workers"}"#).weight,
        Weight::Workers
    );
}

#[test]
fn bounds_are_inclusive() {
    for text in [
        r#"{"high_watermark": 100, "low_watermark": 100}"#,
        r#"{"high_watermark": 0.000001, "low_watermark": 0}"#,
        r#"{"high_watermark": 0.1}"#,
        r#"{"max_rate": 0.000001}"#,
        r#"{"samples": 1}"#,
        r#"{"weight": 0.001}"#,
        r#"{"weight": 1000000}"#,
        r#"{"min_connections": 4294967295}"#,
    ] {
        rebalance(text);
    }
    for (text, key) in [
        (r#"{"high_watermark": 100.1}"#, "high_watermark"),
        (r#"{"high_watermark": 0}"#, "high_watermark"),
        (r#"{"low_watermark": -0.1}"#, "low_watermark"),
        (r#"{"max_rate": 1.1}"#, "max_rate"),
        (r#"{"max_rate": 0.0000001}"#, "max_rate"),
        (r#"{"samples": 0}"#, "samples"),
        (r#"{"samples": 2.5}"#, "samples"),
        (r#"{"weight": 0.0001}"#, "weight"),
        (r#"{"weight": "2"}"#, "weight"),
        (r#"{"min_connections": 0}"#, "min_connections"),
        (
            r#"{"fallback_mean_connection_age": "0s"}"#,
            "fallback_mean_connection_age",
        ),
    ] {
        let message = rebalance_errors(text);
        assert!(
            message.starts_with(&format!("rebalance.{key}: found ")),
            "{message}"
        );
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn low_watermark_above_high_watermark_is_reported_where_stated() {
    assert_eq!(
        rebalance_errors(r#"{"low_watermark": 0.3}"#),
        "rebalance.low_watermark: found 0.3; it must not be more than `high_watermark`, here 0.2"
    );
    assert_eq!(
        rebalance_errors(r#"{"high_watermark": 0.05}"#),
        "rebalance.high_watermark: found 0.05; it must not be less than `low_watermark`, here 0.1"
    );
    assert_eq!(
        rebalance_errors(r#"{"high_watermark": "a fifth", "low_watermark": 0.3}"#)
            .lines()
            .count(),
        1
    );
}

#[test]
fn peers_have_defaults() {
    let expected = Peers {
        cluster: "shop".to_owned(),
        interval: Duration::from_secs(1),
        trust: Trust::SameIdentity,
    };

    assert_eq!(peers(r#"{"cluster": "shop"}"#), expected);
    assert_eq!(
        peers(r#"{"cluster": "shop", "interval": "100ms", "trust": "anyone"}"#),
        Peers {
            interval: Duration::from_millis(100),
            trust: Trust::Anyone,
            ..expected.clone()
        }
    );
    assert_eq!(
        peers(r#"{"cluster": "shop", "interval": "1h"}"#).interval,
        minutes(60)
    );
}

#[test]
fn invalid_peers_are_rejected() {
    let long = "x".repeat(1025);
    for (text, key) in [
        (r#"{"cluster": "shop", "interval": "99ms"}"#, "interval"),
        (r#"{"cluster": "shop", "interval": "1h1ms"}"#, "interval"),
        (r#"{"cluster": "shop", "interval": "off"}"#, "interval"),
        (r#"{"cluster": "shop\n"}"#, "cluster"),
        (&format!(r#"{{"cluster": "{long}"}}"#), "cluster"),
    ] {
        let message = errors_of(format!(r#"{{"version": 1, "peers": {text}}}"#).as_bytes());
        assert!(
            message.starts_with(&format!("peers.{key}: found ")),
            "{message}"
        );
    }
    assert!(errors_of(br#"{"version": 1, "peers": {}}"#).starts_with("peers.cluster: missing; "));
}
