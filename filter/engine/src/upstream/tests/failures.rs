//! Local replies of the proxy.

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
fn local_replies_do_not_count_where_connections_share_an_entry() {
    let mut scenario = Scenario::max_requests(3);
    scenario.reply.is_local = true;
    for _ in 0..100 {
        assert_eq!(
            scenario.exchange(without_local_address()),
            Outcome::default()
        );
    }
    assert_eq!((scenario.open, scenario.upstreams.len()), (0, 0));
    scenario.reply.is_local = false;
    for _ in 0..5 {
        let outcomes = [(); 4].map(|()| scenario.exchange(without_local_address()));
        let expired = outcomes.each_ref().map(|outcome| outcome.expired);
        assert_eq!(expired, [false, false, true, false]);
        assert!(outcomes[3].recycled);
    }
}

#[test]
fn connection_that_reaches_its_limit_with_a_local_reply_has_ended() {
    let mut scenario = Scenario::max_requests(3);
    scenario.requests(1, 2);
    scenario.reply.is_local = true;
    assert!(!scenario.request(1).expired);
    assert_eq!((scenario.open, scenario.upstreams.len()), (0, 0));
    assert!(!scenario.needs_mark());
}

#[test]
fn expired_connection_with_a_local_reply_has_ended() {
    let mut scenario = Scenario::max_requests(1);
    // Requests without a mark: upgrades, or requests that were sent before.
    for is_local in [false, true] {
        scenario.reply.is_local = is_local;
        for port in [1, 2] {
            let outcome = scenario.receive(key(port), None);
            assert_eq!(outcome.expired, !is_local);
            scenario.end(&outcome);
        }
        assert_eq!(scenario.upstreams.has_expired(), !is_local);
    }
    assert!(!scenario.needs_mark());
    assert_eq!((scenario.open, scenario.upstreams.len()), (0, 0));
}

#[test]
fn local_replies_are_no_evidence_of_http1() {
    let mut scenario = Scenario::max_requests(2);
    scenario.reply.is_local = true;
    scenario.request(1);
    scenario.reply.is_local = false;
    scenario.reply.shows_http1 = false;
    for _ in 0..10 {
        assert!(!scenario.request(2).expired);
    }
    assert_eq!(scenario.marks, 0);
}
