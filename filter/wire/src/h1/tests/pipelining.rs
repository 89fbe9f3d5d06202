//! Pipelined requests.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::for_every_cut;
use super::messages::{get, ok, post, request, response};
use super::{ResponseHead, head_of};
use crate::BypassReason;

#[test]
fn pipelined_requests_defer_close() {
    let second = post().sized(b"12345").bytes();
    let third = get().bytes();
    for_every_cut(|envoy| {
        envoy
            .client_pipelined(&get().bytes(), &[&second[..], &third].concat())
            .unwrap();
        assert_eq!(envoy.counts(), (1, 2));
        let expected_head = ResponseHead {
            may_close: false,
            ..head_of(&ok())
        };
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [expected_head]);
        assert_eq!(envoy.counts(), (1, 1));
        envoy.resume(second.len()).unwrap();
        assert_eq!(envoy.counts(), (2, 2));
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [expected_head]);
        assert_eq!(envoy.buffered(), third.len());
        envoy.resume(third.len()).unwrap();
        assert_eq!(envoy.counts(), (3, 1));
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.counts(), (3, 0));
    });
}

#[test]
fn partial_pipelined_request_continues() {
    let next = get().bytes();
    for pipelined in 1..next.len() {
        for_every_cut(|envoy| {
            envoy
                .client_pipelined(&post().sized(b"12345").bytes(), &next[..pipelined])
                .unwrap();
            let expected_head = ResponseHead {
                may_close: false,
                ..head_of(&ok())
            };
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [expected_head]);
            envoy.resume(pipelined).unwrap();
            assert_eq!(envoy.counts(), (1, 1));
            envoy.client(&next[pipelined..]).unwrap();
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
            assert_eq!(envoy.counts(), (2, 0));
        });
    }
}

#[test]
fn buffered_bytes_may_be_handed_over_again_and_grow() {
    let next = get().bytes();
    for_every_cut(|envoy| {
        envoy.client_pipelined(&get().bytes(), &next[..3]).unwrap();
        envoy.resume(0).unwrap();
        envoy.client_pipelined(b"", &next[3..]).unwrap();
        envoy.resume(0).unwrap();
        assert_eq!(envoy.counts(), (1, 2));
        envoy.server(&ok().bytes()).unwrap();
        envoy.resume(next.len()).unwrap();
        assert_eq!(envoy.counts(), (2, 1));
    });
}

#[test]
fn buffered_empty_line_is_not_a_request() {
    for_every_cut(|envoy| {
        envoy
            .client_pipelined(&post().sized(b"12345").bytes(), b"\r\n")
            .unwrap();
        assert_eq!(envoy.connection.active(), 1);
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.connection.active(), 0);
        envoy.resume(2).unwrap();
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.counts(), (2, 1));
    });
}

#[test]
fn envoy_may_take_an_empty_line_without_callback() {
    for_every_cut(|envoy| {
        envoy
            .client_pipelined(&post().sized(b"12345").bytes(), b"\r\n")
            .unwrap();
        envoy.server(&ok().bytes()).unwrap();
        envoy.take_all_without_callback();
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.counts(), (2, 1));
    });
}

/// Envoy takes a request to which it responds by itself (a redirect, a rate limit) without a callback.
#[test]
fn local_replies_to_pipelined_requests_are_followed() {
    let pipelined = [
        get().bytes(),
        post().sized(b"12345").bytes(),
        request("HEAD", "/").bytes(),
        get().bytes(),
    ];
    for_every_cut(|envoy| {
        envoy
            .client_pipelined(&get().bytes(), &pipelined.concat())
            .unwrap();
        let limited = || response(429).sized(b"slow down");
        let expected_head = ResponseHead {
            may_close: false,
            ..head_of(&limited())
        };
        let bare = response(429).field("content-length", "9");
        for (number, reply) in [limited(), response(100), limited(), limited(), bare]
            .iter()
            .enumerate()
        {
            let heads = envoy.server(&reply.bytes()).unwrap();
            let expected = ResponseHead {
                may_close: false,
                ..head_of(reply)
            };
            assert_eq!(heads, if number == 1 { vec![] } else { vec![expected] });
            if number == 0 {
                assert_eq!(heads, [expected_head]);
                envoy.take_all_without_callback();
            }
        }
        assert_eq!(
            envoy.server(&limited().bytes()).unwrap(),
            [head_of(&limited())]
        );
        assert_eq!(envoy.counts(), (5, 0));
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.connection.requests(), 6);
    });
}

#[test]
fn request_taken_without_callback_is_active_when_more_arrives() {
    let (second, third) = (get().bytes(), post().sized(b"12345").bytes());
    for_every_cut(|envoy| {
        envoy
            .client_pipelined(&get().bytes(), &[&second[..], &third].concat())
            .unwrap();
        envoy.server(&ok().bytes()).unwrap();
        envoy.take_without_callback(second.len());
        envoy.client_pipelined(b"", &get().bytes()).unwrap();
        assert_eq!(envoy.counts(), (2, 2));
        envoy.server(&ok().bytes()).unwrap();
        envoy.resume(third.len()).unwrap();
        envoy.server(&ok().bytes()).unwrap();
        assert_eq!(envoy.connection.requests(), 3);
    });
}

/// Random requests in random batches, with a response from Envoy itself or from upstream: each head belongs to its
/// request, and close is offered only where no request is pipelined.
#[test]
fn scanner_stays_in_step_with_local_and_upstream_responses() {
    let mut random = 1_u64;
    let mut any = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for _ in 0..3000 {
        let requests: Vec<_> = (0..1 + any(40))
            .map(|_| match any(4) {
                0 => (request("HEAD", "/").bytes(), true),
                1 => (post().sized(&b"0123456789"[..1 + any(9)]).bytes(), false),
                2 => (get().field("cookie", &"c".repeat(any(60))).bytes(), false),
                _ => (get().bytes(), false),
            })
            .collect();
        let mut connection = super::super::Http1Scanner::default();
        let mut completed = 0;
        while completed < requests.len() {
            // The client sends a batch, and Envoy takes one request after the other.
            let batch = 1 + any(requests.len() - completed);
            let mut buffer: Vec<u8> = requests[completed..completed + batch]
                .iter()
                .flat_map(|(bytes, _)| bytes.clone())
                .collect();
            connection.scan_downstream(&mut buffer.as_slice()).unwrap();
            for left in (0..batch).rev() {
                let (bytes, is_head) = &requests[completed];
                buffer.drain(..bytes.len());
                completed += 1;
                let reply = if *is_head {
                    response(200).field("content-length", "9")
                } else {
                    response(200).sized(&b"0123456789"[..any(10)])
                };
                let head = connection
                    .scan_upstream(&mut reply.bytes().as_slice())
                    .unwrap();
                let expected = ResponseHead {
                    may_close: left == 0,
                    ..head_of(&reply)
                };
                assert_eq!(head, Some(expected));
                assert_eq!(connection.requests(), u64::try_from(completed).unwrap());
                let is_local_reply = any(2) == 0;
                if !is_local_reply && left > 0 {
                    connection.scan_downstream(&mut buffer.as_slice()).unwrap();
                } else if left > 32 {
                    // More requests are pipelined than are scanned in advance.
                    connection.scan_downstream(&mut buffer.as_slice()).unwrap();
                }
            }
            assert_eq!(connection.active(), 0);
        }
    }
}

#[test]
fn partial_request_taken_without_callback_is_out_of_step() {
    let next = get().bytes();
    for pipelined in 1..next.len() {
        for_every_cut(|envoy| {
            envoy
                .client_pipelined(&get().bytes(), &next[..pipelined])
                .unwrap();
            envoy.server(&ok().bytes()).unwrap();
            envoy.take_all_without_callback();
            assert_eq!(
                envoy.client(&next[pipelined..]),
                Err(BypassReason::OutOfStep)
            );
        });
    }
}

#[test]
fn taken_bytes_are_noticed_even_if_the_next_ones_begin_alike() {
    let next = get().field("cookie", &"c".repeat(100)).bytes();
    for_every_cut(|envoy| {
        envoy.client_pipelined(&get().bytes(), &next).unwrap();
        envoy.server(&ok().bytes()).unwrap();
        envoy.take_all_without_callback();
        envoy
            .client_pipelined(b"", &next[..next.len() - 1])
            .unwrap();
        assert_eq!(
            envoy.counts(),
            (2, 2),
            "the second is active, and a part of a third is buffered"
        );
    });
}

#[test]
fn many_empty_lines_may_precede_a_pipelined_request() {
    let next = [b"\r\n".repeat(20), get().bytes()].concat();
    for_every_cut(|envoy| {
        envoy.client_pipelined(&get().bytes(), &next).unwrap();
        assert_eq!(envoy.connection.active(), 2);
        let expected_head = ResponseHead {
            may_close: false,
            ..head_of(&ok())
        };
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [expected_head]);
        envoy.resume(next.len()).unwrap();
        assert_eq!(envoy.counts(), (2, 1));
    });
}

#[test]
fn pipelined_bytes_after_a_response_that_closes_pass() {
    for_every_cut(|envoy| {
        let reply = ok().field("connection", "close");
        envoy
            .client_pipelined(&get().bytes(), &get().bytes())
            .unwrap();
        let expected = ResponseHead {
            may_close: false,
            closes: true,
            ..head_of(&reply)
        };
        assert_eq!(envoy.server(&reply.bytes()).unwrap(), [expected]);
        assert_eq!(envoy.counts(), (1, 0));
        envoy.client(b"\0garbage").unwrap();
        assert_eq!(envoy.counts(), (1, 0));
    });
}
