//! Responses that are not read.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::head_of;
use super::messages::{chunks, get, ok, post, request, response};
use crate::h1::{Http1Scanner, UnreadPart};

fn client(connection: &mut Http1Scanner, bytes: &[u8]) {
    connection.scan_downstream(&mut { bytes }).unwrap();
}

/// A connection whose response to its only request so far is not read.
fn unread() -> Http1Scanner {
    let mut connection = Http1Scanner::default();
    client(&mut connection, &get().bytes());
    assert_eq!(connection.unread_part(), Some(UnreadPart::First));
    connection.skip_response();
    assert_eq!(connection.unread_part(), Some(UnreadPart::Later));
    connection
}

/// The next requests of a client that waits: nothing is inserted into the first response, the second may close.
fn assert_second_response_may_close(connection: &mut Http1Scanner) {
    for (path, expected) in [("/first", None), ("/second", Some(head_of(&ok())))] {
        client(connection, &request("GET", path).bytes());
        let head = connection.scan_upstream(&mut &ok().head()[..]);
        assert_eq!(head, Ok(expected), "{path}");
        assert_eq!(connection.scan_upstream(&mut ok().body()), Ok(None));
        connection.wrote_nothing();
        assert_eq!(connection.active(), 0);
    }
}

#[test]
fn response_is_used_from_the_second_request_after_an_unread_one() {
    let mut connection = unread();
    for requests in 2..5 {
        client(&mut connection, &get().bytes());
        assert_eq!(connection.unread_part(), Some(UnreadPart::First));
        // Any number of writes.
        for _ in 0..3 {
            connection.skip_response();
            connection.wrote_nothing();
            assert_eq!(connection.unread_part(), Some(UnreadPart::Later));
            assert_eq!((connection.requests(), connection.active()), (requests, 0));
        }
        client(&mut connection, b"");
        assert_eq!(connection.unread_part(), Some(UnreadPart::Later));
    }
    assert_second_response_may_close(&mut connection);
    assert_eq!(connection.requests(), 6);
}

#[test]
fn request_in_pieces_ends_an_unread_response() {
    let next = request("GET", "/next").bytes();
    for at in 1..next.len() {
        let mut connection = unread();
        let (first, second) = next.split_at(at);
        client(&mut connection, first);
        assert_eq!((connection.unread_part(), connection.active()), (None, 1));
        client(&mut connection, second);
        assert_eq!(connection.unread_part(), Some(UnreadPart::First));
        connection.skip_response();
        assert_eq!(connection.requests(), 2);
        assert_second_response_may_close(&mut connection);
    }
}

#[test]
fn response_that_was_begun_is_read_to_its_end() {
    let mut connection = Http1Scanner::default();
    client(&mut connection, &get().bytes());
    for byte in &ok().bytes()[..] {
        connection.scan_upstream(&mut &[*byte][..]).unwrap();
        assert_eq!(connection.unread_part(), None);
    }
    assert_eq!(connection.active(), 0);
}

#[test]
fn response_is_read_where_envoy_takes_more_from_the_client() {
    let upgrade = get()
        .field("connection", "upgrade")
        .field("upgrade", "websocket");
    let with_body = post().sized(b"12345");
    let twice = [get().bytes(), get().bytes()].concat();
    let once_and_a_byte = [get().bytes(), b"G".to_vec()].concat();
    for sent in [
        upgrade.bytes(),
        request("CONNECT", "a:1").bytes(),
        with_body.head(),
        twice,
        once_and_a_byte,
        Vec::new(),
    ] {
        let mut connection = Http1Scanner::default();
        client(&mut connection, &sent);
        let text = String::from_utf8_lossy(&sent);
        assert_eq!(connection.unread_part(), None, "{text}");
    }
}

/// Envoy reads ahead once in the middle of a response, and hands over the same bytes again after it. Nothing that is
/// written in between is taken for a response, even if it looks like one.
#[test]
fn client_that_does_not_wait_is_followed_from_the_end_of_the_response() {
    let requests = [
        request("GET", "/next").bytes(),
        post().sized(b"GET / HTTP/1.1\r\n\r\n").bytes(),
        post().chunked(&chunks().chunk(b"12345")).bytes(),
        [
            request("GET", "/next").bytes(),
            post().sized(b"12345").bytes(),
        ]
        .concat(),
    ];
    let rest_of_response: [&[u8]; 8] = [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"hello",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nx: y",
        b"\r\n",
    ];
    for next in requests {
        for at in 1..=next.len() {
            for rest in rest_of_response {
                let mut connection = unread();
                client(&mut connection, &next[..at]);
                assert_eq!(connection.scan_upstream(&mut { rest }), Ok(None));
                connection.wrote_nothing();

                let taken = connection.scan_downstream(&mut &next[..]);
                let head = connection.scan_upstream(&mut &ok().head()[..]);

                // A body that looks like a response may leave the connection undrained.
                let looks_like_response = rest.starts_with(b"HTTP");
                let text = String::from_utf8_lossy(&next[..at]);
                let is_in_step = taken.is_ok() && head.is_ok();
                assert!(
                    is_in_step || looks_like_response,
                    "{text} {taken:?} {head:?}"
                );
                // What looks like a whole response leaves no doubt about the one after the request.
                if let Ok(Some(head)) = head {
                    assert_eq!(head.insert_at, head_of(&ok()).insert_at, "{text}");
                }
            }
        }
    }
}

/// Envoy ends a response with a length by an empty write, which may come after the client's next request.
#[test]
fn request_before_the_empty_write_at_the_end_of_a_response() {
    let next = request("GET", "/next").bytes();
    for at in 1..=next.len() {
        for is_read in [true, false] {
            let mut connection = unread();
            client(&mut connection, &next[..at]);
            connection.wrote_nothing();
            client(&mut connection, &next);
            if is_read {
                connection.scan_upstream(&mut &ok().head()[..]).unwrap();
                connection.scan_upstream(&mut ok().body()).unwrap();
            } else {
                assert_eq!(connection.unread_part(), Some(UnreadPart::First), "{at}");
                connection.skip_response();
            }
            connection.wrote_nothing();
            assert_eq!(connection.active(), 0, "{at}");
            assert_second_response_may_close_after(&mut connection, is_read);
        }
    }
}

/// As [`assert_second_response_may_close`]; after a response that was read, the first one may.
fn assert_second_response_may_close_after(connection: &mut Http1Scanner, is_read: bool) {
    if !is_read {
        return assert_second_response_may_close(connection);
    }
    client(connection, &request("GET", "/other").bytes());
    let head = connection.scan_upstream(&mut &ok().head()[..]);
    assert_eq!(head, Ok(Some(head_of(&ok()))));
}

#[test]
fn error_that_is_no_doubt_is_final() {
    for next in ["GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n x: y\r\n\r\n"] {
        let mut connection = unread();
        let error = connection.scan_downstream(&mut next.as_bytes());
        assert!(error.is_err());
        assert_eq!(connection.scan_downstream(&mut &get().bytes()[..]), error);
        assert_eq!(connection.unread_part(), None);
    }
}

#[test]
fn tunnel_in_doubt_stays_one() {
    let upgrade = get()
        .field("connection", "upgrade")
        .field("upgrade", "websocket");
    let switching = response(101)
        .field("connection", "upgrade")
        .field("upgrade", "websocket");
    for (sent, accepted) in [
        (request("CONNECT", "a:1"), response(200)),
        (upgrade, switching),
    ] {
        let mut connection = unread();
        client(&mut connection, &sent.bytes());
        let head = connection.scan_upstream(&mut &accepted.head()[..]);
        assert_eq!(head, Ok(None));
        assert!(connection.is_tunnel());
        assert_eq!(connection.websocket(), None);
        client(&mut connection, &get().bytes());
        assert_eq!(connection.unread_part(), None);
        assert_eq!(connection.scan_upstream(&mut &ok().head()[..]), Ok(None));
    }
}
