//! Which connections rebalancing selects and drains.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::Load;

fn story() -> Story {
    Story::rule(json!({"max_connection_age": "off"}))
}

/// Opens connections 1 to `count`, each with a complete request.
fn open_used(story: &mut Story, count: u64) {
    for id in 1..=count {
        let id = story.open(id);
        story.exchange(id, 1);
    }
}

/// Selects connections, without a limit of the drain rate.
fn select(story: &mut Story, request: SelectionRequest) -> f64 {
    let (mode, measure) = (story.policy.mode, request.measure);
    story.engine.set_drain_rate(mode, measure, f64::INFINITY);
    let request = SelectionRequest { mode, ..request };
    story.select(request, 7)
}

/// The connections selected since the last call, in order.
fn selected_ids(story: &mut Story) -> Vec<u64> {
    let selected = |effect| match effect {
        Effect::DrainPending(ConnectionId(id), DrainReason::Rebalance) => Some(id),
        _ => None,
    };
    story.effects().into_iter().filter_map(selected).collect()
}

/// The number of selected connections in a sample.
fn sampled_selection(story: &mut Story) -> f64 {
    let sample = story.engine.take_sample(true);
    sample.selected.enforced.connections
}

#[test]
fn selected_connections_drain_with_their_next_response() {
    let mut story = story();
    open_used(&mut story, 10);

    assert_eq!(select(&mut story, selection(3.9)), 3.0);

    let selected = selected_ids(&mut story);
    assert_eq!(selected.len(), 3);
    assert_eq!(sampled_selection(&mut story), 3.0);
    for id in 1..=10 {
        let expected = if selected.contains(&id) {
            DRAIN_BY_REBALANCING
        } else {
            PASS
        };
        assert_eq!(story.exchange(ConnectionId(id), 2), expected);
    }
    let sample = story.engine.take_sample(true);
    assert_eq!(
        sample.load.connections, 7.0,
        "a draining connection does not count"
    );
    assert_eq!(sample.selected.enforced, Load::default());
}

#[test]
fn idle_connections_are_selected_first_and_silent_ones_last() {
    let mut story = story();
    for id in 1..=3 {
        let id = story.open(id);
        story.exchange(id, 1);
    }
    story.at(11);
    story.exchange(ConnectionId(2), 2);
    story.exchange(ConnectionId(3), 2);
    story.read(ConnectionId(2), 3, 1);

    for expected in [3, 2, 1] {
        select(&mut story, selection(1.0));
        assert_eq!(selected_ids(&mut story), [expected]);
    }
}

#[test]
fn new_protected_or_unused_connection_is_not_selected() {
    let mut story = Story::rule(json!({"max_connection_age": "off", "min_connection_age": "30s"}));
    open_used(&mut story, 3);
    story.at(30);
    let rule = Rc::new(Rule {
        protect: true,
        ..(*story.defaults()).clone()
    });
    story.engine.request_started(ConnectionId(1), &rule);
    let young = story.open(4);
    story.exchange(young, 1);
    story.open(5);

    assert_eq!(select(&mut story, selection(100.0)), 2.0);
    let mut selected = selected_ids(&mut story);
    selected.sort_unstable();
    assert_eq!(selected, [2, 3]);
}

#[test]
fn connection_with_more_load_than_the_excess_is_not_selected() {
    let mut story = story();
    for id in [1, 2] {
        story.open(id);
    }
    story.engine.take_sample(true);
    story.at(1);
    story.exchange(ConnectionId(1), 100);
    story.exchange(ConnectionId(2), 5);
    let sample = story.engine.take_sample(true);
    assert!((sample.load.requests - 105.0).abs() < 1e-6, "{sample:?}");

    let excess = SelectionRequest {
        measure: Measure::Requests,
        ..selection(50.0)
    };
    let selected = select(&mut story, excess);

    assert!((selected - 5.0).abs() < 1e-6, "{selected}");
    assert_eq!(selected_ids(&mut story), [2]);
}

#[test]
fn selection_without_safe_point_is_withdrawn_for_a_minute() {
    let mut story = story();
    open_used(&mut story, 1);
    assert_eq!(select(&mut story, selection(1.0)), 1.0);

    story.at(9);
    assert_eq!(sampled_selection(&mut story), 1.0);
    story.at(10);
    assert_eq!(sampled_selection(&mut story), 0.0);

    assert_eq!(story.exchange(ConnectionId(1), 2), PASS);
    assert_eq!(select(&mut story, selection(1.0)), 0.0);
    story.at(70);
    assert_eq!(select(&mut story, selection(1.0)), 1.0);
}

/// A client that is better drained when it is idle, and never is.
#[test]
fn selected_connection_is_drained_late_before_its_selection_is_withdrawn() {
    let late = client(at_end(Conditions::SEQUENTIAL.and(Conditions::WAITED)));
    let mut story = story();
    open_used(&mut story, 1);
    assert_eq!(select(&mut story, selection(1.0)), 1.0);

    for (second, request, expected) in [(4, 2, PASS), (6, 3, DRAIN_BY_REBALANCING)] {
        story.at(second);
        story.read(ConnectionId(1), request, 1);
        // The head of the response, and its end.
        assert_eq!(story.write(ConnectionId(1), request, 1, active(late)), PASS);
        let decision = story.write(ConnectionId(1), request, 0, stream_end(late));
        assert_eq!(decision, expected, "{second}");
    }
    assert_eq!(story.count(is_deferred), 0);
}

#[test]
fn drains_are_even_and_late_ones_are_made_up_for() {
    let mut story = story();
    open_used(&mut story, 40);
    story.at(100);
    select(&mut story, selection(40.0));
    story.set_drain_rate(2.0);

    // Five times a second all connections have a request at once.
    let mut drained = Vec::new();
    for fifth in 1..=50 {
        story.pass(Duration::from_millis(200));
        for id in 1..=40 {
            if story.exchange(ConnectionId(id), 1 + fifth) == DRAIN_BY_REBALANCING {
                drained.push(fifth / 5);
            }
        }
    }

    let most = (0..=10).map(|second| drained.iter().filter(|at| **at == second).count());
    assert_eq!(most.max(), Some(4), "{drained:?}");
    assert!((20..=23).contains(&drained.len()), "{drained:?}");
}

#[test]
fn rate_of_zero_postpones_drains() {
    let mut story = story();
    open_used(&mut story, 2);
    select(&mut story, selection(2.0));
    story.set_drain_rate(0.0);

    story.at(1);
    assert_eq!(story.exchange(ConnectionId(1), 2), PASS);

    story.set_drain_rate(1.0);
    story.at(2);
    assert_eq!(story.exchange(ConnectionId(1), 3), DRAIN_BY_REBALANCING);
}

#[test]
fn queued_tcp_connection_is_closed_when_the_rate_allows() {
    let mut story = Story::new(
        json!({"budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}]}),
    );
    let id = story.open_tcp(1);
    select(&mut story, selection(1.0));
    story.set_drain_rate(0.0);
    story.at(1);
    story.read(id, 0, 0);
    story.write_no_point(id, 0, 0);
    story.at(5);
    assert_eq!(story.count(is_close), 0);

    story.set_drain_rate(1.0);
    story.at(7);

    assert_eq!(story.count(is_close), 1);
}

#[test]
fn selection_that_waits_for_the_budget_is_kept() {
    let mut story = Story::new(
        json!({"budget": {"per_second": 0.05, "burst": 1}, "defaults": {"max_connection_age": "off"}}),
    );
    open_used(&mut story, 2);
    select(&mut story, selection(2.0));
    assert_eq!(story.exchange(ConnectionId(1), 2), DRAIN_BY_REBALANCING);
    assert_eq!(story.exchange(ConnectionId(2), 2), PASS);

    story.at(19);
    assert_eq!(sampled_selection(&mut story), 1.0);
    story.at(21);
    assert_eq!(story.exchange(ConnectionId(2), 3), DRAIN_BY_REBALANCING);
}

#[test]
fn end_of_rebalancing_withdraws_selections() {
    let mut story = story();
    open_used(&mut story, 5);
    select(&mut story, selection(5.0));

    story.engine.take_sample(false);

    assert_eq!(story.exchange(ConnectionId(3), 2), PASS);
}

#[test]
fn peer_exchanges_are_not_load() {
    let mut story = story();
    open_used(&mut story, 2);
    let peer = ConnectionId(1);
    story.engine.record_peer_exchange(peer);
    assert_eq!(story.engine.take_sample(true).load.connections, 1.0);
    assert_eq!(select(&mut story, selection(10.0)), 1.0);

    story.exchange(peer, 2);
    assert_eq!(
        story.engine.take_sample(true).load.connections,
        2.0,
        "it serves other clients, too"
    );
}

#[test]
fn dry_run_counts_its_drains_as_gone_only_for_itself() {
    let mut story = Story::new(
        json!({"mode": "dry_run", "budget": "off", "defaults": {"max_connection_age": "off"}}),
    );
    open_used(&mut story, 4);
    select(&mut story, selection(1.0));
    let id = ConnectionId(selected_ids(&mut story)[0]);

    assert_eq!(story.exchange(id, 2), PASS);

    assert!(
        story
            .effects()
            .contains(&Effect::DryRunDrain(id, DrainReason::Rebalance))
    );
    let sample = story.engine.take_sample(true);
    assert_eq!(sample.load.connections, 4.0);
    assert_eq!(sample.dry_run_drained.connections, 1.0);
    assert_eq!(
        select(&mut story, selection(10.0)),
        3.0,
        "none is counted twice"
    );
}

#[test]
fn overloaded_host_is_drained_to_the_low_watermark() {
    let mut story = Story::new(json!({"budget": "off",
            "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "1s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}],
            "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"}}));
    let rebalance = story.policy.rebalance.unwrap();
    let hosts = [1, 2].map(|host| story.engine.find_upstream_host(b"db", &[host]).unwrap());
    for id in 0..30 {
        let id = story.open_tcp(id);
        let host = if id.0 < 26 { hosts[0] } else { hosts[1] };
        story.engine.set_upstream_host(id, host);
    }

    for second in 1..=60 {
        for id in 0..30 {
            story.exchange_tcp(ConnectionId(id));
        }
        story.at(2 * second);
        story.engine.take_sample(true);
        story.compare_hosts(&rebalance, second);
        for effect in story.effects() {
            if let Effect::Close {
                id,
                reason,
                aborted,
            } = effect
            {
                assert_eq!((reason, aborted), (DrainReason::Rebalance, 0));
                assert!(id.0 < 26);
                story.engine.closed(id);
            }
        }
    }

    // Drained connections do not return: 26 and 4, until the first host has at most 1.1 times the mean.
    let left = story.engine.take_sample(true).load.connections - 4.0;
    assert!((4.0..10.0).contains(&left), "{left}");
}

#[test]
fn host_without_load_is_forgotten() {
    let mut story = story();
    let host = story
        .engine
        .find_upstream_host(b"web", b"10.0.0.1:80")
        .unwrap();
    story.engine.upstream_request_started(host);
    story.at(100);
    story.engine.take_sample(true);
    assert_eq!(
        story.engine.upstream_hosts().count(),
        1,
        "it has an active request"
    );
    story.engine.upstream_request_ended(host);
    story.at(300);
    story.engine.take_sample(true);
    assert_eq!(story.engine.upstream_hosts().count(), 0);
}

#[test]
fn hosts_are_bounded_and_distinguished_by_cluster() {
    let mut story = story();
    let engine = &mut story.engine;
    let one = engine.find_upstream_host(b"a", b"10.0.0.1:80");
    assert_eq!(engine.find_upstream_host(b"a", b"10.0.0.1:80"), one);
    assert_ne!(engine.find_upstream_host(b"b", b"10.0.0.1:80"), one);
    for host in 0..5000_u32 {
        engine.find_upstream_host(b"a", &host.to_le_bytes());
    }
    assert_eq!(engine.upstream_hosts().count(), crate::hosts::MAX_HOSTS);
}
