//! The order of connections that wait for the budget or the rate of rebalancing, and what waiting costs.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const MANY: u64 = 50_000;

/// Connections expire after ten seconds. Idle ones of raw TCP and WebSockets may be closed after 30 more.
fn expiring(budget: Value) -> Value {
    json!({"budget": budget,
        "defaults": {"max_connection_age": "10s", "jitter": 0,
            "websocket": {"idle_time": "2s", "close_code": "going_away", "idle_timeout": "30s"}},
        "tcp": [{"name": "db", "match": {"port": 5432}, "drain_timeout": "off"}]})
}

fn budget(per_second: f64, burst: u64) -> Value {
    json!({"per_second": per_second, "burst": burst})
}

#[test]
fn tick_visits_only_connections_that_it_closes() {
    for open in [Story::open_tcp, Story::open_websocket] {
        let mut story = Story::new(expiring(budget(10.0, 1)));
        for id in 0..MANY {
            open(&mut story, id);
        }
        // All expire, all become idle, and those without a token start to wait.
        story.at(50);
        story.effects();

        let visits = story.visits(|story| story.pass(Duration::from_secs(10)));

        let closes = story.closed().len() as u64;
        assert!((99..=101).contains(&closes), "{closes}");
        assert!(visits <= 2 * closes + 100, "{visits} for {closes} closes");
    }
}

#[test]
fn visits_in_a_tick_are_bounded() {
    let mut story = Story::new(expiring(json!("off")));
    for id in 0..MANY {
        story.open(id);
    }
    story.at(9);
    let visits = (0..200).map(|_| story.visits(|story| story.pass(TICK)));
    assert_eq!(visits.max(), Some(512));
    assert_eq!(story.effects().len() as u64, MANY, "all have expired");
}

#[test]
fn mass_expiry_does_not_delay_closes() {
    let mut story = Story::new(expiring(json!("off")));
    let first: Vec<_> = (0..100).map(|id| story.open_tcp(id)).collect();
    story.at(30);
    for id in 100..MANY {
        story.open_tcp(id);
    }
    // The first may be closed when the others expire.
    story.at(42);
    let mut closed = story.closed();
    closed.sort_unstable();
    assert_eq!(closed, first);
}

#[test]
fn queue_is_ordered_by_expiry() {
    let mut story = Story::new(expiring(budget(1.0, 1)));
    for second in 0..20 {
        story.at(second);
        story.open_tcp(100 - second);
    }
    story.at(70);
    let expected: Vec<_> = (81..=100).rev().map(ConnectionId).collect();
    assert_eq!(story.closed(), expected);
}

#[test]
fn active_connection_keeps_its_place_in_the_queue() {
    let mut story = Story::new(expiring(budget(0.1, 1)));
    let first = story.open_tcp(1);
    story.at(1);
    for id in 2..=4 {
        story.open_tcp(id);
    }
    // Another connection takes the token of the first ten seconds.
    story.at(35);
    let bucket = story.bucket();
    assert!(story.engine.take_token(bucket.as_ref(), &mut story.store));
    story.at(44);
    assert_eq!(story.closed(), []);

    // When there is a token again, it has just had a request and a response.
    story.exchange_tcp(first);
    story.at(46);
    assert_eq!(story.closed(), [ConnectionId(2)]);

    story.at(56);
    assert_eq!(story.closed(), [ConnectionId(1)]);
}

#[test]
fn writes_and_ticks_share_the_budget() {
    for per_second in [1, 20] {
        let mut story = Story::new(expiring(budget(per_second as f64, per_second)));
        for id in 0..1000 {
            story.open_tcp(id);
        }
        let mut http: Vec<_> = (1000..2000).map(|id| story.open(id)).collect();
        story.at(50);
        story.effects();

        let by_writes = story.exchange_all_the_time(&mut http, 20) as u64;

        // Connections that were sent a drain signal are closed, too, unless their client does that.
        let closed = story.closed();
        let by_ticks = closed.iter().filter(|id| id.0 < 1000).count() as u64;
        let (least, all) = (20 * per_second / 4, by_writes + by_ticks);
        assert!(
            by_writes >= least && by_ticks >= least,
            "{by_writes} {by_ticks}"
        );
        let expected = 19 * per_second..=21 * per_second;
        assert!(expected.contains(&all), "{by_writes} {by_ticks}");
    }
}

#[test]
fn tick_visits_no_connection_that_waits_for_the_rate() {
    let mut story = Story::new(
        json!({"budget": "off", "defaults": {"max_connection_age": "off"},
        "tcp": [{"name": "db", "match": {"port": 5432}, "drain_timeout": "1s", "idle_time": "0s"}]}),
    );
    for id in 0..1000 {
        story.open_tcp(id);
    }
    story.select(selection(256.0), 7);
    story.set_drain_rate(2.0);
    story.at(5);
    story.effects();

    let visits = story.visits(|story| story.pass(Duration::from_secs(10)));

    assert_eq!(story.closed().len(), 20);
    assert!(visits <= 120, "{visits}");
}

#[test]
fn connections_that_wait_for_the_rate_take_no_budget() {
    let mut story = Story::new(json!({"budget": budget(10.0, 1),
        "defaults": {"max_connection_age": "off"},
        "tcp": [{"name": "db", "match": {"port": 5432}, "max_connection_age": "10s", "jitter": 0, "drain_timeout": "off"}]}));
    let http = story.open(1000);
    story.exchange(http, 1);
    story.select(selection(1.0), 7);
    for id in 0..1000 {
        story.open_tcp(id);
    }
    story.at(50);
    story.effects();

    // The rate is 0: the connection is selected, and waits.
    for request in 2..102 {
        story.pass(TICK);
        assert_eq!(story.exchange(http, request), PASS);
    }

    let closes = story.closed().len();
    assert!((95..=105).contains(&closes), "{closes}");
}
