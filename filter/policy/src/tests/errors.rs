//! Invalid policies and their errors.
use super::errors_of;
use crate::{Cause, Errors, Policy};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn contradiction_is_reported_where_stated() {
    let rules = |defaults: &str, route: &str| {
        errors_of(
            format!(
                r#"{{"version": 1, "defaults": {{{defaults}}},
                     "routes": [{{"name": "a", "match": {{"route": "a"}}{route}}}]}}"#
            )
            .as_bytes(),
        )
    };

    assert_eq!(
        rules(
            r#""min_connection_age": "10m""#,
            r#", "max_connection_age": "5m""#
        ),
        r#"routes[0].max_connection_age: found "5m"; it must not be less than `min_connection_age`, here "10m""#
    );
    assert_eq!(
        rules(
            r#""max_connection_age": "5m""#,
            r#", "min_connection_age": "10m""#
        ),
        r#"routes[0].min_connection_age: found "10m"; it must not be more than `max_connection_age`, here "5m""#
    );
    assert_eq!(
        rules(r#""min_connection_age": "31m""#, ""),
        r#"defaults.min_connection_age: found "31m"; it must not be more than `max_connection_age`, here "30m""#
    );
}

#[test]
fn invalid_part_causes_no_second_error() {
    for text in [
        r#"{"version": 1, "routes": [{"name": "a", "match": {"path_prefx": "/a"}}]}"#,
        r#"{"version": 1, "routes": [{"name": "a", "match": {"direction": "inbound", "route": 7}},
                                     {"name": "b", "match": {"route": "b"}}]}"#,
        r#"{"version": 1, "routes": [{"name": "a", "match": "b"}]}"#,
        r#"{"version": 1, "routes": ["a", {"name": "b", "match": {"route": "b"}}]}"#,
        r#"{"version": 1, "upstream": {"max_connection_age": 5}}"#,
        r#"{"version": 1, "defaults": {"max_connection_age": "2 hours", "min_connection_age": "1h"}}"#,
        r#"{"version": 1, "defaults": {"max_connection_age": "2 hours"},
            "routes": [{"name": "a", "match": {"route": "a"}, "min_connection_age": "1h"}]}"#,
        r#"{"version": 1, "tcp": [{"name": "a", "match": {"port": 1, "path_prefix": "/"}},
                                          {"name": "b", "match": {"port": 1}}]}"#,
        "[]",
    ] {
        let message = errors_of(text.as_bytes());
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn error_has_place_and_cause() {
    let errors =
        Policy::parse(br#"{"version": 1, "defaults": {"max_connection_aeg": "1m"}, "mode": 3}"#)
            .unwrap_err();

    let message: Vec<_> = errors
        .iter()
        .map(|error| (error.place().to_string(), error.cause().clone()))
        .collect();
    assert_eq!(message[0].0, "defaults.max_connection_aeg");
    assert!(matches!(
        &message[0].1,
        Cause::UnknownKey {
            near: Some("max_connection_age"),
            ..
        }
    ));
    assert_eq!(message[1].0, "mode");
    assert!(matches!(&message[1].1, Cause::Value { found, .. } if found == "3"));
    assert_eq!(message.len(), 2);
}

#[test]
fn errors_beyond_the_listed_ones_are_counted() {
    let keys: Vec<_> = (0..Errors::LISTED + 7)
        .map(|n| format!("\"key-{n}\": 1"))
        .collect();
    let errors =
        Policy::parse(format!("{{\"version\": 1, {}}}", keys.join(",")).as_bytes()).unwrap_err();

    assert_eq!(errors.iter().count(), Errors::LISTED);
    assert!(errors.to_string().ends_with("\nand 7 more"));
}

#[test]
fn every_error_is_one_short_line() {
    let key = format!("a\\n\\u0000{}", "x".repeat(1000));
    let text = format!(r#"{{"version": 1, "{key}": 1, "mode": "{key}", "": 1}}"#);
    let message = errors_of(text.as_bytes());

    assert_eq!(message.lines().count(), 3, "{message}");
    assert!(message.lines().all(|line| line.len() < 300), "{message}");
    assert!(!message.contains('\0'));
}

#[test]
fn objects_are_bounded() {
    let keys: Vec<_> = (0..100).map(|key| format!(r#""a{key}": 1"#)).collect();
    let text = format!(
        r#"{{"version": 1, "defaults": {{{}, "b": 1}}}}"#,
        keys.join(", ")
    );
    assert_eq!(
        Policy::parse(text.as_bytes()).unwrap_err().to_string(),
        "defaults: found an object of 101; it must be an object of at most 100 keys"
    );
}

#[test]
fn hostile_texts_are_rejected() {
    assert_eq!(errors_of(b"\0\0"), errors_of(b"\0"));
    assert_eq!(
        errors_of(&vec![b'['; 100_000]),
        "line 1, column 128: nested too deep for a policy"
    );
    assert_eq!(
        errors_of(&vec![b' '; Policy::MAX_LEN + 1]),
        "the policy is longer than 1048576 bytes"
    );
    assert_eq!(
        errors_of(b"{\"version\": 1, \"mode\": \"\xff\"}"),
        "line 1, column 25: expected UTF-8"
    );
    assert!(errors_of(br#"{"version": 1e999}"#).contains("number out of range"));
    assert!(errors_of(b"{\"version\": 1}\0").contains("expected the end"));
    let rules = vec![r#"{"name": "a", "match": {"port": 1}}"#; 1001].join(",");
    assert_eq!(
        errors_of(format!(r#"{{"version": 1, "tcp": [{rules}]}}"#).as_bytes()),
        "tcp: found a list of 1001; it must be a list of at most 1000 entries"
    );
}
