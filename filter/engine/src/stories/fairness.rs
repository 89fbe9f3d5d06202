//! Roots that share one budget: none of them takes all of it.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// One worker, whose roots have one policy with one budget, as the listeners of a proxy have.
struct Roots {
    story: Story,
    next: u64,
}

impl Roots {
    /// Connections expire after ten seconds. Those of raw TCP are idle by then, and can be closed only by a tick.
    fn new(per_second: f64, burst: usize) -> Self {
        let story = Story::new(json!({"budget": {"per_second": per_second, "burst": burst},
            "defaults": {"max_connection_age": "10s", "jitter": 0, "close_delay": "1s"},
            "tcp": [{"name": "db", "match": {"port": 5432}, "drain_timeout": "1ms", "idle_time": "0s"}]}));
        Self { story, next: 0 }
    }

    fn open(&mut self, root: u32, count: u64) -> Vec<ConnectionId> {
        let ids = self.next..self.next + count;
        self.next += count;
        ids.map(|id| self.story.open_under(root, Mode::Enforce, id))
            .collect()
    }

    fn open_tcp(&mut self, root: u32, count: u64) -> Vec<ConnectionId> {
        let ids = self.open(root, count);
        for id in &ids {
            self.story.become_tcp(*id);
        }
        ids
    }

    /// Opens a connection that expires with the next tick.
    fn open_expired(&mut self, root: u32) -> ConnectionId {
        let id = self.open(root, 1)[0];
        let rule = Rule {
            max_connection_age: Some(Duration::from_millis(1)),
            ..(*self.story.policy.tcp[0].rule).clone()
        };
        self.story
            .engine
            .set_tcp(id, 5432, Some(Rc::new(rule)), TcpTraffic::Raw);
        id
    }
}

fn count(closed: &[ConnectionId], of: &[ConnectionId]) -> usize {
    closed.iter().filter(|id| of.contains(id)).count()
}

#[test]
fn writes_leave_half_of_the_budget_to_ticks() {
    let mut roots = Roots::new(1.0, 1);
    let mut http = roots.open(1, 1000);
    let tcp = roots.open_tcp(2, 1000);
    roots.story.at(15);
    roots.story.effects();

    let by_writes = roots.story.exchange_all_the_time(&mut http, 40);

    let by_ticks = count(&roots.story.closed(), &tcp);
    assert!(by_writes >= 15 && by_ticks >= 15, "{by_writes} {by_ticks}");
}

#[test]
fn ticks_leave_half_of_the_budget_to_writes() {
    let mut roots = Roots::new(1.0, 1);
    let mut http = roots.open(1, 1000);
    // One expires each second, and is closed at once if the budget allows.
    let mut tcp = Vec::new();
    for second in 0..50 {
        roots.story.at(second);
        tcp.extend(roots.open_tcp(2, 1));
    }
    roots.story.effects();

    let mut by_writes = 0;
    for _ in 0..40 {
        by_writes += roots.story.exchange_all_the_time(&mut http, 1);
        tcp.extend(roots.open_tcp(2, 1));
    }

    let by_ticks = count(&roots.story.closed(), &tcp);
    assert!(by_writes >= 15 && by_ticks >= 15, "{by_writes} {by_ticks}");
}

#[test]
fn queues_of_roots_take_turns() {
    for per_second in [1, 5, 100] {
        let mut roots = Roots::new(per_second as f64, per_second);
        let of_roots = [1, 2, 3].map(|root| roots.open_tcp(root, 2000));
        roots.story.at(15);
        roots.story.effects();

        roots.story.at(45);

        let closed = roots.story.closed();
        let shares = of_roots.map(|ids| count(&closed, &ids));
        let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
        assert!(closed.len() >= 29 * per_second, "{shares:?}");
        assert!(most - least <= 1, "{shares:?}");
    }
}

#[test]
fn rejoined_queue_is_not_always_served_first() {
    let mut roots = Roots::new(1.0, 1);
    let many = roots.open_tcp(2, 100);
    roots.story.at(15);
    roots.story.effects();
    let mut single = roots.open_expired(1);

    let mut shares = [0, 0];
    for _ in 0..400 {
        roots.story.pass(TICK);
        let closed = roots.story.closed();
        shares[0] += count(&closed, &many);
        if closed.contains(&single) {
            shares[1] += 1;
            single = roots.open_expired(1);
        }
    }

    assert!(shares.iter().all(|share| *share >= 15), "{shares:?}");
}

#[test]
fn queues_leave_closes_to_expired_wakeups() {
    let mut roots = Roots::new(0.001, 1);
    let waiting = roots.open_tcp(2, 2000);
    let http = roots.open(1, 100);
    let story = &mut roots.story;
    story.at(10);
    for id in &http {
        story.read(*id, 1, 1);
        let head = Some(DrainPoint::ResponseHead);
        let (engine, store) = (&mut story.engine, &mut story.store);
        engine.wrote(*id, &activity(1, 1), || head, |_| None, store);
        story.write_no_point(*id, 1, 0);
    }
    story.pass(Duration::from_millis(900));
    story.effects();

    // Without a budget a tick closes as many as it may, and `close_delay` ends.
    for _ in 0..20 {
        story.advance(TICK);
        story.engine.tick(32, |_| None, &mut story.store);
    }

    let closed = story.closed();
    assert_eq!(count(&closed, &http), 100);
    assert!(count(&closed, &waiting) >= 500);
}
