//! The cost of following HTTP/2 with the bytes in memory, without the hostcalls.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

#[path = "../tests/h2_support/mod.rs"]
mod h2_support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use evenkeel_wire::h2::{Http2Scanner, Http2Write};
use h2_support::*;

/// A connection with these open streams, whose client side has ended.
fn connection(streams: &[u32]) -> Http2Scanner {
    let mut connection = after_prefaces();
    for stream in streams {
        connection
            .scan_downstream(&mut get(*stream).as_slice())
            .unwrap();
    }
    connection
}

/// A unary gRPC call: headers and a message; headers, a message and trailers in response.
fn call(stream: u32) -> (Vec<u8>, Vec<u8>) {
    let request = [headers(END_HEADERS, stream), data(END_STREAM, stream, 100)].concat();
    (
        request,
        [
            headers(END_HEADERS, stream),
            data(NONE, stream, 100),
            get(stream),
        ]
        .concat(),
    )
}

fn exchange(connection: &mut Http2Scanner, (request, response): &(Vec<u8>, Vec<u8>)) -> Http2Write {
    connection.scan_downstream(&mut request.as_slice()).unwrap();
    connection.scan_upstream(&mut response.as_slice()).unwrap()
}

fn small_exchange(criterion: &mut Criterion) {
    let call = call(1);
    criterion.bench_function("h2/small exchange", |bencher| {
        bencher.iter_batched_ref(
            || connection(&[]),
            |connection| exchange(connection, &call),
            BatchSize::SmallInput,
        );
    });
}

fn among_many(criterion: &mut Criterion) {
    let open = (1..200).step_by(2).collect::<Vec<_>>();
    let call = call(201);
    criterion.bench_function("h2/small exchange with 100 streams", |bencher| {
        bencher.iter_batched_ref(
            || connection(&open),
            |connection| exchange(connection, &call),
            BatchSize::SmallInput,
        );
    });
    let responses = open
        .iter()
        .flat_map(|stream| response(*stream))
        .collect::<Vec<_>>();
    criterion.bench_function("h2/100 responses in one write", |bencher| {
        bencher.iter_batched_ref(
            || connection(&open),
            |connection| connection.scan_upstream(&mut responses.as_slice()),
            BatchSize::SmallInput,
        );
    });
}

fn large_body(criterion: &mut Criterion) {
    let body = (0..64)
        .flat_map(|_| data(NONE, 1, 16 * 1024))
        .collect::<Vec<_>>();
    let mut group = criterion.benchmark_group("h2");
    group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap()));
    group.bench_function("1 MiB of DATA", |bencher| {
        bencher.iter_batched_ref(
            || connection(&[1]),
            |connection| connection.scan_upstream(&mut body.as_slice()),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, small_exchange, among_many, large_body);
criterion_main!(benches);
