//! What connections carry together, and who goes when it is too much.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use evenkeel_policy::Measure;

use super::*;
use crate::{Load, SelectionRequest, SelectionScope};

const RULE: &str = r#""max_connection_age": "off""#;

fn wanted(load: f64) -> SelectionRequest {
    SelectionRequest {
        measure: Measure::Connections,
        load,
        scope: SelectionScope::Service,
        reason: DrainReason::Rebalance,
        mode: Mode::Enforce,
    }
}

/// `count` connections, each of which has been answered once.
fn busy_service(story: &mut Story, count: u64) {
    for id in 1..=count {
        let id = story.open(id);
        story.exchange(id, 1);
    }
}

fn choose(story: &mut Story, wanted: SelectionRequest) -> f64 {
    // As fast as it likes.
    let mode = story.policy.mode;
    story
        .engine
        .set_drain_rate(mode, wanted.measure, f64::INFINITY);
    story
        .engine
        .select(&SelectionRequest { mode, ..wanted }, |_| true, 7)
}

/// Who has been chosen, in the order of being told.
fn due(story: &mut Story) -> Vec<u64> {
    let due = story
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::DrainPending(ConnectionId(id), DrainReason::Rebalance) => Some(id),
            _ => None,
        });
    due.collect()
}

#[test]
fn the_chosen_go_at_their_next_answer_and_no_one_else() {
    let mut story = Story::rule(RULE);
    busy_service(&mut story, 10);

    assert_eq!(choose(&mut story, wanted(3.9)), 3.0);

    let chosen = due(&mut story);
    assert_eq!(chosen.len(), 3);
    assert_eq!(
        story.engine.take_sample(true).selected.enforced.connections,
        3.0
    );
    for id in 1..=10 {
        let expected = if chosen.contains(&id) {
            Decision::Drain(DrainReason::Rebalance)
        } else {
            Decision::PassThrough
        };
        assert_eq!(story.exchange(ConnectionId(id), 2), expected);
    }
    let looked = story.engine.take_sample(true);
    assert_eq!(looked.load.connections, 7.0, "who has been told has left");
    assert_eq!(looked.selected.enforced, Load::default());
}

#[test]
fn idle_connections_go_before_busy_ones_and_silent_ones_last() {
    let mut story = Story::rule(RULE);
    for id in 1..=3 {
        let id = story.open(id);
        story.exchange(id, 1);
    }
    story.at(11);
    story.exchange(ConnectionId(2), 2);
    story.exchange(ConnectionId(3), 2);
    story.read(ConnectionId(2), 3, 1);

    for expected in [3, 2, 1] {
        choose(&mut story, wanted(1.0));
        assert_eq!(due(&mut story), [expected]);
    }
}

#[test]
fn who_is_young_protected_or_unasked_stays() {
    let mut story = Story::rule(r#""max_connection_age": "off", "min_connection_age": "30s""#);
    busy_service(&mut story, 3);
    story.at(30);
    let rule = Rc::new(Rule {
        protect: true,
        ..(*story.defaults()).clone()
    });
    story.engine.request_started(ConnectionId(1), &rule);
    let young = story.open(4);
    story.exchange(young, 1);
    story.open(5);

    assert_eq!(choose(&mut story, wanted(100.0)), 2.0);
    let mut chosen = due(&mut story);
    chosen.sort_unstable();
    assert_eq!(chosen, [2, 3]);
}

#[test]
fn no_one_bigger_than_the_surplus_goes() {
    let mut story = Story::rule(RULE);
    for id in [1, 2] {
        story.open(id);
    }
    story.engine.take_sample(true);
    story.at(1);
    story.exchange(ConnectionId(1), 100);
    story.exchange(ConnectionId(2), 5);
    let looked = story.engine.take_sample(true);
    assert!((looked.load.requests - 105.0).abs() < 1e-6, "{looked:?}");

    let surplus = SelectionRequest {
        measure: Measure::Requests,
        ..wanted(50.0)
    };
    let chosen = choose(&mut story, surplus);

    assert!((chosen - 5.0).abs() < 1e-6, "{chosen}");
    assert_eq!(due(&mut story), [2]);
}

#[test]
fn who_cannot_be_told_in_time_is_let_off_and_not_chosen_again_for_a_while() {
    let mut story = Story::rule(RULE);
    busy_service(&mut story, 1);
    assert_eq!(choose(&mut story, wanted(1.0)), 1.0);

    story.at(9);
    assert_eq!(
        story.engine.take_sample(true).selected.enforced.connections,
        1.0
    );
    story.at(10);
    assert_eq!(
        story.engine.take_sample(true).selected.enforced.connections,
        0.0
    );

    assert_eq!(story.exchange(ConnectionId(1), 2), Decision::PassThrough);
    assert_eq!(choose(&mut story, wanted(1.0)), 0.0);
    story.at(70);
    assert_eq!(choose(&mut story, wanted(1.0)), 1.0);
}

#[test]
fn the_chosen_go_evenly_and_a_turn_that_was_late_is_made_up_for() {
    let mut story = Story::rule(RULE);
    busy_service(&mut story, 40);
    story.at(100);
    choose(&mut story, wanted(40.0));
    story
        .engine
        .set_drain_rate(Mode::Enforce, Measure::Connections, 2.0);

    // Everybody asks five times a second, all at once.
    let mut went = Vec::new();
    for fifth in 1..=50 {
        story.pass(Duration::from_millis(200));
        for id in 1..=40 {
            if story.exchange(ConnectionId(id), 1 + fifth)
                == Decision::Drain(DrainReason::Rebalance)
            {
                went.push(fifth / 5);
            }
        }
    }

    let most = (0..=10).map(|second| went.iter().filter(|at| **at == second).count());
    assert_eq!(most.max(), Some(4), "{went:?}");
    assert!((20..=23).contains(&went.len()), "{went:?}");
}

#[test]
fn at_no_pace_nobody_goes_and_nothing_is_lost_by_it() {
    let mut story = Story::rule(RULE);
    busy_service(&mut story, 2);
    choose(&mut story, wanted(2.0));
    story
        .engine
        .set_drain_rate(Mode::Enforce, Measure::Connections, 0.0);

    story.at(1);
    assert_eq!(story.exchange(ConnectionId(1), 2), Decision::PassThrough);

    story
        .engine
        .set_drain_rate(Mode::Enforce, Measure::Connections, 1.0);
    story.at(2);
    assert_eq!(
        story.exchange(ConnectionId(1), 3),
        Decision::Drain(DrainReason::Rebalance)
    );
}

#[test]
fn a_tcp_connection_that_waits_for_its_turn_is_closed_when_that_comes() {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}]}"#,
    );
    let id = story.open_tcp(1);
    choose(&mut story, wanted(1.0));
    story
        .engine
        .set_drain_rate(Mode::Enforce, Measure::Connections, 0.0);
    story.at(1);
    story.read(id, 0, 0);
    let answer = activity(0, 0);
    story
        .engine
        .wrote(id, answer, None, None, &mut Map::default());
    story.at(5);
    let is_close = |effect: &Effect| matches!(effect, Effect::Close { .. });
    assert!(!story.effects().iter().any(is_close));

    story
        .engine
        .set_drain_rate(Mode::Enforce, Measure::Connections, 1.0);
    story.at(7);

    assert!(story.effects().iter().any(is_close));
}

#[test]
fn who_waits_for_the_budget_keeps_its_place() {
    let mut story = Story::new(
        r#"{"version": 1, "budget": {"per_second": 0.05, "burst": 1}, "defaults": {"max_connection_age": "off"}}"#,
    );
    busy_service(&mut story, 2);
    choose(&mut story, wanted(2.0));
    assert_eq!(
        story.exchange(ConnectionId(1), 2),
        Decision::Drain(DrainReason::Rebalance)
    );
    assert_eq!(story.exchange(ConnectionId(2), 2), Decision::PassThrough);

    story.at(19);
    assert_eq!(
        story.engine.take_sample(true).selected.enforced.connections,
        1.0
    );
    story.at(21);
    assert_eq!(
        story.exchange(ConnectionId(2), 3),
        Decision::Drain(DrainReason::Rebalance)
    );
}

#[test]
fn when_it_is_over_nobody_goes_any_more() {
    let mut story = Story::rule(RULE);
    busy_service(&mut story, 5);
    choose(&mut story, wanted(5.0));

    story.engine.take_sample(false);

    assert_eq!(story.exchange(ConnectionId(3), 2), Decision::PassThrough);
}

#[test]
fn exchanges_between_peers_are_no_load() {
    let mut story = Story::rule(RULE);
    busy_service(&mut story, 2);
    let peer = ConnectionId(1);
    story.engine.record_peer_exchange(peer);
    assert_eq!(story.engine.take_sample(true).load.connections, 1.0);
    assert_eq!(choose(&mut story, wanted(10.0)), 1.0);

    story.exchange(peer, 2);
    assert_eq!(
        story.engine.take_sample(true).load.connections,
        2.0,
        "it serves others, too"
    );
}

#[test]
fn observe_says_what_would_go_and_counts_it_as_gone_for_itself_only() {
    let mut story = Story::new(
        r#"{"version": 1, "mode": "dry_run", "budget": "off", "defaults": {"max_connection_age": "off"}}"#,
    );
    busy_service(&mut story, 4);
    choose(&mut story, wanted(1.0));
    let id = ConnectionId(due(&mut story)[0]);

    assert_eq!(story.exchange(id, 2), Decision::PassThrough);

    assert!(
        story
            .effects()
            .contains(&Effect::DryRunDrain(id, DrainReason::Rebalance))
    );
    let looked = story.engine.take_sample(true);
    assert_eq!(looked.load.connections, 4.0);
    assert_eq!(looked.dry_run_drained.connections, 1.0);
    assert_eq!(choose(&mut story, wanted(10.0)), 3.0, "once is enough");
}

#[test]
fn tcp_connections_of_a_host_with_too_many_go_until_it_is_even() {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off",
            "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "1s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}}],
            "rebalance": {"max_rate": 0.1, "min_connections": 10, "stabilization_window": "0s"}}"#,
    );
    let rebalance = story.policy.rebalance.unwrap();
    let hosts = [1, 2].map(|host| story.engine.find_upstream_host(b"db", &[host]).unwrap());
    for id in 0..30 {
        let id = story.open_tcp(id);
        let host = if id.0 < 26 { hosts[0] } else { hosts[1] };
        story.engine.set_upstream_host(id, host);
    }

    for second in 1..=60 {
        for id in 0..30 {
            story.read(ConnectionId(id), 0, 0);
            let activity = activity(0, 0);
            story
                .engine
                .wrote(ConnectionId(id), activity, None, None, &mut Map::default());
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

    // Nobody came back: 26 and 4, until the first has no more than 1.1 times the mean.
    let left = story.engine.take_sample(true).load.connections - 4.0;
    assert!((4.0..10.0).contains(&left), "{left}");
}

#[test]
fn a_host_to_which_nothing_is_carried_is_forgotten() {
    let mut story = Story::rule(RULE);
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
        "it is still at it"
    );
    story.engine.upstream_request_ended(host);
    story.at(300);
    story.engine.take_sample(true);
    assert_eq!(story.engine.upstream_hosts().count(), 0);
}

#[test]
fn hosts_are_bounded_and_one_cluster_is_not_another() {
    let mut story = Story::rule(RULE);
    let engine = &mut story.engine;
    let one = engine.find_upstream_host(b"a", b"10.0.0.1:80");
    assert_eq!(engine.find_upstream_host(b"a", b"10.0.0.1:80"), one);
    assert_ne!(engine.find_upstream_host(b"b", b"10.0.0.1:80"), one);
    for host in 0..5000_u32 {
        engine.find_upstream_host(b"a", &host.to_le_bytes());
    }
    assert_eq!(engine.upstream_hosts().count(), crate::hosts::MAX_HOSTS);
}
