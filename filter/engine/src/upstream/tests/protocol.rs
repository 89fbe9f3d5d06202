//! Which connections are known to be HTTP/1: a mark ends an HTTP/2 connection with all its streams.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn connection_without_evidence_is_reported_once_and_never_marked() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.reply.shows_http1 = false;
    let reported = (0..100).filter(|_| story.request(1).unproven).count();
    assert_eq!((reported, story.marks), (1, 0));
}

#[test]
fn policy_can_say_that_all_is_http1() {
    let mut story = Story::new(r#""max_requests_per_connection": 1, "protocol": "http1""#);
    story.reply.shows_http1 = false;
    assert!(story.request(1).expired);
    assert!(story.wants_mark());
    let now = story.now();
    let http2_downstream = story.upstreams.wants_mark(SHOP, false, now);
    assert!(!http2_downstream, "these may go to another pool");
}

#[test]
fn connection_without_evidence_does_not_block_the_others() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    story.reply.shows_http1 = false;
    story.request(1);
    story.reply.shows_http1 = true;
    for _ in 0..3 {
        story.request(2);
    }
    assert!(story.request(2).recycled);
}

#[test]
fn one_response_is_evidence_for_the_cluster() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    story.request(1);
    story.reply.shows_http1 = false;
    for _ in 0..3 {
        story.request(2);
    }
    assert!(story.request(2).recycled);
}

#[test]
fn evidence_counts_for_the_downstream_protocol_that_gave_it() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.request(1);
    story.request(1);
    // Over HTTP/2 a cluster may choose HTTP/2.
    story.reply.downstream_is_http1 = false;
    story.reply.shows_http1 = false;
    assert!(!story.wants_mark());
    for _ in 0..10 {
        assert!(!story.request(2).expired);
    }
    assert!(!story.wants_mark());
    // A request over HTTP/2 that a connection carries which is HTTP/1 is evidence, too.
    story.reply.shows_http1 = true;
    story.request(1);
    assert!(story.wants_mark());
}

#[test]
fn two_responses_at_once_over_one_connection_keep_the_cluster_from_being_marked() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.request(1);
    story.request(1);
    assert!(story.wants_mark());

    story.reply.shows_http1 = false;
    let first = story.receive(key(2), None);
    let second = story.receive(key(2), None);
    assert!(!story.wants_mark());

    story.end(&first);
    story.end(&second);
    story.millis += 60_000;
    assert!(story.wants_mark());
}

#[test]
fn server_without_evidence_that_resets_a_marked_request_is_not_marked_again() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.request(1);
    story.request(1);
    let mark = story.send().unwrap();
    let now = story.now();
    story.upstreams.unanswered(mark, Some(b"10.0.0.2:80"), now);
    story.request(1);
    assert!(!story.wants_mark());
}

#[test]
fn http1_server_that_resets_a_marked_request_is_marked_again() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.request(1);
    story.request(1);
    let mark = story.send().unwrap();
    let now = story.now();
    story.upstreams.unanswered(mark, Some(b"10.0.0.1:80"), now);
    story.request(1);
    assert!(story.wants_mark());
}

#[test]
fn evidence_outlives_the_connection_that_gave_it() {
    let mut story = Story::new(r#""max_requests_per_connection": 5"#);
    story.request(1);
    story.reply.shows_http1 = false;
    for _ in 0..4 {
        story.request(1);
    }
    for round in 2..20 {
        assert!(story.request(round - 1).recycled, "{round}");
        // The server says that it closes: for a moment the cluster has no connection.
        assert!(story.upstreams.is_empty());
        story.millis += 11_000;
        story.sweep();
        for _ in 0..5 {
            story.request(round);
        }
    }
}

#[test]
fn clusters_that_are_remembered_are_bounded() {
    let mut story = Story::new(r#""max_requests_per_connection": 1"#);
    for cluster in 0..5000_u32 {
        let name: &'static [u8] = Vec::leak(cluster.to_le_bytes().to_vec());
        story.reply.cluster = name;
        story.reply.closes = true;
        story.request(1);
    }
    assert!(story.upstreams.is_empty());
    assert!(story.upstreams.clusters.len() <= 1025);
}
