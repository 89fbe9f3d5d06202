//! What the scanner reads from the host: each read is a hostcall, and costs the same for any length.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

#[path = "../src/source/fakes.rs"]
mod fakes;
mod h2_support;

use evenkeel_wire::h2::Http2Scanner;
use evenkeel_wire::{BypassReason, ByteSource};
use fakes::{CountingSource, ShortSource};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn small_exchange_takes_one_read_per_callback() {
    let mut connection = Http2Scanner::default();
    let request = [client_preface(), window_update(0, 1 << 20), get(1)].concat();
    let mut client = CountingSource::new(&request);
    connection.scan_downstream(&mut client).unwrap();
    assert_eq!(client.reads, [(0, request.len())]);
    let reply = [server_preface(), response(1)].concat();
    let mut server = CountingSource::new(&reply);
    connection.scan_upstream(&mut server).unwrap();
    assert_eq!(server.reads, [(0, reply.len())]);
    assert_eq!(connection.active(), 0);
}

#[test]
fn bodies_are_not_read() {
    let mut connection = after_prefaces();
    connection.scan_downstream(&mut get(1).as_slice()).unwrap();
    let body = (0..64)
        .flat_map(|_| data(NONE, 1, 16 * 1024))
        .collect::<Vec<_>>();
    let write = [headers(END_HEADERS, 1), body, get(1)].concat();
    let mut server = CountingSource::new(&write);
    connection.scan_upstream(&mut server).unwrap();
    // The first DATA frame is in the block that was read for HEADERS.
    assert_eq!(server.reads.len(), 64 + 1);
    assert!(
        server.bytes_read() < write.len() / 50,
        "{} of {}",
        server.bytes_read(),
        write.len()
    );
}

#[test]
fn callback_inside_a_payload_is_not_read() {
    let mut connection = after_prefaces();
    connection
        .scan_downstream(&mut headers(END_HEADERS, 1).as_slice())
        .unwrap();
    connection
        .scan_upstream(&mut headers(END_HEADERS, 1).as_slice())
        .unwrap();
    let body = data(END_STREAM, 1, 16 * 1024);
    for (nth, piece) in body.chunks(1024).enumerate() {
        let (mut client, mut server) = (CountingSource::new(piece), CountingSource::new(piece));
        connection.scan_downstream(&mut client).unwrap();
        connection.scan_upstream(&mut server).unwrap();
        let reads = usize::from(nth == 0);
        assert_eq!(
            (client.reads.len(), server.reads.len()),
            (reads, reads),
            "piece {nth}"
        );
    }
    assert_eq!(connection.active(), 0);
}

#[test]
fn empty_callback_is_not_read() {
    let mut connection = after_prefaces();
    let mut nothing = CountingSource::new(&[]);
    connection.scan_downstream(&mut nothing).unwrap();
    connection.scan_upstream(&mut nothing).unwrap();
    assert_eq!(nothing.reads, []);
}

#[test]
fn short_read_makes_the_connection_unreadable() {
    let mut connection = after_prefaces();
    assert_eq!(
        connection.scan_downstream(&mut ShortSource(&get(1))),
        Err(BypassReason::Unreadable)
    );
    assert_eq!(
        connection.scan_upstream(&mut &*response(1)),
        Err(BypassReason::Unreadable)
    );
}
