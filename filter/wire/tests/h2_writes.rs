//! Pushed streams, GOAWAY, aborted responses, and where a frame fits. Every test also runs with its bytes cut.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_support;

use evenkeel_wire::h2::{AbortedResponse, Http2Scanner, LastStreamEnd};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn not_alone_at(frame_at: usize) -> Option<LastStreamEnd> {
    Some(LastStreamEnd {
        frame_at: Some(frame_at),
        was_alone: false,
    })
}

#[test]
fn pushed_stream_is_active_until_the_server_ends_it() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        peers.server(&[push_promise(END_HEADERS, 1, 2), response(1)].concat());
        assert_eq!(
            (
                peers.active(),
                peers.connection.requests(),
                peers.connection.last_stream_id()
            ),
            (1, 1, 1)
        );
        assert_eq!(
            peers.server(&response(2)).last_stream_end,
            not_alone_at(HEADER + BLOCK.len())
        );
        assert!(!peers.connection.multiplexes());
    });
}

#[test]
fn push_promise_may_be_padded_and_continued() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        let promised = [&[3][..], &2_u32.to_be_bytes(), BLOCK, &[0; 3]].concat();
        let write = peers.server(&frame(PUSH_PROMISE, PADDED, 1, &promised));
        assert!(!write.fits_at_end);
        peers.server(&[frame(CONTINUATION, END_HEADERS, 1, BLOCK), response(1)].concat());
        assert_eq!(peers.active(), 1);
        peers.client(&[window_update(2, 9), reset(2)].concat());
        assert_eq!(peers.active(), 0);
    });
}

#[test]
fn streams_refused_by_a_server_goaway_are_not_counted() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[get(1), headers(END_HEADERS, 3)].concat());
        assert!(peers.server(&peer_goaway(1)).has_goaway);
        assert_eq!((peers.active(), peers.connection.requests()), (1, 2));
        peers.client(&[data(END_STREAM, 3, 8), get(5)].concat());
        assert_eq!((peers.active(), peers.connection.requests()), (1, 2));
        let write = peers.server(&response(1));
        assert!(write.last_stream_end.is_some() && !write.has_goaway);
    });
}

#[test]
fn graceful_server_goaway_refuses_no_stream() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        peers.server(&peer_goaway((1 << 31) - 1));
        peers.client(&get(3));
        assert_eq!((peers.active(), peers.connection.requests()), (2, 2));
    });
}

#[test]
fn client_goaway_refuses_only_pushed_streams() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        peers.server(
            &[
                push_promise(END_HEADERS, 1, 2),
                push_promise(END_HEADERS, 1, 4),
            ]
            .concat(),
        );
        peers.client(&peer_goaway(2));
        assert_eq!(peers.active(), 2);
        peers.server(&[response(4), push_promise(END_HEADERS, 1, 6), response(2)].concat());
        assert_eq!(peers.active(), 1);
        assert!(peers.server(&response(1)).last_stream_end.is_some());
    });
}

#[test]
fn no_frame_fits_before_the_server_settings() {
    for_every_cut(|peers| {
        let write = peers.server(&settings(&[(3, 100), (4, 65_535)]));
        assert!(!write.fits_at_start && write.fits_at_end);
        let write = peers.server(&[]);
        assert!(write.fits_at_start && write.fits_at_end);
    });
}

#[test]
fn no_frame_fits_inside_a_frame() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        let body = data(END_STREAM, 1, 20);
        let (head, tail) = body.split_at(12);
        let write = peers.server(&[headers(END_HEADERS, 1), head.to_vec()].concat());
        assert!(write.fits_at_start && !write.fits_at_end);
        let write = peers.server(tail);
        assert!(!write.fits_at_start && write.fits_at_end);
        assert_eq!(
            write.last_stream_end,
            Some(LastStreamEnd {
                frame_at: None,
                was_alone: true
            })
        );
    });
}

#[test]
fn push_promise_after_the_last_response_keeps_the_connection_active() {
    // Only uncut: with a cut after the response, the first piece ends the last stream.
    let mut connection = Http2Scanner::default();
    connection
        .scan_downstream(&mut [client_preface(), get(1)].concat().as_slice())
        .unwrap();
    let bytes = [
        server_preface(),
        push_promise(END_HEADERS, 1, 2),
        reset(2),
        get(1),
    ]
    .concat();
    assert!(
        connection
            .scan_upstream(&mut bytes.as_slice())
            .unwrap()
            .last_stream_end
            .is_some()
    );
    connection.scan_downstream(&mut get(3).as_slice()).unwrap();
    let bytes = [reset(3), push_promise(END_HEADERS, 3, 4)].concat();
    assert_eq!(
        connection
            .scan_upstream(&mut bytes.as_slice())
            .unwrap()
            .last_stream_end,
        None
    );
}

#[test]
fn aborted_response_is_reported() {
    let aborted = |frame_at, client_ended| {
        Some(AbortedResponse {
            stream: 1,
            frame_at: Some(frame_at),
            client_ended,
        })
    };
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&get(1));
        peers.server(&headers(END_HEADERS, 1));
        assert_eq!(peers.server(&reset(1)).aborted_response, aborted(0, true));
    });
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&headers(END_HEADERS, 1));
        let write = [headers(END_HEADERS, 1), reset(1)].concat();
        assert_eq!(
            peers.server(&write).aborted_response,
            aborted(HEADER + BLOCK.len(), false)
        );
    });
}

#[test]
fn reset_outside_a_response_aborts_nothing() {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(&[get(1), headers(END_HEADERS, 3)].concat());
        assert_eq!(peers.server(&reset(1)).aborted_response, None);
        assert_eq!(
            peers
                .server(&[response(3), reset(3)].concat())
                .aborted_response,
            None
        );
    });
}
