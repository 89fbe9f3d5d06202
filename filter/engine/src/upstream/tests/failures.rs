//! Responses that the proxy made itself.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// The key of a connection that shares its entry, and of one that could not be opened.
fn without_local_address() -> ConnectionKey {
    ConnectionKey {
        address: b"/run/app.sock".to_vec(),
        local: Vec::new(),
    }
}

#[test]
fn they_do_not_count_where_connections_share_an_entry() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    story.reply.is_local = true;
    for _ in 0..100 {
        assert_eq!(story.exchange(without_local_address()), Outcome::default());
    }
    assert_eq!((story.open, story.upstreams.len()), (0, 0));
    story.reply.is_local = false;
    for _ in 0..5 {
        let outcomes = [(); 4].map(|()| story.exchange(without_local_address()));
        let expired = outcomes.each_ref().map(|outcome| outcome.expired);
        assert_eq!(expired, [false, false, true, false]);
        assert!(outcomes[3].recycled);
    }
}

#[test]
fn connection_that_reaches_its_limit_with_one_has_ended() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    story.request(1);
    story.request(1);
    story.reply.is_local = true;
    assert!(!story.request(1).expired);
    assert_eq!((story.open, story.upstreams.len()), (0, 0));
    assert!(!story.wants_mark());
}

#[test]
fn expired_connection_that_gets_one_has_ended() {
    let mut story = Story::new(r#""max_requests_per_connection": 1"#);
    // Requests that carry no mark: upgrades, or those that were sent before.
    for is_local in [false, true] {
        story.reply.is_local = is_local;
        for port in [1, 2] {
            let outcome = story.receive(key(port), None);
            assert_eq!(outcome.expired, !is_local);
            story.end(&outcome);
        }
        assert_eq!(story.upstreams.any_expired(), !is_local);
    }
    assert!(!story.wants_mark());
    assert_eq!((story.open, story.upstreams.len()), (0, 0));
}

#[test]
fn they_are_no_evidence_of_http1() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.reply.is_local = true;
    story.request(1);
    story.reply.is_local = false;
    story.reply.shows_http1 = false;
    for _ in 0..10 {
        assert!(!story.request(2).expired);
    }
    assert_eq!(story.marks, 0);
}
