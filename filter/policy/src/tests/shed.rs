//! What `shed` and `peers` mean.
use super::{minutes, policy, refusal};
use crate::{Allow, Measure, Peers, Shed, Weight};
use core::time::Duration;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn shed(text: &str) -> Shed {
    policy(&format!(
        r#"{{"version": 1, "shed": {text}, "peers": {{"cluster": "shop"}}}}"#
    ))
    .shed
    .unwrap()
}

fn shed_refusal(text: &str) -> String {
    refusal(
        format!(r#"{{"version": 1, "shed": {text}, "peers": {{"cluster": "shop"}}}}"#).as_bytes(),
    )
}

fn peers(text: &str) -> Peers {
    policy(&format!(r#"{{"version": 1, "peers": {text}}}"#))
        .peers
        .unwrap()
}

#[test]
fn nothing_is_compared_unless_it_is_asked_for() {
    let policy = policy(r#"{"version": 1}"#);

    assert_eq!((policy.shed, policy.peers), (None, None));
}

#[test]
fn an_empty_shed_has_careful_settings() {
    let expected = Shed {
        measure: Measure::Connections,
        start_at: 0.2,
        tolerance: 0.1,
        rate: 0.01,
        min_connections: 50,
        looks: 5,
        weight: Weight::Fixed(1.0),
        slow_start: Duration::ZERO,
        settle: Duration::from_secs(5),
        fallback_mean_age: None,
    };

    assert_eq!(shed("{}"), expected);
    assert_eq!(Shed::default(), expected);
}

#[test]
fn what_shed_states_holds() {
    let stated = shed(
        r#"{"measure": "bytes", "start_at": 0.5, "tolerance": 0, "rate": 1, "min_connections": 1, "looks": 15,
            "weight": 2.5, "slow_start": "2m", "settle": "0s", "fallback_mean_age": "1h"}"#,
    );

    let expected = Shed {
        measure: Measure::Bytes,
        start_at: 0.5,
        tolerance: 0.0,
        rate: 1.0,
        min_connections: 1,
        looks: 15,
        weight: Weight::Fixed(2.5),
        slow_start: minutes(2),
        settle: Duration::ZERO,
        fallback_mean_age: Some(minutes(60)),
    };
    assert_eq!(stated, expected);
}

#[test]
fn a_weight_may_be_the_number_of_workers() {
    assert_eq!(shed(r#"{"weight": "workers"}"#).weight, Weight::Workers);
}

#[test]
fn bounds_belong_to_what_is_allowed() {
    for text in [
        r#"{"start_at": 100, "tolerance": 100}"#,
        r#"{"start_at": 0.000001, "tolerance": 0}"#,
        r#"{"start_at": 0.1}"#,
        r#"{"rate": 0.000001}"#,
        r#"{"looks": 1}"#,
        r#"{"weight": 0.001}"#,
        r#"{"weight": 1000000}"#,
        r#"{"min_connections": 4294967295}"#,
    ] {
        shed(text);
    }
    for (text, key) in [
        (r#"{"start_at": 100.1}"#, "start_at"),
        (r#"{"start_at": 0}"#, "start_at"),
        (r#"{"tolerance": -0.1}"#, "tolerance"),
        (r#"{"rate": 1.1}"#, "rate"),
        (r#"{"rate": 0.0000001}"#, "rate"),
        (r#"{"looks": 0}"#, "looks"),
        (r#"{"looks": 2.5}"#, "looks"),
        (r#"{"weight": 0.0001}"#, "weight"),
        (r#"{"weight": "2"}"#, "weight"),
        (r#"{"min_connections": 0}"#, "min_connections"),
        (r#"{"fallback_mean_age": "0s"}"#, "fallback_mean_age"),
    ] {
        let told = shed_refusal(text);
        assert!(told.starts_with(&format!("shed.{key}: found ")), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_band_that_ends_above_its_beginning_is_told_where_it_was_stated() {
    assert_eq!(
        shed_refusal(r#"{"tolerance": 0.3}"#),
        "shed.tolerance: found 0.3; it must not be more than `start_at`, here 0.2"
    );
    assert_eq!(
        shed_refusal(r#"{"start_at": 0.05}"#),
        "shed.start_at: found 0.05; it must not be less than `tolerance`, here 0.1"
    );
    assert_eq!(
        shed_refusal(r#"{"start_at": "a fifth", "tolerance": 0.3}"#)
            .lines()
            .count(),
        1
    );
}

#[test]
fn peers_ask_every_second_and_trust_their_own_kind_unless_told_otherwise() {
    let expected = Peers {
        cluster: "shop".to_owned(),
        every: Duration::from_secs(1),
        allow: Allow::SameIdentity,
    };

    assert_eq!(peers(r#"{"cluster": "shop"}"#), expected);
    assert_eq!(
        peers(r#"{"cluster": "shop", "every": "100ms", "allow": "anyone"}"#),
        Peers {
            every: Duration::from_millis(100),
            allow: Allow::Anyone,
            ..expected.clone()
        }
    );
    assert_eq!(
        peers(r#"{"cluster": "shop", "every": "1h"}"#).every,
        minutes(60)
    );
}

#[test]
fn what_peers_cannot_take_is_refused() {
    let long = "x".repeat(1025);
    for (text, key) in [
        (r#"{"cluster": "shop", "every": "99ms"}"#, "every"),
        (r#"{"cluster": "shop", "every": "1h1ms"}"#, "every"),
        (r#"{"cluster": "shop", "every": "off"}"#, "every"),
        (r#"{"cluster": "shop\n"}"#, "cluster"),
        (&format!(r#"{{"cluster": "{long}"}}"#), "cluster"),
    ] {
        let told = refusal(format!(r#"{{"version": 1, "peers": {text}}}"#).as_bytes());
        assert!(told.starts_with(&format!("peers.{key}: found ")), "{told}");
    }
    assert!(refusal(br#"{"version": 1, "peers": {}}"#).starts_with("peers.cluster: missing; "));
}
