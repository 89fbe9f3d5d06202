//! Which rule governs, and what a changed policy changes.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn the_rule_of_the_first_request_replaces_the_default_and_further_ones_only_tighten() {
    let policy = r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "10s", "jitter": 0}, "routes": [
        {"name": "long", "match": {"path_prefix": "/long"}, "max_connection_age": "100s"},
        {"name": "short", "match": {"path_prefix": "/short"}, "max_connection_age": "50s"}]}"#;
    let mut story = Story::new(policy);
    let id = story.open(1);
    let (long, short) = (story.route("long"), story.route("short"));
    story.engine.apply_rule(id, &long);
    story.at(20);
    assert_eq!(story.exchange(id, 1), Decision::PassThrough);
    story.engine.apply_rule(id, &short);
    story.engine.apply_rule(id, &long);
    story.at(49);
    assert_eq!(story.exchange(id, 2), Decision::PassThrough);
    story.at(51);
    assert_eq!(
        story.exchange(id, 3),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn a_policy_that_changes_governs_the_connections_that_are_open() {
    let mut story = Story::rule(r#""max_connection_age": "1h""#);
    let id = story.open(1);
    story.at(100);
    story.exchange(id, 1);
    let update = Story::rule(r#""max_connection_age": "60s""#).defaults();
    story.engine.apply_policy(1, Mode::Enforce, |_, _, held| {
        held.is_some_and(|held| &*held.name == "defaults")
            .then(|| Rc::clone(&update))
    });
    story.at(101);
    assert_eq!(
        story.exchange(id, 2),
        Decision::Drain(DrainReason::MaxConnectionAge)
    );
}

#[test]
fn a_policy_that_goes_takes_back_what_was_due_but_not_what_was_said() {
    let mut story = Story::rule(r#""max_connection_age": "10s", "close_delay": "1s""#);
    let (due, said) = (story.open(1), story.open(2));
    story.at(11);
    story.exchange(said, 1);
    story.engine.apply_policy(1, Mode::Enforce, |_, _, _| None);
    assert_eq!(story.exchange(due, 1), Decision::PassThrough);
    assert_eq!(story.exchange(said, 2), Decision::RepeatSignal);
}
