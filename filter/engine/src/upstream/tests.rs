//! Upstream connections on virtual time.
#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

mod dry_run;
mod failures;
mod pool;
mod protocol;
mod recycling;

use evenkeel_policy::Policy;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SHOP: &[u8] = b"shop";

fn limits(rule: &str) -> UpstreamRecycling {
    let policy = format!(r#"{{"version": 1, "upstream": {{"jitter": 0, {rule}}}}}"#);
    Policy::parse(policy.as_bytes()).unwrap().upstream.unwrap()
}

fn key(port: u16) -> ConnectionKey {
    ConnectionKey {
        address: b"10.0.0.1:80".to_vec(),
        local: format!("10.0.0.9:{port}").into_bytes(),
    }
}

/// A response with these properties. By default it shows HTTP/1, and has `connection: close` if its request is marked.
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

struct Scenario {
    reply: Reply,
    upstreams: Upstreams,
    limits: UpstreamRecycling,
    mode: Mode,
    millis: u64,
    marks: u64,
    /// Connections that were reported as opened and not as ended.
    open: i64,
}

impl Scenario {
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

    fn max_requests(max: u64) -> Self {
        Self::new(&format!(r#""max_requests_per_connection": {max}"#))
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.millis * 1_000_000)
    }

    fn needs_mark(&mut self) -> bool {
        let (is_http1, now) = (self.reply.downstream_is_http1, self.now());
        self.upstreams.has_expired() && self.upstreams.needs_mark(SHOP, is_http1, now)
    }

    /// Starts a request, marked if the cluster needs it.
    fn send(&mut self) -> Option<Mark> {
        let mark = self.needs_mark();
        self.marks += u64::from(mark);
        let now = self.now();
        mark.then(|| self.upstreams.record_mark(SHOP, now))
    }

    /// Receives its response over `key`.
    fn receive(&mut self, key: ConnectionKey, mark: Option<Mark>) -> Outcome {
        let mut reply = self.reply.clone();
        reply.closes |= mark.is_some() && reply.confirms;
        let now = self.now();
        let limits = Limits {
            upstream: &self.limits,
            mode: self.mode,
        };
        let outcome = self
            .upstreams
            .response_started(key, mark, limits, now, 7, &reply);
        self.open += i64::from(outcome.opened);
        self.count_ended();
        outcome
    }

    fn count_ended(&mut self) {
        while self.upstreams.poll_ended().is_some() {
            self.open -= 1;
        }
        assert!(self.open >= 0, "more connections ended than opened");
    }

    /// Sends a request over the connection from `port`, and receives its response.
    fn request(&mut self, port: u16) -> Outcome {
        self.exchange(key(port))
    }

    /// Sends several requests over the connection from `port`.
    fn requests(&mut self, port: u16, count: u64) {
        for _ in 0..count {
            self.request(port);
        }
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
