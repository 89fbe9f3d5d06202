//! Requests that come before their turn.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::tell;
use super::messages::{answer, get, ok, post, request};
use super::{ResponseHead, head_of};
use crate::BypassReason;

#[test]
fn a_request_ahead_is_scanned_in_its_turn_and_nothing_is_told_to_close_before() {
    let second = post().sized(b"12345").bytes();
    let third = get().bytes();
    tell(|envoy| {
        envoy
            .client_ahead(&get().bytes(), &[&second[..], &third].concat())
            .unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (1, 2)
        );
        let waits = ResponseHead {
            may_close: false,
            ..head_of(&ok())
        };
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [waits]);
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (1, 1)
        );
        envoy.resume(second.len()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 2)
        );
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [waits]);
        assert_eq!(envoy.holds(), third.len());
        envoy.resume(third.len()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (3, 1)
        );
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (3, 0)
        );
    });
}

#[test]
fn a_part_of_a_request_ahead_goes_on_where_it_stopped() {
    let next = get().bytes();
    for ahead in 1..next.len() {
        tell(|envoy| {
            envoy
                .client_ahead(&post().sized(b"12345").bytes(), &next[..ahead])
                .unwrap();
            let waits = ResponseHead {
                may_close: false,
                ..head_of(&ok())
            };
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [waits]);
            envoy.resume(ahead).unwrap();
            assert_eq!(
                (envoy.connection.requests(), envoy.connection.active()),
                (1, 1)
            );
            envoy.client(&next[ahead..]).unwrap();
            assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
            assert_eq!(
                (envoy.connection.requests(), envoy.connection.active()),
                (2, 0)
            );
        });
    }
}

#[test]
fn what_waits_may_come_again_and_grow_before_the_answer() {
    let next = get().bytes();
    tell(|envoy| {
        envoy.client_ahead(&get().bytes(), &next[..3]).unwrap();
        envoy.resume(0).unwrap();
        envoy.client_ahead(b"", &next[3..]).unwrap();
        envoy.resume(0).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (1, 2)
        );
        envoy.server(&ok().bytes()).unwrap();
        envoy.resume(next.len()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 1)
        );
    });
}

#[test]
fn an_empty_line_ahead_is_no_request() {
    tell(|envoy| {
        envoy
            .client_ahead(&post().sized(b"12345").bytes(), b"\r\n")
            .unwrap();
        assert_eq!(envoy.connection.active(), 1);
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.connection.active(), 0);
        envoy.resume(2).unwrap();
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 1)
        );
    });
}

#[test]
fn an_empty_line_that_the_proxy_took_by_itself_does_not_matter() {
    tell(|envoy| {
        envoy
            .client_ahead(&post().sized(b"12345").bytes(), b"\r\n")
            .unwrap();
        envoy.server(&ok().bytes()).unwrap();
        envoy.takes_in_its_own_loop();
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 1)
        );
    });
}

/// What Envoy answers by itself (a redirect, a rate limit), it takes in a loop that no filter sees.
#[test]
fn requests_that_the_proxy_answers_by_itself_are_followed_in_their_turn() {
    let ahead = [
        get().bytes(),
        post().sized(b"12345").bytes(),
        request("HEAD", "/").bytes(),
        get().bytes(),
    ];
    tell(|envoy| {
        envoy.client_ahead(&get().bytes(), &ahead.concat()).unwrap();
        let limited = || answer(429).sized(b"slow down");
        let waits = ResponseHead {
            may_close: false,
            ..head_of(&limited())
        };
        let bare = answer(429).field("content-length", "9");
        for (number, reply) in [limited(), answer(100), limited(), limited(), bare]
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
                assert_eq!(heads, [waits]);
                envoy.takes_in_its_own_loop();
            }
        }
        assert_eq!(
            envoy.server(&limited().bytes()).unwrap(),
            [head_of(&limited())]
        );
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (5, 0)
        );
        envoy.client(&get().bytes()).unwrap();
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [head_of(&ok())]);
        assert_eq!(envoy.connection.requests(), 6);
    });
}

#[test]
fn a_request_that_the_proxy_takes_by_itself_and_sends_on_is_in_hand_when_more_comes() {
    let (second, third) = (get().bytes(), post().sized(b"12345").bytes());
    tell(|envoy| {
        envoy
            .client_ahead(&get().bytes(), &[&second[..], &third].concat())
            .unwrap();
        envoy.server(&ok().bytes()).unwrap();
        envoy.takes(second.len());
        envoy.client_ahead(b"", &get().bytes()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 2)
        );
        envoy.server(&ok().bytes()).unwrap();
        envoy.resume(third.len()).unwrap();
        envoy.server(&ok().bytes()).unwrap();
        assert_eq!(envoy.connection.requests(), 3);
    });
}

/// Any order of requests, in any portions, each answered by the proxy itself or by an upstream: every head is
/// the one of its request, and closes only where nothing waits.
#[test]
fn whoever_answers_what_waits_the_scanner_stays_in_step() {
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
        let mut answered = 0;
        while answered < requests.len() {
            // So many come at once, and Envoy takes one after the other.
            let batch = 1 + any(requests.len() - answered);
            let mut held: Vec<u8> = requests[answered..answered + batch]
                .iter()
                .flat_map(|(bytes, _)| bytes.clone())
                .collect();
            connection.scan_downstream(&mut held.as_slice()).unwrap();
            for left in (0..batch).rev() {
                let (bytes, is_head) = &requests[answered];
                held.drain(..bytes.len());
                answered += 1;
                let reply = if *is_head {
                    answer(200).field("content-length", "9")
                } else {
                    answer(200).sized(&b"0123456789"[..any(10)])
                };
                let heads = connection
                    .scan_upstream(&mut reply.bytes().as_slice())
                    .unwrap();
                assert_eq!(
                    heads,
                    [ResponseHead {
                        may_close: left == 0,
                        ..head_of(&reply)
                    }]
                );
                assert_eq!(connection.requests(), u64::try_from(answered).unwrap());
                let is_by_itself = any(2) == 0;
                if !is_by_itself && left > 0 {
                    connection.scan_downstream(&mut held.as_slice()).unwrap();
                } else if left > 32 {
                    // More wait than are scanned ahead.
                    connection.scan_downstream(&mut held.as_slice()).unwrap();
                }
            }
            assert_eq!(connection.active(), 0);
        }
    }
}

#[test]
fn a_request_that_the_proxy_took_by_itself_is_out_of_step_when_other_bytes_come() {
    let next = get().bytes();
    for ahead in 1..next.len() {
        tell(|envoy| {
            envoy.client_ahead(&get().bytes(), &next[..ahead]).unwrap();
            envoy.server(&ok().bytes()).unwrap();
            envoy.takes_in_its_own_loop();
            assert_eq!(envoy.client(&next[ahead..]), Err(BypassReason::OutOfStep));
        });
    }
}

#[test]
fn bytes_that_were_taken_are_missed_even_when_what_comes_begins_like_them() {
    let next = get().field("cookie", &"c".repeat(100)).bytes();
    tell(|envoy| {
        envoy.client_ahead(&get().bytes(), &next).unwrap();
        envoy.server(&ok().bytes()).unwrap();
        envoy.takes_in_its_own_loop();
        envoy.client_ahead(b"", &next[..next.len() - 1]).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 2),
            "the second is in hand, and a part of a third waits"
        );
    });
}

#[test]
fn more_empty_lines_than_are_kept_may_hide_a_request() {
    let next = [b"\r\n".repeat(20), get().bytes()].concat();
    tell(|envoy| {
        envoy.client_ahead(&get().bytes(), &next).unwrap();
        assert_eq!(envoy.connection.active(), 2);
        let waits = ResponseHead {
            may_close: false,
            ..head_of(&ok())
        };
        assert_eq!(envoy.server(&ok().bytes()).unwrap(), [waits]);
        envoy.resume(next.len()).unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (2, 1)
        );
    });
}

#[test]
fn what_waits_behind_an_answer_that_closes_is_let_pass() {
    tell(|envoy| {
        let reply = ok().field("connection", "close");
        envoy.client_ahead(&get().bytes(), &get().bytes()).unwrap();
        let expected = ResponseHead {
            may_close: false,
            closes: true,
            ..head_of(&reply)
        };
        assert_eq!(envoy.server(&reply.bytes()).unwrap(), [expected]);
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (1, 0)
        );
        envoy.client(b"\0garbage").unwrap();
        assert_eq!(
            (envoy.connection.requests(), envoy.connection.active()),
            (1, 0)
        );
    });
}
