//! What following a connection costs: looks at the host's bytes, and memory.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::messages::{answer, chunks, get, ok, post};
use crate::h1::Http1Scanner;
use crate::{BypassReason, ByteSource};

/// Counts the looks and the bytes that they gave.
struct Counting<'a> {
    bytes: &'a [u8],
    looks: usize,
    given: usize,
}

impl<'a> Counting<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            looks: 0,
            given: 0,
        }
    }
}

impl ByteSource for Counting<'_> {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        assert!(start < self.bytes.len() && len > 0 && start + len <= self.bytes.len());
        self.looks += 1;
        self.given += len;
        self.bytes[start..start + len].to_vec()
    }
}

/// Looks and bytes given for a callback from the client.
fn client(connection: &mut Http1Scanner, bytes: &[u8]) -> (usize, usize) {
    let mut source = Counting::new(bytes);
    connection.scan_downstream(&mut source).unwrap();
    (source.looks, source.given)
}

/// Looks and bytes given for a write to the client.
fn server(connection: &mut Http1Scanner, bytes: &[u8]) -> (usize, usize) {
    let mut source = Counting::new(bytes);
    connection.scan_upstream(&mut source).unwrap();
    (source.looks, source.given)
}

#[test]
fn an_ordinary_exchange_is_one_look_at_each_head() {
    let mut connection = Http1Scanner::default();
    let (question, reply) = (get().field("cookie", &"c".repeat(1500)).bytes(), ok());
    for _ in 0..3 {
        assert_eq!(client(&mut connection, &question), (1, question.len()));
        assert_eq!(
            server(&mut connection, &reply.head()),
            (1, reply.head().len())
        );
        assert_eq!(server(&mut connection, reply.body()), (0, 0));
        assert_eq!(server(&mut connection, b""), (0, 0));
        assert_eq!(client(&mut connection, b""), (0, 0));
    }
    assert_eq!((connection.requests(), connection.active()), (3, 0));
}

#[test]
fn a_sized_body_is_not_looked_at() {
    let mut connection = Http1Scanner::default();
    let body = vec![0; 1 << 20];
    let (question, reply) = (post().sized(&body), answer(200).sized(&body));
    let window = 2048;
    assert_eq!(client(&mut connection, &question.bytes()), (1, window));
    assert_eq!(
        server(&mut connection, &reply.head()),
        (1, reply.head().len())
    );
    for write in body.chunks(16 * 1024) {
        assert_eq!(connection.active(), 1);
        assert_eq!(server(&mut connection, write), (0, 0));
    }
    assert_eq!(connection.active(), 0);
}

#[test]
fn a_chunk_is_looked_at_where_it_begins_and_ends() {
    let mut connection = Http1Scanner::default();
    client(&mut connection, &get().bytes());
    let reply = answer(200).chunked(&chunks().chunk(&[0; 100_000]).chunk(&[0; 100_000]));
    let (looks, given) = server(&mut connection, &reply.bytes());
    assert_eq!(connection.active(), 0);
    assert!(
        looks == 3 && given < 3 * 2048,
        "{looks} looks, {given} bytes"
    );

    client(&mut connection, &get().bytes());
    server(&mut connection, &reply.bytes()[..50_000]);
    assert_eq!(
        server(&mut connection, &reply.bytes()[50_000..90_000]),
        (0, 0)
    );
}

#[test]
fn what_closes_or_is_a_tunnel_is_not_looked_at_again() {
    for reply in [
        answer(200),
        answer(204).field("connection", "close"),
        answer(101).field("upgrade", "x"),
    ] {
        let mut connection = Http1Scanner::default();
        client(&mut connection, &get().bytes());
        server(&mut connection, &reply.bytes());
        assert_eq!(server(&mut connection, b"anything"), (0, 0));
        assert_eq!(client(&mut connection, b"anything"), (0, 0));
    }
}

#[test]
fn what_is_opaque_is_not_looked_at_again() {
    let mut connection = Http1Scanner::default();
    let mut source = Counting::new(b"\0");
    assert_eq!(
        connection.scan_downstream(&mut source),
        Err(BypassReason::StartLine)
    );
    assert_eq!(
        connection.scan_downstream(&mut source),
        Err(BypassReason::StartLine)
    );
    assert_eq!(
        connection.scan_upstream(&mut source),
        Err(BypassReason::StartLine)
    );
    assert_eq!(source.looks, 1);
}

#[test]
fn waiting_bytes_are_looked_at_once_a_callback() {
    let mut connection = Http1Scanner::default();
    let both = [get().bytes(), get().bytes()].concat();
    assert_eq!(client(&mut connection, &both).0, 1);
    assert_eq!(client(&mut connection, &get().bytes()).0, 1);
    server(&mut connection, &ok().bytes());
    assert_eq!(client(&mut connection, &get().bytes()).0, 1);
    assert_eq!((connection.requests(), connection.active()), (2, 1));
}

/// A host that promises more than it gives.
struct Short(Vec<u8>);

impl ByteSource for Short {
    fn len(&self) -> usize {
        self.0.len() + 1
    }

    fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
        self.0
            .iter()
            .skip(start)
            .take(len.min(7))
            .copied()
            .collect()
    }
}

#[test]
fn a_host_that_gives_little_at_a_time_is_asked_again_and_one_that_gives_nothing_is_unreadable() {
    let mut connection = Http1Scanner::default();
    let mut request = get().bytes();
    request.pop();
    assert_eq!(
        connection.scan_downstream(&mut Short(request)),
        Err(BypassReason::Unreadable)
    );
    assert_eq!(connection.requests(), 0);

    let mut connection = Http1Scanner::default();
    assert_eq!(
        connection.scan_downstream(&mut Short(get().bytes())),
        Err(BypassReason::Unreadable)
    );
    assert_eq!(connection.requests(), 1);
}

#[test]
fn a_connection_is_small_and_what_waits_is_bounded() {
    assert!(
        size_of::<Http1Scanner>() <= 352,
        "{} bytes",
        size_of::<Http1Scanner>()
    );
    assert!(size_of::<super::super::Waiting>() <= 64);
    let mut connection = Http1Scanner::default();
    connection
        .scan_downstream(&mut get().bytes().repeat(1000).as_slice())
        .unwrap();
    assert_eq!(connection.waiting.len(), 32);
}
