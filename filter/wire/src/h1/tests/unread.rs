//! Responses that are not read.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::head_of;
use super::messages::{chunks, get, ok, post, request, response};
use crate::h1::{Http1Scanner, UnreadResponse};

/// A connection after one exchange, which has shown that Envoy writes heads alone.
fn after_one_exchange() -> Http1Scanner {
    let mut connection = Http1Scanner::default();
    client(&mut connection, &get().bytes());
    assert_eq!(connection.unread_response(), None);
    connection.scan_upstream(&mut &ok().head()[..]).unwrap();
    connection.scan_upstream(&mut ok().body()).unwrap();
    connection
}

fn client(connection: &mut Http1Scanner, bytes: &[u8]) {
    connection.scan_downstream(&mut { bytes }).unwrap();
}

/// The next request of a client gets a response that is read and may get `connection: close`.
fn assert_in_step(connection: &mut Http1Scanner) {
    assert_eq!(connection.unread_response(), Some(UnreadResponse::Begins));
    let head = connection.scan_upstream(&mut &ok().head()[..]).unwrap();
    assert_eq!(head, Some(head_of(&ok())));
    assert_eq!(connection.scan_upstream(&mut ok().body()).unwrap(), None);
    assert_eq!(connection.active(), 0);
}

#[test]
fn response_is_read_again_after_the_next_bytes_of_the_client() {
    let mut connection = after_one_exchange();
    for requests in 2..5 {
        client(&mut connection, &get().bytes());
        assert_eq!(connection.unread_response(), Some(UnreadResponse::Begins));
        // Any number of writes.
        for _ in 0..3 {
            connection.skip_response();
            let part = connection.unread_response();
            assert_eq!(part, Some(UnreadResponse::Continues));
            assert_eq!((connection.requests(), connection.active()), (requests, 0));
        }
        client(&mut connection, b"");
        let part = connection.unread_response();
        assert_eq!(part, Some(UnreadResponse::Continues));
    }
    client(&mut connection, &get().bytes());
    assert_in_step(&mut connection);
    assert_eq!(connection.requests(), 5);
}

#[test]
fn request_in_pieces_ends_a_response_that_is_not_read() {
    let next = get().bytes();
    for at in 1..next.len() {
        let mut connection = after_one_exchange();
        client(&mut connection, &get().bytes());
        connection.skip_response();
        let (first, second) = next.split_at(at);
        client(&mut connection, first);
        assert_eq!(
            (connection.unread_response(), connection.active()),
            (None, 1)
        );
        client(&mut connection, second);
        assert_in_step(&mut connection);
    }
}

#[test]
fn response_that_was_begun_is_read_to_its_end() {
    let mut connection = after_one_exchange();
    client(&mut connection, &get().bytes());
    connection.scan_upstream(&mut &ok().head()[..]).unwrap();
    for byte in ok().body() {
        assert_eq!(connection.unread_response(), None);
        connection.scan_upstream(&mut &[*byte][..]).unwrap();
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
        let mut connection = after_one_exchange();
        client(&mut connection, &sent);
        let text = String::from_utf8_lossy(&sent);
        assert_eq!(connection.unread_response(), None, "{text}");
    }
}

#[test]
fn responses_are_read_where_heads_are_not_written_alone() {
    let mut connection = Http1Scanner::default();
    for _ in 0..3 {
        client(&mut connection, &get().bytes());
        assert_eq!(connection.unread_response(), None);
        let head = connection.scan_upstream(&mut &ok().bytes()[..]).unwrap();
        assert_eq!(head, Some(head_of(&ok())));
    }
}

/// Envoy reads ahead once in the middle of a response, and hands over the same bytes again after it.
#[test]
fn client_that_does_not_wait_is_followed_from_the_end_of_the_response() {
    let requests = [
        get().bytes(),
        post().sized(b"GET / HTTP/1.1\r\n\r\n").bytes(),
        post().chunked(&chunks().chunk(b"12345")).bytes(),
        [get().bytes(), post().sized(b"12345").bytes()].concat(),
    ];
    let rest_of_response: [&[u8]; 6] = [
        b"",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"hello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nx: y",
        b"\r\n",
    ];
    for next in requests {
        for at in 1..=next.len() {
            for rest in rest_of_response {
                for is_skipped in [false, true] {
                    let mut connection = after_one_exchange();
                    client(&mut connection, &get().bytes());
                    connection.skip_response();
                    client(&mut connection, &next[..at]);
                    if is_skipped && connection.unread_response().is_some() {
                        connection.skip_response();
                    } else {
                        let found = connection.scan_upstream(&mut { rest });
                        assert_eq!(found, Ok(None));
                    }

                    client(&mut connection, &next);

                    let text = String::from_utf8_lossy(&next[..at]);
                    connection
                        .scan_upstream(&mut &ok().head()[..])
                        .unwrap_or_else(|reason| panic!("{text}: {reason:?}"));
                    connection.scan_upstream(&mut ok().body()).unwrap();
                    // The next one is alone.
                    client(&mut connection, &get().bytes());
                    connection.scan_upstream(&mut &ok().head()[..]).unwrap();
                    connection.scan_upstream(&mut ok().body()).unwrap();
                    client(&mut connection, &get().bytes());
                    assert_in_step(&mut connection);
                }
            }
        }
    }
}

#[test]
fn tunnel_is_not_taken_for_another_response() {
    let mut connection = after_one_exchange();
    client(&mut connection, &get().bytes());
    connection.skip_response();
    client(&mut connection, &request("CONNECT", "a:1").bytes());
    let accepted = [response(200).head(), b"HTTP/1.1 200 OK\r\n\r\n".to_vec()].concat();
    connection.scan_upstream(&mut &accepted[..]).unwrap();
    assert!(connection.is_tunnel());
    client(&mut connection, &get().bytes());
    assert_eq!(connection.unread_response(), None);
    assert_eq!(connection.scan_upstream(&mut &ok().head()[..]), Ok(None));
}
