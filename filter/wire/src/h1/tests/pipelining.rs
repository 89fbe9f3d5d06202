//! Requests that come before their turn.
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::envoy::tell;
use super::messages::{answer, get, ok, post};
use super::{Head, head_of};
use crate::Opaque;

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
        let waits = Head {
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
            let waits = Head {
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

#[test]
fn a_request_that_the_proxy_took_by_itself_is_out_of_step_when_it_is_answered() {
    for reply in [ok(), answer(100), answer(400).field("connection", "close")] {
        tell(|envoy| {
            envoy.client_ahead(&get().bytes(), &get().bytes()).unwrap();
            envoy.server(&ok().bytes()).unwrap();
            envoy.takes_in_its_own_loop();
            assert_eq!(envoy.server(&reply.bytes()), Err(Opaque::OutOfStep));
        });
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
            assert_eq!(envoy.client(&next[ahead..]), Err(Opaque::OutOfStep));
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
        assert_eq!(
            envoy.client(&next[..next.len() - 1]),
            Err(Opaque::OutOfStep)
        );
    });
}

#[test]
fn more_empty_lines_than_are_kept_may_hide_a_request() {
    let next = [b"\r\n".repeat(20), get().bytes()].concat();
    tell(|envoy| {
        envoy.client_ahead(&get().bytes(), &next).unwrap();
        assert_eq!(envoy.connection.active(), 2);
        let waits = Head {
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
        let expected = Head {
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
