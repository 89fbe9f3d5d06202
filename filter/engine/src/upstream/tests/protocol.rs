//! Which connections are known to be HTTP/1: a mark ends an HTTP/2 connection with all its streams.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn connection_without_evidence_is_reported_once_and_never_marked() {
    let mut scenario = Scenario::max_requests(2);
    scenario.reply.shows_http1 = false;
    let reported = (0..100).filter(|_| scenario.request(1).unproven).count();
    assert_eq!((reported, scenario.marks), (1, 0));
}

#[test]
fn policy_can_say_that_all_is_http1() {
    let mut scenario = Scenario::new(r#""max_requests_per_connection": 1, "protocol": "http1""#);
    scenario.reply.shows_http1 = false;
    assert!(scenario.request(1).expired);
    assert!(scenario.needs_mark());
    let now = scenario.now();
    let http2_downstream = scenario.upstreams.needs_mark(SHOP, false, now);
    assert!(!http2_downstream, "these may go to another pool");
}

#[test]
fn connection_without_evidence_does_not_block_the_others() {
    let mut scenario = Scenario::max_requests(3);
    scenario.reply.shows_http1 = false;
    scenario.request(1);
    scenario.reply.shows_http1 = true;
    scenario.requests(2, 3);
    assert!(scenario.request(2).recycled);
}

#[test]
fn one_response_is_evidence_for_the_cluster() {
    let mut scenario = Scenario::max_requests(3);
    scenario.request(1);
    scenario.reply.shows_http1 = false;
    scenario.requests(2, 3);
    assert!(scenario.request(2).recycled);
}

#[test]
fn evidence_counts_for_the_downstream_protocol_that_gave_it() {
    let mut scenario = Scenario::max_requests(2);
    scenario.requests(1, 2);
    // Over HTTP/2 a cluster may choose HTTP/2.
    scenario.reply.downstream_is_http1 = false;
    scenario.reply.shows_http1 = false;
    assert!(!scenario.needs_mark());
    for _ in 0..10 {
        assert!(!scenario.request(2).expired);
    }
    assert!(!scenario.needs_mark());
    // A request over HTTP/2 on an HTTP/1 connection is evidence, too.
    scenario.reply.shows_http1 = true;
    scenario.request(1);
    assert!(scenario.needs_mark());
}

#[test]
fn two_responses_at_once_over_one_connection_keep_the_cluster_from_being_marked() {
    let mut scenario = Scenario::max_requests(2);
    scenario.requests(1, 2);
    assert!(scenario.needs_mark());

    scenario.reply.shows_http1 = false;
    let first = scenario.receive(key(2), None);
    let second = scenario.receive(key(2), None);
    assert!(!scenario.needs_mark());

    scenario.end(&first);
    scenario.end(&second);
    scenario.millis += 60_000;
    assert!(scenario.needs_mark());
}

#[test]
fn only_an_http1_server_that_resets_a_marked_request_is_marked_again() {
    for (server, is_marked_again) in [(&b"10.0.0.1:80"[..], true), (b"10.0.0.2:80", false)] {
        let mut scenario = Scenario::max_requests(2);
        scenario.requests(1, 2);
        let mark = scenario.send().unwrap();
        let now = scenario.now();
        scenario.upstreams.request_failed(mark, Some(server), now);
        scenario.request(1);
        assert_eq!(scenario.needs_mark(), is_marked_again);
    }
}

#[test]
fn evidence_outlives_the_connection_that_gave_it() {
    let mut scenario = Scenario::max_requests(5);
    scenario.request(1);
    scenario.reply.shows_http1 = false;
    scenario.requests(1, 4);
    for round in 2..20 {
        assert!(scenario.request(round - 1).recycled, "{round}");
        // The server closes the connection: the cluster has none for some time.
        assert!(scenario.upstreams.is_empty());
        scenario.millis += 11_000;
        scenario.sweep();
        scenario.requests(round, 5);
    }
}

#[test]
fn clusters_that_are_remembered_are_bounded() {
    let mut scenario = Scenario::max_requests(1);
    for cluster in 0..5000_u32 {
        let name: &'static [u8] = Vec::leak(cluster.to_le_bytes().to_vec());
        scenario.reply.cluster = name;
        scenario.reply.closes = true;
        scenario.request(1);
    }
    assert!(scenario.upstreams.is_empty());
    assert!(scenario.upstreams.clusters.len() <= 1025);
}
