//! What the engine costs: a request's read and write, and a tick over many connections.
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "a benchmark may panic"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use evenkeel_engine::{
    Activity, Bucket, BucketId, BucketStore, ConnectionId, DrainPoint, Engine, Instant, Origin,
};
use evenkeel_policy::{Direction, Mode, Policy};

const ORIGIN: Origin = Origin {
    policy: 1,
    direction: Direction::Inbound,
    port: 0,
};

struct Alone(Option<u64>);

impl BucketStore for Alone {
    fn load(&mut self, _: BucketId) -> (Option<u64>, u32) {
        (self.0, 1)
    }

    fn store(&mut self, _: BucketId, value: u64, _token: u32) -> bool {
        self.0 = Some(value);
        true
    }
}

fn engine(connections: u64) -> (Engine, Policy) {
    let policy =
        Policy::parse(br#"{"version": 1, "defaults": {"max_connection_age": "10m"}}"#).unwrap();
    let mut engine = Engine::default();
    engine.advance(Instant::from_nanos(1));
    for id in 0..connections {
        let rule = Some(policy.defaults.clone());
        engine.open(ConnectionId(id), ORIGIN, rule, Mode::Enforce, id);
    }
    (engine, policy)
}

fn request(c: &mut Criterion) {
    let mut group = c.benchmark_group("request");
    for connections in [1, 10_000, 1_000_000] {
        let (mut engine, policy) = engine(connections);
        let mut requests = 0;
        let bucket = policy.budget.map(|budget| Bucket::new("", budget, false));
        group.bench_function(format!("one of {connections} connections"), |b| {
            b.iter(|| {
                requests += 1;
                let id = ConnectionId(black_box(requests % connections));
                engine.read(
                    id,
                    &Activity {
                        requests,
                        active: 1,
                        bytes: 100,
                        ..Activity::default()
                    },
                );
                let point = Some(DrainPoint::ResponseHead);
                let activity = Activity {
                    requests,
                    active: 0,
                    bytes: 100,
                    ..Activity::default()
                };
                engine.wrote(
                    id,
                    &activity,
                    || point,
                    |_| bucket.as_ref(),
                    &mut Alone(None),
                )
            });
        });
    }
    group.finish();
}

fn connection(c: &mut Criterion) {
    let (mut engine, policy) = engine(10_000);
    let mut id = 10_000;
    c.bench_function("a connection opens and closes among 10000", |b| {
        b.iter(|| {
            id += 1;
            let rule = Some(policy.defaults.clone());
            engine.open(ConnectionId(id), ORIGIN, rule, Mode::Enforce, id);
            engine.closed(ConnectionId(id))
        });
    });
}

fn tick(c: &mut Criterion) {
    let (mut idle, policy) = engine(100_000);
    let bucket = policy.budget.map(|budget| Bucket::new("", budget, false));
    c.bench_function("a tick over 100000 connections, none expired", |b| {
        b.iter(|| idle.tick(32, |_| bucket.as_ref(), &mut Alone(None)));
    });
    c.bench_function("a tick at which 10000 connections expire", |b| {
        b.iter_batched(
            || {
                let (mut engine, _) = engine(10_000);
                engine.advance(Instant::from_nanos(1).after(Duration::from_secs(3600)));
                engine
            },
            |mut engine| {
                engine.tick(32, |_| bucket.as_ref(), &mut Alone(None));
                engine
            },
            BatchSize::LargeInput,
        );
    });
}

criterion_group!(benches, request, connection, tick);
criterion_main!(benches);
