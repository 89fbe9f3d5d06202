//! The cost of following HTTP/1: a request head, a response head, a long body.
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use evenkeel_wire::h1::Http1Scanner;
use std::hint::black_box;

/// The request of a browser, about 600 bytes.
const REQUEST: &[u8] = b"GET /catalogue/shoes?sort=price&page=2 HTTP/1.1\r\n\
    host: shop.example\r\n\
    user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    accept-language: en-GB,en;q=0.7,de;q=0.3\r\n\
    accept-encoding: gzip, deflate, br, zstd\r\n\
    referer: https://shop.example/catalogue\r\n\
    connection: keep-alive\r\n\
    cookie: session=9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08; theme=dark\r\n\
    upgrade-insecure-requests: 1\r\n\
    sec-fetch-dest: document\r\n\
    sec-fetch-mode: navigate\r\n\
    sec-fetch-site: same-origin\r\n\
    priority: u=0, i\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    content-type: text/html; charset=utf-8\r\n\
    content-length: 1048576\r\n\
    cache-control: private, max-age=0\r\n\
    date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    x-envoy-upstream-service-time: 12\r\n\
    server: envoy\r\n\r\n";

/// The length of the response's body, and of Envoy's usual writes.
const BODY: usize = 1 << 20;
const WRITE: usize = 16 * 1024;

fn after_request() -> Http1Scanner {
    let mut connection = Http1Scanner::default();
    let _ = connection.scan_downstream(&mut { REQUEST });
    connection
}

fn after_head() -> Http1Scanner {
    let mut connection = after_request();
    let _ = connection.scan_upstream(&mut { RESPONSE });
    connection
}

fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("h1");

    group.throughput(Throughput::Bytes(REQUEST.len() as u64));
    group.bench_function("request head", |bencher| {
        bencher.iter(|| {
            let mut connection = Http1Scanner::default();
            let _ = black_box(connection.scan_downstream(&mut black_box(REQUEST)));
            connection
        });
    });

    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response head", |bencher| {
        bencher.iter_batched_ref(
            after_request,
            |connection| connection.scan_upstream(&mut black_box(RESPONSE)),
            criterion::BatchSize::SmallInput,
        );
    });

    let body = vec![b'x'; BODY];
    group.throughput(Throughput::Bytes(BODY as u64));
    group.bench_function("body of 1 MiB in writes of 16 KiB", |bencher| {
        bencher.iter_batched_ref(
            after_head,
            |connection| {
                for mut write in body.chunks(WRITE) {
                    let _ = black_box(connection.scan_upstream(&mut write));
                }
                assert_eq!(connection.active(), 0);
            },
            criterion::BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(h1, benchmarks);
criterion_main!(h1);
