//! What the scanner asks the host for: each look is a hostcall, whatever its size.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_support;

use evenkeel_wire::h2::Http2Scanner;
use evenkeel_wire::{BypassReason, ByteSource};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn greeted() -> Http2Scanner {
    let mut connection = Http2Scanner::default();
    connection
        .scan_downstream(&mut client_greeting().as_slice())
        .unwrap();
    connection
        .scan_upstream(&mut server_greeting().as_slice())
        .unwrap();
    connection
}

#[test]
fn a_small_exchange_takes_one_look_a_callback() {
    let mut connection = Http2Scanner::default();
    let hello = [client_greeting(), window_update(0, 1 << 20), get(1)].concat();
    let mut client = Counting::new(&hello);
    connection.scan_downstream(&mut client).unwrap();
    assert_eq!(client.reads, [(0, hello.len())]);
    let reply = [server_greeting(), answer(1)].concat();
    let mut server = Counting::new(&reply);
    connection.scan_upstream(&mut server).unwrap();
    assert_eq!(server.reads, [(0, reply.len())]);
    assert_eq!(connection.active(), 0);
}

#[test]
fn bodies_are_not_looked_at() {
    let mut connection = greeted();
    connection.scan_downstream(&mut get(1).as_slice()).unwrap();
    let body = (0..64)
        .flat_map(|_| data(NONE, 1, 16 * 1024))
        .collect::<Vec<_>>();
    let write = [headers(END_HEADERS, 1), body, get(1)].concat();
    let mut server = Counting::new(&write);
    connection.scan_upstream(&mut server).unwrap();
    // The first frame of DATA lies in the stretch that began with HEADERS.
    assert_eq!(server.reads.len(), 64 + 1);
    assert!(
        server.read() < write.len() / 50,
        "{} of {}",
        server.read(),
        write.len()
    );
}

#[test]
fn a_callback_inside_a_payload_asks_for_nothing() {
    let mut connection = greeted();
    connection
        .scan_downstream(&mut headers(END_HEADERS, 1).as_slice())
        .unwrap();
    connection
        .scan_upstream(&mut headers(END_HEADERS, 1).as_slice())
        .unwrap();
    let body = data(END_STREAM, 1, 16 * 1024);
    for (nth, piece) in body.chunks(1024).enumerate() {
        let (mut client, mut server) = (Counting::new(piece), Counting::new(piece));
        connection.scan_downstream(&mut client).unwrap();
        connection.scan_upstream(&mut server).unwrap();
        let looks = usize::from(nth == 0);
        assert_eq!(
            (client.reads.len(), server.reads.len()),
            (looks, looks),
            "piece {nth}"
        );
    }
    assert_eq!(connection.active(), 0);
}

#[test]
fn an_empty_callback_asks_for_nothing() {
    let mut connection = greeted();
    let mut nothing = Counting::new(&[]);
    connection.scan_downstream(&mut nothing).unwrap();
    connection.scan_upstream(&mut nothing).unwrap();
    assert_eq!(nothing.reads, []);
}

/// A host that says that there are more bytes than it gives.
struct Short<'a>(&'a [u8]);

impl ByteSource for Short<'_> {
    fn len(&self) -> usize {
        self.0.len() + 1
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        { self.0 }.read(start, len)
    }
}

#[test]
fn a_host_that_gives_less_than_it_said_is_not_believed() {
    let mut connection = greeted();
    assert_eq!(
        connection.scan_downstream(&mut Short(&get(1))),
        Err(BypassReason::Unreadable)
    );
    assert_eq!(
        connection.scan_upstream(&mut &*answer(1)),
        Err(BypassReason::Unreadable)
    );
}
