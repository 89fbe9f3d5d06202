//! How many connections a pool as Envoy's makes: the last one used is used first, and a server may close
//! those that are idle.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::mix;

/// Envoy's pool of HTTP/1 connections to one server.
struct Pool {
    idle: Vec<Idle>,
    next_port: u16,
    opened: u64,
    /// The server closes a connection that is idle for longer.
    idle_timeout: u64,
}

struct Idle {
    key: ConnectionKey,
    since: u64,
}

impl Pool {
    fn new(idle_timeout: u64) -> Self {
        Self {
            idle: Vec::new(),
            next_port: 0,
            opened: 0,
            idle_timeout,
        }
    }

    fn take(&mut self, now: u64) -> ConnectionKey {
        let timeout = self.idle_timeout;
        self.idle.retain(|idle| now - idle.since <= timeout);
        if let Some(idle) = self.idle.pop() {
            return idle.key;
        }
        self.opened += 1;
        self.next_port += 1;
        key(self.next_port)
    }

    fn give_back(&mut self, key: ConnectionKey, closes: bool, now: u64) {
        if !closes {
            self.idle.push(Idle { key, since: now });
        }
    }
}

/// A whole request over the pool.
fn request(scenario: &mut Scenario, pool: &mut Pool) {
    let key = pool.take(scenario.millis);
    let mark = scenario.send();
    let closes = mark.is_some();
    let outcome = scenario.receive(key.clone(), mark);
    scenario.end(&outcome);
    pool.give_back(key, closes, scenario.millis);
}

#[track_caller]
fn about(opened: u64, expected: u64) {
    assert!(
        opened * 10 >= expected * 9 && opened * 10 <= expected * 11,
        "{opened} connections where {expected} are right"
    );
}

#[test]
fn connections_that_the_server_closes_on_idle_are_not_recycled_as_well() {
    // Bursts of 4 with a limit of 4: each burst's connection expires and is then closed by the server.
    let mut scenario = Scenario::max_requests(4);
    let mut pool = Pool::new(300);
    for burst in 0..50 {
        for _ in 0..4 {
            request(&mut scenario, &mut pool);
        }
        scenario.millis += 400 + mix(burst) % 100;
    }
    about(pool.opened, 50);
}

#[test]
fn idle_times_around_the_idle_timeout_of_the_server_do_not_stop_recycling() {
    let mut scenario = Scenario::max_requests(4);
    let mut pool = Pool::new(1000);
    for turn in 0..2000 {
        request(&mut scenario, &mut pool);
        if turn % 10 == 0 {
            scenario.millis += 500 + mix(turn) % 1000;
        }
    }
    // Every tenth request follows an idle time, half of which are longer than the server's.
    assert!((300..=450).contains(&pool.opened), "{}", pool.opened);
}

#[test]
fn concurrent_requests_end_as_many_connections_as_their_number_needs() {
    for users in [2, 8, 32] {
        let mut scenario = Scenario::max_requests(20);
        let mut pool = Pool::new(u64::MAX);
        let mut in_flight: Vec<(ConnectionKey, Option<Mark>)> = Vec::new();
        let requests = 20_000;
        for turn in 0..requests {
            scenario.millis += 1;
            while in_flight.len() >= users {
                let chosen = usize::try_from(mix(turn) >> 33).unwrap() % in_flight.len();
                let (key, mark) = in_flight.swap_remove(chosen);
                let closes = mark.is_some();
                let outcome = scenario.receive(key.clone(), mark);
                scenario.end(&outcome);
                pool.give_back(key, closes, scenario.millis);
            }
            let key = pool.take(scenario.millis);
            let mark = scenario.send();
            in_flight.push((key, mark));
        }
        about(pool.opened, requests / 20);
    }
}

#[test]
fn connections_that_share_an_address_are_recycled_by_their_number_of_requests() {
    let mut scenario = Scenario::max_requests(5);
    let socket = || ConnectionKey {
        address: b"/run/app.sock".to_vec(),
        local: Vec::new(),
    };
    for confirms in [true, false] {
        scenario.reply.confirms = confirms;
        let mut connections = 1;
        for _ in 0..200 {
            connections += u64::from(scenario.exchange(socket()).recycled);
        }
        assert_eq!(connections, 34);
    }
    assert_eq!(scenario.open, 1);
}

#[test]
fn clusters_with_one_socket_are_told_apart() {
    let mut scenario = Scenario::max_requests(2);
    let socket = || ConnectionKey {
        address: b"/run/app.sock".to_vec(),
        local: Vec::new(),
    };
    for cluster in [SHOP, b"other"] {
        scenario.reply.cluster = cluster;
        scenario.exchange(socket());
    }
    assert_eq!(scenario.upstreams.len(), 2);
    assert!(!scenario.upstreams.has_expired());
}
