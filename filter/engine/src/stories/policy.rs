//! Which rule applies to a connection, and what a changed policy changes.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn first_matched_rule_replaces_the_default_and_later_ones_only_tighten() {
    let policy = json!({"budget": "off", "defaults": {"max_connection_age": "10s", "jitter": 0}, "routes": [
        {"name": "long", "match": {"path_prefix": "/long"}, "max_connection_age": "100s"},
        {"name": "short", "match": {"path_prefix": "/short"}, "max_connection_age": "50s"}]});
    let (mut story, id) = Story::new(policy).with_connection();
    let (long, short) = (story.route("long"), story.route("short"));
    story.engine.apply_rule(id, &long);
    story.at(20);
    assert_eq!(story.exchange(id, 1), PASS);
    story.engine.apply_rule(id, &short);
    story.engine.apply_rule(id, &long);
    story.at(49);
    assert_eq!(story.exchange(id, 2), PASS);
    story.at(51);
    assert_eq!(story.exchange(id, 3), DRAIN_BY_AGE);
}

#[test]
fn changed_policy_applies_to_open_connections() {
    let (mut story, id) = Story::rule(json!({"max_connection_age": "1h"})).with_connection();
    story.at(100);
    story.exchange(id, 1);
    let update = Story::rule(json!({"max_connection_age": "60s"})).defaults();
    story.engine.apply_policy(1, Mode::Enforce, |_, _, held| {
        held.is_some_and(|held| &*held.name == "defaults")
            .then(|| Rc::clone(&update))
    });
    story.at(101);
    assert_eq!(story.exchange(id, 2), DRAIN_BY_AGE);
}

#[test]
fn removed_policy_cancels_pending_drains_only() {
    let mut story = Story::rule(json!({"max_connection_age": "10s", "close_delay": "1s"}));
    let (pending, draining) = (story.open(1), story.open(2));
    story.at(11);
    story.exchange(draining, 1);
    story.engine.apply_policy(1, Mode::Enforce, |_, _, _| None);
    assert_eq!(story.exchange(pending, 1), PASS);
    assert_eq!(story.exchange(draining, 2), Decision::RepeatSignal);
}
