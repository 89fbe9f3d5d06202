//! Responses.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::{Envoy, for_every_cut};
use super::messages::{Message, chunks, get, ok, post, request, response, start};
use super::{ResponseHead, head_of};
use crate::BypassReason;

#[test]
fn response_length_depends_on_method_status_and_framing() {
    let trailers = chunks()
        .chunk(b"HTTP/1.1 200 OK\r\n\r\n")
        .chunk_with(";x", &[0; 20])
        .trailer("x", "y");
    for (sent, reply) in [
        (get(), response(200).sized(b"HTTP/1.1 200 OK\r\n\r\n")),
        (get(), response(500).field("content-length", "0")),
        (get(), response(200).chunked(&trailers)),
        (get(), response(204)),
        (get(), response(304).field("content-length", "1234")),
        (get(), response(304).field("transfer-encoding", "chunked")),
        (
            request("HEAD", "/"),
            response(200).field("content-length", "1234"),
        ),
        (
            request("HEAD", "/"),
            response(200).field("transfer-encoding", "chunked"),
        ),
        (request("HEAD", "/"), response(200)),
        (
            request("CONNECT", "shop.example:443"),
            response(407).sized(b"who?"),
        ),
        (get(), start("HTTP/1.1 200").sized(b"1")),
        (get(), start("HTTP/1.1 200 ").sized(b"1")),
        (get(), start("HTTP/1.1 299 Grüße").sized(b"1")),
    ] {
        for_every_cut(|envoy| {
            for served in 1..3 {
                envoy.client(&sent.bytes()).unwrap();
                assert_eq!(envoy.server(&reply.bytes()).unwrap(), [head_of(&reply)]);
                assert_eq!(envoy.counts(), (served, 0));
            }
        });
    }
}

#[test]
fn methods_are_case_sensitive() {
    for_every_cut(|envoy| {
        envoy.client(&request("head", "/").bytes()).unwrap();
        envoy.server(&ok().head()).unwrap();
        assert_eq!(envoy.connection.active(), 1);
        envoy.server(ok().body()).unwrap();
        assert_eq!(envoy.connection.active(), 0);
    });
}

#[test]
fn interim_responses_do_not_end_the_exchange() {
    for_every_cut(|envoy| {
        envoy.client(&get().bytes()).unwrap();
        let early = response(103)
            .field("link", "</style.css>; rel=preload")
            .bytes();
        let interim = [response(100).bytes(), early, response(102).bytes()].concat();
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
fn keep_alive_field_is_reported() {
    for_every_cut(|envoy| {
        envoy.client(&get().bytes()).unwrap();
        let reply = response(204).field("Keep-Alive", "timeout=5, max=100");
        assert_eq!(
            envoy.server(&reply.bytes()).unwrap(),
            [ResponseHead {
                has_keep_alive_field: true,
                ..head_of(&reply)
            }]
        );
    });
}

/// Asserts that `reply` closes the connection, and that everything after it passes.
fn assert_closes(envoy: &mut Envoy, reply: &Message, is_over: bool) {
    let expected = ResponseHead {
        closes: true,
        ..head_of(reply)
    };
    let requests = envoy.connection.requests();
    assert_eq!(envoy.server(&reply.head()).unwrap(), [expected]);
    envoy.client(&get().bytes()).unwrap();
    envoy.client(b"\0garbage").unwrap();
    assert_eq!(envoy.server(reply.body()).unwrap(), []);
    assert_eq!(envoy.counts(), (requests, u32::from(!is_over)));
    assert_eq!(envoy.server(b"\0garbage").unwrap(), []);
}

#[test]
fn nothing_is_scanned_after_a_response_that_closes() {
    for (reply, is_over) in [
        (
            response(200).field("connection", "close").sized(b"12345"),
            true,
        ),
        (response(204).field("connection", "x,close"), true),
        (ok().http_1_0(), true),
        (
            response(200)
                .field("connection", "close")
                .chunked(&chunks().chunk(b"last")),
            true,
        ),
        (response(200).unsized_body(b"until the end"), false),
        (
            response(200)
                .http_1_0()
                .field("connection", "keep-alive")
                .unsized_body(b"until the end"),
            false,
        ),
    ] {
        for_every_cut(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            assert_closes(envoy, &reply, is_over);
        });
    }
}

#[test]
fn http_1_0_persists_with_keep_alive() {
    for_every_cut(|envoy| {
        envoy
            .client(&get().http_1_0().field("connection", "keep-alive").bytes())
            .unwrap();
        let reply = ok().http_1_0().field("connection", "Keep-Alive");
        assert_eq!(envoy.server(&reply.bytes()).unwrap(), [head_of(&reply)]);
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.counts(), (2, 1));
    });
}

#[test]
fn early_response_must_not_close_and_its_request_stays_active() {
    for_every_cut(|envoy| {
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
        assert_eq!(envoy.counts(), (1, 0));
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
    });
}

#[test]
fn response_that_closes_needs_no_request() {
    let timeout = response(408)
        .field("connection", "close")
        .field("content-length", "0");
    let expected = ResponseHead {
        may_close: false,
        closes: true,
        ..head_of(&timeout)
    };
    for begun in [&b""[..], b"\r\n", b"GET / HT"] {
        for_every_cut(|envoy| {
            envoy.client(begun).unwrap();
            assert_eq!(envoy.server(&timeout.bytes()).unwrap(), [expected]);
            assert_eq!(envoy.counts(), (0, 0));
        });
    }
}

#[test]
fn other_responses_without_a_request_are_out_of_step() {
    for reply in [
        ok(),
        response(100),
        response(101).field("connection", "upgrade"),
        response(101).field("connection", "close"),
    ] {
        for_every_cut(|envoy| {
            assert_eq!(envoy.server(&reply.bytes()), Err(BypassReason::OutOfStep))
        });
        for_every_cut(|envoy| {
            envoy.client(&get().bytes()).unwrap();
            envoy.server(&ok().bytes()).unwrap();
            assert_eq!(envoy.server(&reply.bytes()), Err(BypassReason::OutOfStep));
        });
        for_every_cut(|envoy| {
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
fn tunnel_passes_everything_and_stays_active() {
    let switching = response(101)
        .field("upgrade", "websocket")
        .field("connection", "upgrade");
    for (sent, reply) in [
        (web_socket(), switching),
        (
            request("CONNECT", "shop.example:443"),
            response(200).field("transfer-encoding", "chunked"),
        ),
        (
            request("CONNECT", "shop.example:443").field("content-length", "0"),
            response(204),
        ),
    ] {
        for_every_cut(|envoy| {
            envoy.client(&sent.bytes()).unwrap();
            assert!(!envoy.connection.is_tunnel());
            let expected = ResponseHead {
                may_close: false,
                ..head_of(&reply)
            };
            assert_eq!(envoy.server(&reply.bytes()).unwrap(), [expected]);
            assert!(envoy.connection.is_tunnel());
            envoy.client(b"\0any bytes").unwrap();
            assert_eq!(envoy.server(b"\0any bytes").unwrap(), []);
            assert_eq!(envoy.counts(), (1, 1));
        });
    }
}

#[test]
fn tunnel_bytes_may_precede_the_response() {
    for_every_cut(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        envoy.client(b"\0some").unwrap();
        envoy.client(b"\0more").unwrap();
        assert_eq!(envoy.connection.active(), 1);
        envoy
            .server(&response(101).field("upgrade", "websocket").bytes())
            .unwrap();
        assert!(envoy.connection.is_tunnel());
    });
}

#[test]
fn declined_tunnel_continues_unless_envoy_took_its_bytes() {
    for_every_cut(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.counts(), (2, 1));
    });
    for_every_cut(|envoy| {
        envoy.client(&web_socket().bytes()).unwrap();
        envoy.client(b"\0some").unwrap();
        envoy.client(b"\0more").unwrap();
        assert_eq!(envoy.server(&ok().bytes()), Err(BypassReason::OutOfStep));
    });
    for incomplete_offer in [
        get().field("upgrade", "x"),
        get().field("connection", "upgrade"),
    ] {
        for_every_cut(|envoy| {
            envoy.client(&incomplete_offer.bytes()).unwrap();
            let taken = envoy.client(b"\0some").and(envoy.client(b"\0more"));
            assert_eq!(taken, Err(BypassReason::OutOfStep));
        });
    }
    for_every_cut(|envoy| {
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
