//! What is written to the client.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::{Envoy, tell};
use super::messages::{Message, answer, chunks, get, ok, post, request, start};
use super::{ResponseHead, head_of};
use crate::BypassReason;

#[test]
fn an_answer_ends_where_its_request_its_status_its_head_or_its_last_chunk_says() {
    let trailers = chunks()
        .chunk(b"HTTP/1.1 200 OK\r\n\r\n")
        .chunk_with(";x", &[0; 20])
        .trailer("x", "y");
    for (question, reply) in [
        (get(), answer(200).sized(b"HTTP/1.1 200 OK\r\n\r\n")),
        (get(), answer(500).field("content-length", "0")),
        (get(), answer(200).chunked(&trailers)),
        (get(), answer(204)),
        (get(), answer(304).field("content-length", "1234")),
        (get(), answer(304).field("transfer-encoding", "chunked")),
        (
            request("HEAD", "/"),
            answer(200).field("content-length", "1234"),
        ),
        (
            request("HEAD", "/"),
            answer(200).field("transfer-encoding", "chunked"),
        ),
        (request("HEAD", "/"), answer(200)),
        (
            request("CONNECT", "shop.example:443"),
            answer(407).sized(b"who?"),
        ),
        (get(), start("HTTP/1.1 200").sized(b"1")),
        (get(), start("HTTP/1.1 200 ").sized(b"1")),
        (get(), start("HTTP/1.1 299 Grüße").sized(b"1")),
    ] {
        tell(|envoy| {
            for served in 1..3 {
                envoy.client(&question.bytes()).unwrap();
                assert_eq!(envoy.server(&reply.bytes()).unwrap(), [head_of(&reply)]);
                assert_eq!(
                    (envoy.connection.requests(), envoy.connection.active()),
                    (served, 0)
                );
            }
        });
    }
}

#[test]
fn a_method_is_known_by_its_case() {
    tell(|envoy| {
        envoy.client(&request("head", "/").bytes()).unwrap();
        envoy.server(&ok().head()).unwrap();
        assert_eq!(envoy.connection.active(), 1);
        envoy.server(ok().body()).unwrap();
        assert_eq!(envoy.connection.active(), 0);
    });
}

#[test]
fn interim_answers_are_not_the_answer() {
    tell(|envoy| {
        envoy.client(&get().bytes()).unwrap();
        let early = answer(103)
            .field("link", "</style.css>; rel=preload")
            .bytes();
        let interim = [answer(100).bytes(), early, answer(102).bytes()].concat();
        let heads = envoy
            .server(&[&interim[..], &ok().bytes()].concat())
            .unwrap();
        assert_eq!(
            heads,
            [super::persistent(interim.len() + ok().head().len() - 2)]
        );
        assert_eq!(envoy.connection.active(), 0);
    });
}

#[test]
fn a_head_with_a_keep_alive_field_says_so() {
    tell(|envoy| {
        envoy.client(&get().bytes()).unwrap();
        let reply = answer(204).field("Keep-Alive", "timeout=5, max=100");
        assert_eq!(
            envoy.server(&reply.bytes()).unwrap(),
            [ResponseHead {
                has_keep_alive_field: true,
                ..head_of(&reply)
            }]
        );
    });
}

/// Tells that `reply` closes, and that whatever follows is let pass.
fn closes(envoy: &mut Envoy, reply: &Message, is_over: bool) {
    let expected = ResponseHead {
        closes: true,
        ..head_of(reply)
    };
    let requests = envoy.connection.requests();
    assert_eq!(envoy.server(&reply.head()).unwrap(), [expected]);
    envoy.client(&get().bytes()).unwrap();
    envoy.client(b"\0garbage").unwrap();
    assert_eq!(envoy.server(reply.body()).unwrap(), []);
    assert_eq!(
        (envoy.connection.requests(), envoy.connection.active()),
        (requests, u32::from(!is_over))
    );
    assert_eq!(envoy.server(b"\0garbage").unwrap(), []);
}

#[test]
fn after_an_answer_that_closes_nothing_more_is_scanned() {
    for (reply, is_over) in [
        (
            answer(200).field("connection", "close").sized(b"12345"),
            true,
        ),
        (answer(204).field("connection", "x,close"), true),
        (ok().http_1_0(), true),
        (
            answer(200)
                .field("connection", "close")
                .chunked(&chunks().chunk(b"last")),
            true,
        ),
        (answer(200).unsized_body(b"until the end"), false),
        (
            answer(200)
                .http_1_0()
                .field("connection", "keep-alive")
                .unsized_body(b"until the end"),
            false,
        ),
    ] {
        tell(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            closes(envoy, &reply, is_over);
        });
    }
}

#[test]
fn http_1_0_with_keep_alive_goes_on() {
    tell(|envoy| {
        envoy
            .client(&get().http_1_0().field("connection", "keep-alive").bytes())
            .unwrap();
        let reply = ok().http_1_0().field("connection", "Keep-Alive");
        assert_eq!(envoy.server(&reply.bytes()).unwrap(), [head_of(&reply)]);
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 1)
        );
    });
}

#[test]
fn an_early_answer_is_not_told_to_close_and_its_request_stays_active_until_it_has_arrived() {
    tell(|envoy| {
        let message = post().sized(b"12345");
        envoy
            .client(&message.bytes()[..message.bytes().len() - 1])
            .unwrap();
        let expected = ResponseHead {
            may_close: false,
            ..head_of(&ok())
        };
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [expected]);
        assert_eq!(envoy.connection.active(), 1);
        envoy.client(b"5").unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (1, 0)
        );
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
    });
}

#[test]
fn a_farewell_needs_no_request() {
    let timeout = answer(408)
        .field("connection", "close")
        .field("content-length", "0");
    let expected = ResponseHead {
        may_close: false,
        closes: true,
        ..head_of(&timeout)
    };
    for begun in [&b""[..], b"\r\n", b"GET / HT"] {
        tell(|envoy| {
            envoy.client(begun).unwrap();
            assert_eq!(envoy.server(&timeout.bytes()).unwrap(), [expected]);
            assert_eq!(
                (envoy.connection.requests(), envoy.connection.active()),
                (0, 0)
            );
        });
    }
}

#[test]
fn any_other_answer_that_no_request_asked_for_is_out_of_step() {
    for reply in [
        ok(),
        answer(100),
        answer(101).field("connection", "upgrade"),
        answer(101).field("connection", "close"),
    ] {
        tell(|envoy| assert_eq!(envoy.server(&reply.bytes()), Err(BypassReason::OutOfStep)));
        tell(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            envoy.server(&ok().bytes()).unwrap();
            assert_eq!(envoy.server(&reply.bytes()), Err(BypassReason::OutOfStep));
        });
        tell(|envoy| {
            envoy.client(&post().sized(b"12345").head()).unwrap();
            envoy.server(&ok().bytes()).unwrap();
            assert_eq!(envoy.server(&reply.bytes()), Err(BypassReason::OutOfStep));
        });
    }
}

fn web_socket() -> Message {
    get()
        .field("upgrade", "websocket")
        .field("connection", "keep-alive, Upgrade")
}

#[test]
fn a_tunnel_lets_everything_pass_and_is_active_to_the_end() {
    let switching = answer(101)
        .field("upgrade", "websocket")
        .field("connection", "upgrade");
    for (question, reply) in [
        (web_socket(), switching),
        (
            request("CONNECT", "shop.example:443"),
            answer(200).field("transfer-encoding", "chunked"),
        ),
        (
            request("CONNECT", "shop.example:443").field("content-length", "0"),
            answer(204),
        ),
    ] {
        tell(|envoy| {
            envoy.client(&question.bytes()).unwrap();
            assert!(!envoy.connection.is_tunnel());
            let expected = ResponseHead {
                may_close: false,
                ..head_of(&reply)
            };
            assert_eq!(envoy.server(&reply.bytes()).unwrap(), [expected]);
            assert!(envoy.connection.is_tunnel());
            envoy.client(b"\0any bytes").unwrap();
            assert_eq!(envoy.server(b"\0any bytes").unwrap(), []);
            assert_eq!(
                (envoy.connection.requests(), envoy.connection.active()),
                (1, 1)
            );
        });
    }
}

#[test]
fn bytes_of_a_tunnel_may_come_before_its_answer() {
    tell(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        envoy.client(b"\0some").unwrap();
        envoy.client(b"\0more").unwrap();
        assert_eq!(envoy.connection.active(), 1);
        envoy
            .server(&answer(101).field("upgrade", "websocket").bytes())
            .unwrap();
        assert!(envoy.connection.is_tunnel());
    });
}

#[test]
fn a_refused_tunnel_goes_on_unless_its_bytes_were_taken() {
    tell(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 1)
        );
    });
    tell(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        envoy.client(b"\0some").unwrap();
        envoy.client(b"\0more").unwrap();
        assert_eq!(envoy.server(&ok().bytes()), Err(BypassReason::OutOfStep));
    });
    for half_an_offer in [
        get().field("upgrade", "x"),
        get().field("connection", "upgrade"),
    ] {
        tell(|envoy| {
            envoy.client(&half_an_offer.bytes()).unwrap();
            let taken = envoy.client(b"\0some").and(envoy.client(b"\0more"));
            assert_eq!(taken, Err(BypassReason::OutOfStep));
        });
    }
    tell(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        envoy.client(b"\0some").unwrap();
        envoy.client(b"\0more").unwrap();
        let reply = ok().field("connection", "close");
        let expected = ResponseHead {
            may_close: false,
            closes: true,
            ..head_of(&reply)
        };
        assert_eq!(envoy.server(&reply.bytes()).unwrap(), [expected]);
        assert_eq!(envoy.connection.active(), 0);
    });
}
