//! Who goes first when many wait for the budget or for the pace of rebalancing, and what that costs.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use evenkeel_policy::Measure;

use super::*;
use crate::{SelectionRequest, SelectionScope};

const MANY: u64 = 50_000;

/// Raw TCP and WebSockets that expire after ten seconds and are idle; both may be closed after 30 more.
fn policy(budget: &str) -> String {
    format!(
        r#"{{"version": 1, "budget": {budget},
            "defaults": {{"max_connection_age": "10s", "jitter": 0, "websocket": {{"idle_time": "2s", "close_code": "going_away", "idle_timeout": "30s"}}}},
            "tcp": [{{"name": "db", "match": {{"port": 5432}}, "drain_timeout": "off"}}]}}"#
    )
}

impl Story {
    fn visits(&mut self, span: Duration) -> u64 {
        let before = self.engine.visits();
        self.pass(span);
        self.engine.visits() - before
    }
}

/// In the order of being closed.
fn closed(story: &mut Story) -> Vec<u64> {
    let effects = story.effects().into_iter();
    let closed = effects.filter_map(|effect| match effect {
        Effect::Close { id, .. } => Some(id.0),
        _ => None,
    });
    closed.collect()
}

#[test]
fn a_tick_looks_only_at_those_that_it_closes_however_many_wait_for_the_budget() {
    for websocket in [false, true] {
        let mut story = Story::new(&policy(r#"{"per_second": 10, "burst": 1}"#));
        for id in 0..MANY {
            if websocket {
                let id = story.open(id);
                assert!(story.engine.upgrade_to_websocket(id));
            } else {
                story.open_tcp(id);
            }
        }
        // All expire, all become idle, and those that the budget does not let go begin to wait.
        story.at(50);
        story.effects();

        let visits = story.visits(Duration::from_secs(10));

        let closes = closed(&mut story).len() as u64;
        assert!((99..=101).contains(&closes), "{closes}");
        assert!(visits <= 2 * closes + 100, "{visits} for {closes} closes");
    }
}

#[test]
fn a_tick_looks_at_no_more_than_a_stated_number_at_once() {
    let mut story = Story::new(&policy(r#""off""#));
    for id in 0..MANY {
        story.open(id);
    }
    story.at(9);
    let tick = Duration::from_millis(100);
    let visits: Vec<_> = (0..20).map(|_| story.visits(tick)).collect();
    assert_eq!(visits.iter().max(), Some(&8192));
    assert_eq!(story.effects().len() as u64, MANY, "all have expired");
}

#[test]
fn those_that_wait_go_in_the_order_in_which_they_expired() {
    let mut story = Story::new(&policy(r#"{"per_second": 1, "burst": 1}"#));
    for second in 0..20 {
        story.at(second);
        story.open_tcp(100 - second);
    }
    story.at(70);
    let order = closed(&mut story);
    assert_eq!(order, (81..=100).rev().collect::<Vec<_>>());
}

#[test]
fn one_that_is_busy_when_its_turn_comes_keeps_its_place() {
    let mut story = Story::new(&policy(r#"{"per_second": 0.1, "burst": 1}"#));
    let first = story.open_tcp(1);
    story.at(1);
    for id in 2..=4 {
        story.open_tcp(id);
    }
    // The budget of the first ten seconds goes to another.
    story.at(35);
    let bucket = story.bucket();
    assert!(story.engine.take_token(bucket.as_ref(), &mut story.map));
    story.at(44);
    assert!(closed(&mut story).is_empty());

    // When there is something in the budget again, it has just been asked and answered.
    story.read(first, 0, 0);
    story
        .engine
        .wrote(first, activity(0, 0), None, None, &mut story.map);
    story.at(46);
    assert_eq!(closed(&mut story), [2]);

    story.at(56);
    assert_eq!(closed(&mut story), [1]);
}

#[test]
fn neither_writes_nor_those_that_wait_for_a_tick_take_the_whole_budget() {
    for per_second in [1, 20] {
        let budget = format!(r#"{{"per_second": {per_second}, "burst": {per_second}}}"#);
        let mut story = Story::new(&policy(&budget));
        for id in 0..1000 {
            story.open_tcp(id);
        }
        let mut http: Vec<_> = (1000..2000).map(|id| story.open(id)).collect();
        story.at(50);
        story.effects();
        let waiting = http.len();

        // Somebody asks every millisecond.
        for millisecond in 0..20_000_u64 {
            let now = story.engine.now().after(Duration::from_millis(1));
            story.engine.advance(now);
            if millisecond % 100 == 0 {
                let bucket = story.bucket();
                story.engine.tick(32, |_| bucket.as_ref(), &mut story.map);
            }
            let asks = http[0];
            if story.exchange(asks, 1 + millisecond) == Decision::PassThrough {
                http.rotate_left(1);
            } else {
                http.remove(0);
            }
        }

        let by_write = waiting - http.len();
        // Those that were told are closed, too, where the client does not.
        let mut by_tick = closed(&mut story);
        by_tick.retain(|id| *id < 1000);
        let by_tick = by_tick.len();
        let least = 20 * per_second / 4;
        assert!(
            by_write >= least && by_tick >= least,
            "{by_write} {by_tick}"
        );
        let all = by_write + by_tick;
        assert!(
            (19 * per_second..=21 * per_second).contains(&all),
            "{by_write} {by_tick}"
        );
    }
}

#[test]
fn a_tick_looks_at_none_that_waits_for_the_pace_of_rebalancing() {
    let mut story = Story::new(
        r#"{"version": 1, "budget": "off", "defaults": {"max_connection_age": "off", "http2": {"idle_wait": "0s"}},
            "tcp": [{"name": "db", "match": {"port": 5432}, "drain_timeout": "1s"}]}"#,
    );
    for id in 0..1000 {
        story.open_tcp(id);
    }
    let wanted = SelectionRequest {
        measure: Measure::Connections,
        load: 256.0,
        scope: SelectionScope::Service,
        reason: DrainReason::Rebalance,
        mode: Mode::Enforce,
    };
    story.engine.select(&wanted, |_| true, 7);
    story
        .engine
        .set_drain_rate(Mode::Enforce, Measure::Connections, 2.0);
    story.at(5);
    story.effects();

    let visits = story.visits(Duration::from_secs(10));

    assert_eq!(closed(&mut story).len(), 20);
    assert!(visits <= 120, "{visits}");
}

#[test]
fn connections_that_wait_for_the_pace_of_rebalancing_keep_no_budget_from_others() {
    let mut story = Story::new(
        &policy(r#"{"per_second": 10, "burst": 1}"#)
            .replace(
                r#""max_connection_age": "10s""#,
                r#""max_connection_age": "off""#,
            )
            .replace(
                r#""drain_timeout": "off""#,
                r#""drain_timeout": "off", "max_connection_age": "10s""#,
            ),
    );
    let http = story.open(1000);
    story.exchange(http, 1);
    let wanted = SelectionRequest {
        measure: Measure::Connections,
        load: 1.0,
        scope: SelectionScope::Service,
        reason: DrainReason::Rebalance,
        mode: Mode::Enforce,
    };
    story.engine.select(&wanted, |_| true, 7);
    for id in 0..1000 {
        story.open_tcp(id);
    }
    story.at(50);
    story.effects();

    // The pace is 0: the connection is selected, and waits.
    for hundred in 0..100_u64 {
        story.pass(Duration::from_millis(100));
        assert_eq!(story.exchange(http, 2 + hundred), Decision::PassThrough);
    }

    let closes = closed(&mut story).len();
    assert!((95..=105).contains(&closes), "{closes}");
}
