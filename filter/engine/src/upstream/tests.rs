//! Upstream connections on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

mod dry_run;
mod failures;
mod pool;
mod protocol;

use evenkeel_policy::Policy;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SHOP: &[u8] = b"shop";

fn limits(rule: &str) -> Upstream {
    let policy = format!(r#"{{"version": 1, "upstream": {{"jitter": 0, {rule}}}}}"#);
    Policy::parse(policy.as_bytes()).unwrap().upstream.unwrap()
}

fn key(port: u16) -> ConnectionKey {
    ConnectionKey {
        address: b"10.0.0.1:80".to_vec(),
        local: format!("10.0.0.9:{port}").into_bytes(),
    }
}

/// A response with these properties; by default one that shows HTTP/1 and says `connection: close` when
/// its request is marked.
#[derive(Clone)]
struct Reply {
    cluster: &'static [u8],
    shows_http1: bool,
    downstream_is_http1: bool,
    confirms: bool,
    closes: bool,
    is_local: bool,
    attempts: u64,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            cluster: SHOP,
            shows_http1: true,
            downstream_is_http1: true,
            confirms: true,
            closes: false,
            is_local: false,
            attempts: 1,
        }
    }
}

impl Response for Reply {
    fn cluster(&self) -> Vec<u8> {
        self.cluster.to_vec()
    }

    fn shows_http1(&self) -> bool {
        self.shows_http1
    }

    fn downstream_is_http1(&self) -> bool {
        self.downstream_is_http1
    }

    fn closes(&self) -> bool {
        self.closes
    }

    fn is_local_reply(&self) -> bool {
        self.is_local
    }

    fn attempts(&self) -> u64 {
        self.attempts
    }
}

struct Story {
    reply: Reply,
    upstreams: Upstreams,
    limits: Upstream,
    mode: Mode,
    millis: u64,
    marks: u64,
    /// Connections that were told as opened and not as ended.
    open: i64,
}

impl Story {
    fn new(rule: &str) -> Self {
        Self {
            reply: Reply::default(),
            upstreams: Upstreams::default(),
            limits: limits(rule),
            mode: Mode::Enforce,
            millis: 1000,
            marks: 0,
            open: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.millis * 1_000_000)
    }

    fn wants_mark(&mut self) -> bool {
        let (is_http1, now) = (self.reply.downstream_is_http1, self.now());
        self.upstreams.any_expired() && self.upstreams.wants_mark(SHOP, is_http1, now)
    }

    /// A request starts, marked if the cluster wants it.
    fn send(&mut self) -> Option<Mark> {
        let mark = self.wants_mark();
        self.marks += u64::from(mark);
        let now = self.now();
        mark.then(|| self.upstreams.mark(SHOP, now))
    }

    /// Its response comes over `key`.
    fn receive(&mut self, key: ConnectionKey, mark: Option<Mark>) -> Outcome {
        let mut reply = self.reply.clone();
        reply.closes |= mark.is_some() && reply.confirms;
        let now = self.now();
        let limits = Limits {
            upstream: &self.limits,
            mode: self.mode,
        };
        let outcome = self.upstreams.response(key, mark, limits, now, 7, &reply);
        self.open += i64::from(outcome.opened);
        self.count_ended();
        outcome
    }

    fn count_ended(&mut self) {
        while self.upstreams.next_ended().is_some() {
            self.open -= 1;
        }
        assert!(self.open >= 0, "more connections ended than opened");
    }

    /// A whole request over the connection from `port`.
    fn request(&mut self, port: u16) -> Outcome {
        self.exchange(key(port))
    }

    fn exchange(&mut self, key: ConnectionKey) -> Outcome {
        let mark = self.send();
        let outcome = self.receive(key, mark);
        self.end(&outcome);
        outcome
    }

    fn end(&mut self, outcome: &Outcome) {
        if let Some(key) = &outcome.key {
            self.upstreams.response_ended(key);
        }
    }

    fn sweep(&mut self) {
        let now = self.now();
        self.upstreams.sweep(now);
        self.count_ended();
    }
}

#[test]
fn expired_connection_ends_with_the_next_request() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    assert!(story.request(1).opened);
    assert!(!story.request(1).expired);
    assert!(story.request(1).expired);
    assert!(story.request(1).recycled);
    assert!(!story.upstreams.any_expired());
    assert_eq!((story.open, story.upstreams.len()), (0, 0));
}

#[test]
fn age_expires_a_connection_with_its_next_response() {
    let mut story = Story::new(r#""max_connection_age": "60s""#);
    story.request(1);
    story.millis += 59_000;
    assert!(!story.request(1).expired);
    story.millis += 1000;
    assert!(story.request(1).expired);
    assert!(story.request(1).recycled);
}

#[test]
fn one_mark_for_each_expired_connection() {
    let mut story = Story::new(r#""max_requests_per_connection": 1"#);
    story.request(1);
    let mark = story.send();
    assert!(mark.is_some());
    assert!(!story.wants_mark(), "its mark is in flight");
    let now = story.now();
    assert!(!story.upstreams.wants_mark(b"other", true, now));
    story.receive(key(1), mark);
    assert!(!story.wants_mark());
}

#[test]
fn mark_without_a_response_is_given_again_once_the_cluster_responds() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.request(1);
    story.request(1);
    let mark = story.send().unwrap();
    let now = story.now();
    story.upstreams.unanswered(mark, None, now);
    assert!(
        !story.wants_mark(),
        "the next request may end like this one"
    );
    story.request(2);
    assert!(story.wants_mark());
}

#[test]
fn stray_leaves_the_rest_of_its_requests_to_the_expired_connection() {
    let mut story = Story::new(r#""max_requests_per_connection": 10"#);
    for _ in 0..4 {
        story.request(2);
    }
    for _ in 0..10 {
        story.request(1);
    }
    let outcome = story.request(2);
    assert_eq!((outcome.strays, outcome.recycled), (1, false));
    assert!(!story.upstreams.any_expired());
    // 5 of 10 went over the stray.
    let expired = (0..5).map(|_| story.request(1).expired);
    assert_eq!(
        expired.collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
    // The mark may skip one request, so that it does not always hit the same server.
    assert!((0..2).any(|_| story.request(1).recycled));
}

/// Two servers take turns, and close what is marked. Marks must not hit the same server forever.
#[test]
fn mark_reaches_the_expired_connection_where_servers_take_turns() {
    let mut story = Story::new(r#""max_requests_per_connection": 4"#);
    let mut ports = [1, 2];
    let mut ended = [0, 0];
    for turn in 0..400_u16 {
        let server = usize::from(turn % 2);
        let marks = story.marks;
        story.exchange(ConnectionKey {
            address: format!("10.0.0.{server}:80").into_bytes(),
            ..key(ports[server])
        });
        if story.marks > marks {
            ended[server] += 1;
            ports[server] = 100 + turn;
        }
    }
    assert!(ended.iter().all(|count| *count >= 20), "{ended:?}");
}

#[test]
fn stale_expired_connection_costs_one_mark() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    for _ in 0..3 {
        story.request(1);
    }
    // The server has closed it. Only as much as this one mark tells of that.
    story.millis += 5000;
    assert_eq!(story.request(2).strays, 1);
    for _ in 0..100 {
        assert_eq!(story.request(3).strays, 0);
    }
    assert!(story.marks <= 1 + 100 / 4);
}

#[test]
fn retried_request_counts_a_stray_for_each_further_attempt() {
    let mut story = Story::new(r#""max_requests_per_connection": 1"#);
    story.request(1);
    let mark = story.send();
    story.reply.attempts = 4;
    let outcome = story.receive(key(1), mark);
    assert_eq!((outcome.recycled, outcome.strays), (true, 3));
}

#[test]
fn no_request_is_marked_while_the_proxy_retries() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.reply.attempts = 4;
    for port in 1..50 {
        story.request(port % 3);
    }
    assert_eq!(story.marks, 0);
    story.reply.attempts = 1;
    story.request(1);
    assert!(story.wants_mark());
}

#[test]
fn server_that_ends_the_connection_by_itself_needs_no_mark() {
    let mut story = Story::new(r#""max_requests_per_connection": 3"#);
    story.request(1);
    story.request(1);
    story.reply.closes = true;
    assert!(!story.request(1).expired);
    assert_eq!((story.upstreams.any_expired(), story.open), (false, 0));
}

#[test]
fn server_that_ignores_the_mark_is_not_marked_again() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.reply.confirms = false;
    story.request(1);
    story.request(1);
    assert!(story.request(1).recycled);
    assert_eq!(story.open, 0);
    for _ in 0..100 {
        assert!(!story.request(1).expired);
    }
    assert_eq!((story.marks, story.open), (1, 1));
}

#[test]
fn port_that_comes_back_names_a_new_connection() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    for _ in 0..10 {
        for expected in [false, false, true] {
            assert_eq!(story.request(1).recycled, expected);
        }
    }
    assert_eq!(story.open, 0);
}

#[test]
fn ignored_marks_are_not_repeated_for_another_connection() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.reply.confirms = false;
    story.request(1);
    story.request(1);
    story.request(1);
    story.request(1);
    // A second connection expires, but all requests go over the one that ignores marks.
    story.request(2);
    story.request(2);
    for _ in 0..100 {
        story.request(1);
    }
    assert_eq!(story.marks, 2);
}

#[test]
fn as_many_connections_end_as_open() {
    for confirms in [true, false] {
        let mut story = Story::new(r#""max_requests_per_connection": 2"#);
        story.reply.confirms = confirms;
        for port in [1, 1, 3, 1, 4, 4, 4, 4, 2, 2, 3, 3, 3, 4] {
            story.request(port);
        }
        story.millis += 3_600_000;
        story.sweep();
        assert_eq!((story.open, story.upstreams.len()), (0, 0));
        assert_eq!(story.upstreams.clusters.len(), 0);
        assert!(!story.upstreams.any_expired());
    }
}

#[test]
fn connection_taken_to_be_gone_ends_once_more_when_a_mark_ends_it() {
    let mut story = Story::new(r#""max_requests_per_connection": 2"#);
    story.request(1);
    story.request(2);
    // Two requests at a time expire both; the second has a slow response.
    let marks = [story.send(), story.send()];
    for (port, mark) in [1, 2].into_iter().zip(marks) {
        let outcome = story.receive(key(port), mark);
        story.end(&outcome);
        story.millis += 60_000;
    }
    // Envoy opens another connection: 1 is taken to be gone. But it is not.
    story.request(3);
    assert_eq!(story.open, 1);
    let mark = story.send();
    assert!(mark.is_some(), "2 is still expired");

    let outcome = story.receive(key(1), mark);

    assert!(outcome.opened && outcome.recycled);
    assert_eq!(story.open, 1);
}

#[test]
fn beyond_the_bound_the_least_recently_used_connection_is_dropped() {
    let mut story = Story::new(r#""max_requests_per_connection": 1000"#);
    let most = u16::try_from(MAX_CONNECTIONS).unwrap();
    for port in 0..2 * most {
        story.millis += 1;
        story.request(60_000);
        story.request(port);
    }
    assert_eq!(story.upstreams.len(), MAX_CONNECTIONS);
    assert_eq!(story.open, i64::from(most));
    assert!(!story.request(60_000).opened, "it is in use");
    assert!(!story.request(2 * most - 1).opened);
    assert!(story.request(0).opened);
}
