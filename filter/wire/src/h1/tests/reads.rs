//! The cost of following a connection: reads from the host, and memory.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::messages::{chunks, get, ok, post, response};
use crate::BypassReason;
use crate::h1::Http1Scanner;
use crate::source::fakes::{CountingSource, ShortSource};

/// Reads, and bytes read, for a callback from the client.
fn client(connection: &mut Http1Scanner, bytes: &[u8]) -> (usize, usize) {
    let mut source = CountingSource::new(bytes);
    connection.scan_downstream(&mut source).unwrap();
    (source.reads.len(), source.bytes_read())
}

/// Reads, and bytes read, for a write to the client.
fn server(connection: &mut Http1Scanner, bytes: &[u8]) -> (usize, usize) {
    let mut source = CountingSource::new(bytes);
    connection.scan_upstream(&mut source).unwrap();
    (source.reads.len(), source.bytes_read())
}

#[test]
fn exchange_takes_one_read_per_head() {
    let mut connection = Http1Scanner::default();
    let (sent, reply) = (get().field("cookie", &"c".repeat(1500)).bytes(), ok());
    for _ in 0..3 {
        assert_eq!(client(&mut connection, &sent), (1, sent.len()));
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
fn sized_body_is_not_read() {
    let mut connection = Http1Scanner::default();
    let body = vec![0; 1 << 20];
    let (sent, reply) = (post().sized(&body), response(200).sized(&body));
    let window = 2048;
    assert_eq!(client(&mut connection, &sent.bytes()), (1, window));
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
fn chunk_is_read_at_its_beginning_and_end() {
    let mut connection = Http1Scanner::default();
    client(&mut connection, &get().bytes());
    let reply = response(200).chunked(&chunks().chunk(&[0; 100_000]).chunk(&[0; 100_000]));
    let (reads, bytes_read) = server(&mut connection, &reply.bytes());
    assert_eq!(connection.active(), 0);
    assert!(
        reads == 3 && bytes_read < 3 * 2048,
        "{reads} reads, {bytes_read} bytes"
    );

    client(&mut connection, &get().bytes());
    server(&mut connection, &reply.bytes()[..50_000]);
    assert_eq!(
        server(&mut connection, &reply.bytes()[50_000..90_000]),
        (0, 0)
    );
}

#[test]
fn closing_connection_and_tunnel_are_not_read() {
    for reply in [
        response(200),
        response(204).field("connection", "close"),
        response(101).field("upgrade", "x"),
    ] {
        let mut connection = Http1Scanner::default();
        client(&mut connection, &get().bytes());
        server(&mut connection, &reply.bytes());
        assert_eq!(server(&mut connection, b"anything"), (0, 0));
        assert_eq!(client(&mut connection, b"anything"), (0, 0));
    }
}

#[test]
fn bypassed_connection_is_not_read() {
    let mut connection = Http1Scanner::default();
    let mut source = CountingSource::new(b"\0");
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
    assert_eq!(source.reads.len(), 1);
}

#[test]
fn buffered_bytes_are_read_once_per_callback() {
    let mut connection = Http1Scanner::default();
    let both = [get().bytes(), get().bytes()].concat();
    assert_eq!(client(&mut connection, &both).0, 1);
    assert_eq!(client(&mut connection, &get().bytes()).0, 1);
    server(&mut connection, &ok().bytes());
    assert_eq!(client(&mut connection, &get().bytes()).0, 1);
    assert_eq!((connection.requests(), connection.active()), (2, 1));
}

#[test]
fn short_reads_are_continued_and_empty_reads_are_unreadable() {
    let mut connection = Http1Scanner::default();
    let mut request = get().bytes();
    request.pop();
    assert_eq!(
        connection.scan_downstream(&mut ShortSource(&request)),
        Err(BypassReason::Unreadable)
    );
    assert_eq!(connection.requests(), 0);

    let mut connection = Http1Scanner::default();
    assert_eq!(
        connection.scan_downstream(&mut ShortSource(&get().bytes())),
        Err(BypassReason::Unreadable)
    );
    assert_eq!(connection.requests(), 1);
}

#[test]
fn state_is_bounded() {
    assert!(
        size_of::<Http1Scanner>() <= 352,
        "{} bytes",
        size_of::<Http1Scanner>()
    );
    assert!(size_of::<crate::h1::PipelinedRequest>() <= 64);
    let mut connection = Http1Scanner::default();
    connection
        .scan_downstream(&mut get().bytes().repeat(1000).as_slice())
        .unwrap();
    assert_eq!(connection.pipelined.len(), 32);
}
