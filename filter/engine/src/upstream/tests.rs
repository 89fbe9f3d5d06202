//! Upstream connections, told on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

use evenkeel_policy::Policy;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SHOP: &[u8] = b"shop";

fn limits(rule: &str) -> Upstream {
    let policy = format!(r#"{{"version": 1, "upstream": {{"jitter": 0, {rule}}}}}"#);
    Policy::parse(policy.as_bytes()).unwrap().upstream.unwrap()
}

fn link(port: u16) -> LinkId {
    LinkId {
        address: b"10.0.0.1:80".to_vec(),
        local: format!("10.0.0.9:{port}").into_bytes(),
    }
}

/// An answer of an upstream that shows its protocol, or does not.
struct Shop {
    http1: bool,
}

impl Answer for Shop {
    fn cluster(&self) -> Vec<u8> {
        SHOP.to_vec()
    }

    fn is_http1(&self) -> bool {
        self.http1
    }

    fn asked_by_http1(&self) -> bool {
        true
    }
}

struct Story {
    http1: bool,
    upstreams: Upstreams,
    limits: Upstream,
    second: u64,
}

impl Story {
    fn new(rule: &str) -> Self {
        Self {
            http1: true,
            upstreams: Upstreams::default(),
            limits: limits(rule),
            second: 1,
        }
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.second * 1_000_000_000)
    }

    /// A request that goes over the connection from `port`, marked if the cluster wants it.
    fn request(&mut self, port: u16) -> Seen {
        let marked = self.upstreams.any_due() && self.upstreams.wants_mark(SHOP, true);
        if marked {
            self.upstreams.marked(SHOP);
        }
        let answer = Shop { http1: self.http1 };
        let (now, limits) = (self.now(), self.limits.clone());
        let seen = self
            .upstreams
            .answered(link(port), marked, &limits, now, 7, &answer);
        if marked {
            self.upstreams.unmarked(SHOP);
        }
        seen
    }
}

#[test]
fn a_connection_past_its_requests_is_recycled_by_the_next_one() {
    let mut story = Story::new(r#""max_requests": 3"#);
    assert!(story.request(1).opened);
    assert_eq!(story.request(1), Seen::default());
    assert!(story.request(1).due);
    assert!(story.request(1).recycled);
    assert!(!story.upstreams.any_due());
}

#[test]
fn marks_go_on_until_the_one_that_is_meant_is_hit() {
    let mut story = Story::new(r#""max_age": "60s""#);
    story.request(1);
    story.second = 50;
    story.request(2);
    story.second = 61;
    assert!(story.request(1).due);
    assert!(story.request(2).stray);
    assert!(story.request(1).recycled);
    assert_eq!(
        story.request(3),
        Seen {
            opened: true,
            ..Seen::default()
        }
    );
}

#[test]
fn as_many_connections_end_as_open_whatever_a_mark_hits() {
    let mut story = Story::new(r#""max_requests": 2"#);
    let mut open = 0_i64;
    // The third connection is first seen when a mark hits it; the fourth outlives its own.
    for port in [1, 1, 3, 1, 4, 4, 4, 4] {
        let seen = story.request(port);
        open += i64::from(seen.opened) - i64::from(seen.recycled || seen.stray);
        assert!(open >= 0, "after a request over {port}");
    }

    story.second += 3600;
    open -= i64::try_from(story.upstreams.sweep(story.now()).len()).unwrap();

    assert_eq!(open, 0);
    assert!(story.upstreams.is_empty());
}

#[test]
fn no_more_requests_are_marked_at_a_time_than_connections_are_due() {
    let mut story = Story::new(r#""max_requests": 1"#);
    story.request(1);
    assert!(story.upstreams.wants_mark(SHOP, true));
    story.upstreams.marked(SHOP);
    assert!(!story.upstreams.wants_mark(SHOP, true));
    story.upstreams.unmarked(SHOP);
    assert!(
        story.upstreams.wants_mark(SHOP, true),
        "a mark that was not answered is given again"
    );
    assert!(!story.upstreams.wants_mark(b"other", true));
}

#[test]
fn a_connection_that_outlives_its_mark_is_not_marked_again() {
    let mut story = Story::new(r#""max_requests": 2"#);
    story.request(1);
    story.request(1);
    assert!(story.request(1).recycled);
    for _ in 0..100 {
        assert_eq!(story.request(1), Seen::default());
    }
    assert!(!story.upstreams.any_due());
}

#[test]
fn what_is_not_known_to_be_http1_is_never_marked_unless_the_policy_says_that_all_is() {
    for (protocol, expected) in [("auto", false), ("http1", true)] {
        let mut story = Story::new(&format!(r#""max_requests": 1, "protocol": "{protocol}""#));
        story.http1 = false;
        story.request(1);
        assert_eq!(story.upstreams.wants_mark(SHOP, true), expected);
        assert!(
            !story.upstreams.wants_mark(SHOP, false),
            "HTTP/2 requests may go another way"
        );
    }
}

#[test]
fn what_carries_nothing_any_more_is_forgotten_and_there_is_a_bound() {
    let mut story = Story::new(r#""max_requests": 1"#);
    for port in 0..10_000 {
        story.request(port);
    }
    assert!(story.upstreams.len() <= MAX_LINKS);
    story.second = 700;
    let ended = story.upstreams.sweep(story.now()).len();
    assert!(ended > 0);
    assert_eq!(
        (
            story.upstreams.len(),
            story.upstreams.any_due(),
            story.upstreams.clusters.len()
        ),
        (0, false, 0)
    );
}
