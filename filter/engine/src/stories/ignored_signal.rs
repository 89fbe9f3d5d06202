//! Clients that ignore their drain signal.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::delivery::{LARGE, NONE};
use super::*;

#[test]
fn http1_client_that_ignores_the_signal_is_refused() {
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "60s"}))
            .with_connection();
    for (request, ignores) in [(1, false), (2, false), (3, true)] {
        assert!(story.read_undelivered(id, request, 1, 0), "{request}");
        let decision = story.write_undelivered(id, request, 0, 100, Some(DrainPoint::ResponseHead));
        assert_ne!(decision, PASS);
        assert_eq!(story.is_ignored(), ignores, "{request}");
    }

    assert!(!story.read_undelivered(id, 4, 1, 0));
    story.pass(Duration::from_millis(100));

    assert_eq!(story.aborted(), [0]);
}

#[test]
fn http1_client_that_ignores_the_signal_gets_its_responses() {
    let (mut story, id) = Story::rule(json!({"max_requests_per_connection": 1})).with_connection();
    for request in 1..=10 {
        assert!(story.read_undelivered(id, request, 1, 0), "{request}");
        story.write_undelivered(id, request, 0, LARGE, Some(DrainPoint::ResponseHead));
        story.pass(Duration::from_secs(20));
    }
    assert_eq!(story.aborted(), NONE);
}

#[test]
fn http2_client_that_ignores_the_signal_is_sent_a_second_goaway() {
    let (mut story, id) =
        Story::rule(json!({"max_requests_per_connection": 1, "close_delay": "1s"}))
            .with_connection();
    story.read_undelivered(id, 1, 1, 0);
    story.write_undelivered(id, 1, 0, u64::MAX, Some(stream_end(ANY_TIME)));
    // In transit, or sent by a client that has not read the signal yet.
    for (request, undelivered) in [(2, u64::MAX), (3, u64::MAX), (4, 0)] {
        story.read_undelivered(id, request, 1, undelivered);
        let decision =
            story.write_undelivered(id, request, 0, u64::MAX, Some(stream_end(ANY_TIME)));
        assert_eq!(decision, PASS, "{request}");
        story.pass(Duration::from_secs(2));
        assert!(!story.is_ignored(), "{request}");
    }

    story.read_undelivered(id, 5, 1, 0);
    assert!(story.is_ignored());
    let decision = story.write_undelivered(id, 5, 1, 0, Some(active(ANY_TIME)));
    assert_eq!(decision, PASS);
    let decision = story.write_undelivered(id, 5, 0, u64::MAX, Some(stream_end(ANY_TIME)));
    assert_eq!(decision, Decision::RefuseRequests);
    let decision = story.write_undelivered(id, 5, 0, u64::MAX, Some(idle(ANY_TIME)));
    assert_eq!(decision, PASS);

    story.read_undelivered(id, 5, 0, 0);
    story.pass(Duration::from_millis(1100));
    assert_eq!(story.aborted(), [0]);
}

#[test]
fn client_that_ignores_the_signal_still_counts_as_load() {
    let (mut story, id) = Story::rule(json!({"max_requests_per_connection": 1})).with_connection();
    for (request, expected) in [(1, 0.0), (2, 0.0), (3, 1.0)] {
        story.read_undelivered(id, request, 1, 0);
        story.write_undelivered(id, request, 1, 100, Some(DrainPoint::ResponseHead));
        assert_eq!(story.engine.take_sample(false).load.connections, expected);
        story.write_undelivered(id, request, 0, 100, None);
    }
}
