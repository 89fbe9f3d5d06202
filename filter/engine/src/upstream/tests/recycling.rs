//! Limits of upstream connections, and the requests that are marked because of them.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn expired_connection_ends_with_the_next_request() {
    let mut scenario = Scenario::max_requests(3);
    assert!(scenario.request(1).opened);
    assert!(!scenario.request(1).expired);
    assert!(scenario.request(1).expired);
    assert!(scenario.request(1).recycled);
    assert!(!scenario.upstreams.has_expired());
    assert_eq!((scenario.open, scenario.upstreams.len()), (0, 0));
}

#[test]
fn age_expires_a_connection_with_its_next_response() {
    let mut scenario = Scenario::new(r#""max_connection_age": "60s""#);
    scenario.request(1);
    scenario.millis += 59_000;
    assert!(!scenario.request(1).expired);
    scenario.millis += 1000;
    assert!(scenario.request(1).expired);
    assert!(scenario.request(1).recycled);
}

#[test]
fn one_mark_for_each_expired_connection() {
    let mut scenario = Scenario::max_requests(1);
    scenario.request(1);
    let mark = scenario.send();
    assert!(mark.is_some());
    assert!(!scenario.needs_mark(), "its mark is in flight");
    let now = scenario.now();
    assert!(!scenario.upstreams.needs_mark(b"other", true, now));
    scenario.receive(key(1), mark);
    assert!(!scenario.needs_mark());
}

#[test]
fn mark_without_a_response_is_given_again_once_the_cluster_responds() {
    let mut scenario = Scenario::max_requests(2);
    scenario.requests(1, 2);
    let mark = scenario.send().unwrap();
    let now = scenario.now();
    scenario.upstreams.request_failed(mark, None, now);
    assert!(
        !scenario.needs_mark(),
        "the next request may end like this one"
    );
    scenario.request(2);
    assert!(scenario.needs_mark());
}

#[test]
fn stray_leaves_the_rest_of_its_requests_to_the_expired_connection() {
    let mut scenario = Scenario::max_requests(10);
    scenario.requests(2, 4);
    scenario.requests(1, 10);
    let outcome = scenario.request(2);
    assert_eq!((outcome.strays, outcome.recycled), (1, false));
    assert!(!scenario.upstreams.has_expired());
    // 5 of 10 went over the stray.
    let expired = (0..5).map(|_| scenario.request(1).expired);
    assert_eq!(
        expired.collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
    // The mark may skip one request, so that it does not always hit the same server.
    assert!((0..2).any(|_| scenario.request(1).recycled));
}

/// Two servers take turns, and close marked connections. Marks must reach both servers.
#[test]
fn mark_reaches_the_expired_connection_where_servers_take_turns() {
    let mut scenario = Scenario::max_requests(4);
    let mut ports = [1, 2];
    let mut ended = [0, 0];
    for turn in 0..400_u16 {
        let server = usize::from(turn % 2);
        let marks = scenario.marks;
        scenario.exchange(ConnectionKey {
            address: format!("10.0.0.{server}:80").into_bytes(),
            ..key(ports[server])
        });
        if scenario.marks > marks {
            ended[server] += 1;
            ports[server] = 100 + turn;
        }
    }
    assert!(ended.iter().all(|count| *count >= 20), "{ended:?}");
}

#[test]
fn stale_expired_connection_costs_one_mark() {
    let mut scenario = Scenario::max_requests(3);
    scenario.requests(1, 3);
    // The server has closed it, which only this mark shows.
    scenario.millis += 5000;
    assert_eq!(scenario.request(2).strays, 1);
    for _ in 0..100 {
        assert_eq!(scenario.request(3).strays, 0);
    }
    assert!(scenario.marks <= 1 + 100 / 4);
}

#[test]
fn retried_request_counts_a_stray_for_each_further_attempt() {
    let mut scenario = Scenario::max_requests(1);
    scenario.request(1);
    let mark = scenario.send();
    scenario.reply.attempts = 4;
    let outcome = scenario.receive(key(1), mark);
    assert_eq!((outcome.recycled, outcome.strays), (true, 3));
}

#[test]
fn no_request_is_marked_while_the_proxy_retries() {
    let mut scenario = Scenario::max_requests(2);
    scenario.reply.attempts = 4;
    for port in 1..50 {
        scenario.request(port % 3);
    }
    assert_eq!(scenario.marks, 0);
    scenario.reply.attempts = 1;
    scenario.request(1);
    assert!(scenario.needs_mark());
}

#[test]
fn server_that_ends_the_connection_by_itself_needs_no_mark() {
    let mut scenario = Scenario::max_requests(3);
    scenario.requests(1, 2);
    scenario.reply.closes = true;
    assert!(!scenario.request(1).expired);
    assert_eq!(
        (scenario.upstreams.has_expired(), scenario.open),
        (false, 0)
    );
}

#[test]
fn server_that_ignores_the_mark_is_not_marked_again() {
    let mut scenario = Scenario::max_requests(2);
    scenario.reply.confirms = false;
    scenario.requests(1, 2);
    assert!(scenario.request(1).recycled);
    assert_eq!(scenario.open, 0);
    for _ in 0..100 {
        assert!(!scenario.request(1).expired);
    }
    assert_eq!((scenario.marks, scenario.open), (1, 1));
}

#[test]
fn port_that_comes_back_names_a_new_connection() {
    let mut scenario = Scenario::max_requests(2);
    for _ in 0..10 {
        for expected in [false, false, true] {
            assert_eq!(scenario.request(1).recycled, expected);
        }
    }
    assert_eq!(scenario.open, 0);
}

#[test]
fn ignored_marks_are_not_repeated_for_another_connection() {
    let mut scenario = Scenario::max_requests(2);
    scenario.reply.confirms = false;
    scenario.requests(1, 4);
    // A second connection expires, but all requests go over the one that ignores marks.
    scenario.requests(2, 2);
    scenario.requests(1, 100);
    assert_eq!(scenario.marks, 2);
}

#[test]
fn as_many_connections_end_as_open() {
    for confirms in [true, false] {
        let mut scenario = Scenario::max_requests(2);
        scenario.reply.confirms = confirms;
        for port in [1, 1, 3, 1, 4, 4, 4, 4, 2, 2, 3, 3, 3, 4] {
            scenario.request(port);
        }
        scenario.millis += 3_600_000;
        scenario.sweep();
        assert_eq!((scenario.open, scenario.upstreams.len()), (0, 0));
        assert_eq!(scenario.upstreams.clusters.len(), 0);
        assert!(!scenario.upstreams.has_expired());
    }
}

#[test]
fn connection_taken_to_be_gone_ends_once_more_when_a_mark_ends_it() {
    let mut scenario = Scenario::max_requests(2);
    scenario.request(1);
    scenario.request(2);
    // Two requests at a time expire both; the second has a slow response.
    let marks = [scenario.send(), scenario.send()];
    for (port, mark) in [1, 2].into_iter().zip(marks) {
        let outcome = scenario.receive(key(port), mark);
        scenario.end(&outcome);
        scenario.millis += 60_000;
    }
    // Envoy opens another connection, so 1 is presumed closed, although it is open.
    scenario.request(3);
    assert_eq!(scenario.open, 1);
    let mark = scenario.send();
    assert!(mark.is_some(), "2 is still expired");

    let outcome = scenario.receive(key(1), mark);

    assert!(outcome.opened && outcome.recycled);
    assert_eq!(scenario.open, 1);
}

#[test]
fn beyond_the_bound_the_least_recently_used_connection_is_dropped() {
    let mut scenario = Scenario::max_requests(1000);
    let most = u16::try_from(MAX_CONNECTIONS).unwrap();
    for port in 0..2 * most {
        scenario.millis += 1;
        scenario.request(60_000);
        scenario.request(port);
    }
    assert_eq!(scenario.upstreams.len(), MAX_CONNECTIONS);
    assert_eq!(scenario.open, i64::from(most));
    assert!(!scenario.request(60_000).opened, "it is in use");
    assert!(!scenario.request(2 * most - 1).opened);
    assert!(scenario.request(0).opened);
}
