//! Roots that take from one budget: none of them takes all of it.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// One worker. Its roots have one policy with one budget, as the listeners of a proxy have.
struct Roots {
    story: Story,
    next: u64,
}

impl Roots {
    /// Raw TCP that expires after ten seconds and is idle by then; it can only be closed at a tick.
    fn new(budget: &str) -> Self {
        let story = Story::new(&format!(
            r#"{{"version": 1, "budget": {budget},
                "defaults": {{"max_connection_age": "10s", "jitter": 0, "http2": {{"idle_wait": "0s"}}, "close_delay": "1s"}},
                "tcp": [{{"name": "db", "match": {{"port": 5432}}, "drain_timeout": "1ms"}}]}}"#
        ));
        Self { story, next: 0 }
    }

    /// Opens `count` connections under `root`.
    fn open(&mut self, root: u32, count: u64) -> Vec<ConnectionId> {
        let ids = self.next..self.next + count;
        self.next += count;
        let ids: Vec<_> = ids.map(ConnectionId).collect();
        for id in &ids {
            let (rule, origin) = (self.story.defaults(), ORIGIN);
            let origin = Origin {
                policy: root,
                ..origin
            };
            self.story
                .engine
                .open(*id, origin, Some(rule), Mode::Enforce, id.0);
        }
        ids
    }

    fn open_tcp(&mut self, root: u32, count: u64) -> Vec<ConnectionId> {
        let ids = self.open(root, count);
        for id in &ids {
            let rule = Rc::clone(&self.story.policy.tcp[0].rule);
            self.story.engine.set_tcp(*id, 5432, Some(rule));
        }
        ids
    }

    /// Opens one that expires with the next tick.
    fn open_expired(&mut self, root: u32) -> ConnectionId {
        let id = self.open(root, 1)[0];
        let rule = Rule {
            max_connection_age: Some(Duration::from_millis(1)),
            ..(*self.story.policy.tcp[0].rule).clone()
        };
        self.story.engine.set_tcp(id, 5432, Some(Rc::new(rule)));
        id
    }

    /// Whose connections were closed since this was last asked.
    fn closed(&mut self) -> Vec<ConnectionId> {
        let closed = |effect| match effect {
            Effect::Close { id, .. } => Some(id),
            _ => None,
        };
        self.story
            .effects()
            .into_iter()
            .filter_map(closed)
            .collect()
    }
}

fn count(closed: &[ConnectionId], of: &[ConnectionId]) -> usize {
    closed.iter().filter(|id| of.contains(id)).count()
}

/// How many of `http` were drained in `seconds` in which one of them is asked every millisecond.
fn exchange(roots: &mut Roots, http: &mut Vec<ConnectionId>, seconds: u64) -> usize {
    let before = http.len();
    for millisecond in 0..1000 * seconds {
        let engine = &mut roots.story.engine;
        engine.advance(engine.now().after(Duration::from_millis(1)));
        if millisecond % 100 == 0 {
            let bucket = roots.story.bucket();
            let story = &mut roots.story;
            story.engine.tick(32, |_| bucket.as_ref(), &mut story.map);
        }
        if roots.story.exchange(http[0], 1 + millisecond) == Decision::PassThrough {
            http.rotate_left(1);
        } else {
            http.remove(0);
        }
    }
    before - http.len()
}

#[test]
fn writes_of_one_root_leave_half_of_the_budget_to_ticks_of_another() {
    let mut roots = Roots::new(r#"{"per_second": 1, "burst": 1}"#);
    let mut http = roots.open(1, 1000);
    let tcp = roots.open_tcp(2, 1000);
    roots.story.at(15);
    roots.closed();

    let by_write = exchange(&mut roots, &mut http, 40);

    let by_tick = count(&roots.closed(), &tcp);
    assert!(by_write >= 15 && by_tick >= 15, "{by_write} {by_tick}");
}

#[test]
fn connections_that_expire_at_a_tick_leave_half_of_the_budget_to_writes_of_another_root() {
    let mut roots = Roots::new(r#"{"per_second": 1, "burst": 1}"#);
    let mut http = roots.open(1, 1000);
    // One expires each second, and is closed at once if the budget allows.
    let mut tcp = Vec::new();
    for second in 0..50 {
        roots.story.at(second);
        tcp.extend(roots.open_tcp(2, 1));
    }
    roots.closed();

    let mut by_write = 0;
    for _ in 0..40 {
        by_write += exchange(&mut roots, &mut http, 1);
        tcp.extend(roots.open_tcp(2, 1));
    }

    let by_tick = count(&roots.closed(), &tcp);
    assert!(by_write >= 15 && by_tick >= 15, "{by_write} {by_tick}");
}

#[test]
fn roots_whose_connections_wait_for_a_tick_take_turns() {
    for per_second in [1, 5, 100] {
        let mut roots = Roots::new(&format!(
            r#"{{"per_second": {per_second}, "burst": {per_second}}}"#
        ));
        let of_roots = [1, 2, 3].map(|root| roots.open_tcp(root, 2000));
        roots.story.at(15);
        roots.closed();

        roots.story.at(45);

        let closed = roots.closed();
        let shares = of_roots.map(|ids| count(&closed, &ids));
        let (least, most) = (shares.iter().min(), shares.iter().max());
        assert!(closed.len() >= 29 * per_second, "{shares:?}");
        assert!(
            least.zip(most).unwrap().1 - least.unwrap() <= 1,
            "{shares:?}"
        );
    }
}

#[test]
fn root_that_waits_with_one_connection_at_a_time_does_not_always_go_first() {
    let mut roots = Roots::new(r#"{"per_second": 1, "burst": 1}"#);
    let many = roots.open_tcp(2, 100);
    roots.story.at(15);
    roots.closed();
    let mut single = roots.open_expired(1);

    let mut shares = [0, 0];
    for _ in 0..400 {
        roots.story.pass(Duration::from_millis(100));
        let closed = roots.closed();
        shares[0] += count(&closed, &many);
        if closed.contains(&single) {
            shares[1] += 1;
            single = roots.open_expired(1);
        }
    }

    assert!(shares.iter().all(|share| *share >= 15), "{shares:?}");
}

#[test]
fn connections_that_wait_for_their_turn_leave_closes_to_those_whose_time_has_come() {
    let mut roots = Roots::new(r#"{"per_second": 0.001, "burst": 1}"#);
    let waiting = roots.open_tcp(2, 5000);
    let http = roots.open(1, 100);
    roots.story.at(10);
    for id in &http {
        roots.story.read(*id, 1, 1);
        let story = &mut roots.story;
        let head = Some(DrainPoint::ResponseHead);
        story
            .engine
            .wrote(*id, activity(1, 1), head, None, &mut story.map);
        story
            .engine
            .wrote(*id, activity(1, 0), None, None, &mut story.map);
    }
    roots.story.pass(Duration::from_millis(900));
    roots.closed();

    // The budget is taken away, so that a tick closes as many as it may, and `close_delay` ends.
    for _ in 0..20 {
        let story = &mut roots.story;
        story
            .engine
            .advance(story.engine.now().after(Duration::from_millis(100)));
        story.engine.tick(32, |_| None, &mut story.map);
    }

    let closed = roots.closed();
    assert_eq!(count(&closed, &http), 100);
    assert!(count(&closed, &waiting) >= 500);
}
