//! What the scanner does not follow: it makes the connection opaque, in both directions and for ever.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_support;

use evenkeel_wire::BypassReason;
use evenkeel_wire::h2::{Http2Scanner, MAX_FRAME, MAX_STREAMS, PREFACE};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The first of these bytes from the client must make a greeted connection opaque.
fn client_may_not(opaque: BypassReason, before: &[u8], bytes: &[u8]) {
    however_cut(|talk| {
        talk.greet();
        talk.client(before);
        assert_eq!(talk.try_client(bytes), Err(opaque));
        assert_eq!(talk.try_server(&answer(1)), Err(opaque));
    });
}

/// As the client's, behind requests of the client.
fn server_may_not(opaque: BypassReason, requests: &[u8], bytes: &[u8]) {
    however_cut(|talk| {
        talk.greet();
        talk.client(requests);
        assert_eq!(talk.try_server(bytes), Err(opaque));
        assert_eq!(talk.try_client(&get(99)), Err(opaque));
    });
}

#[test]
fn nothing_stands_inside_a_header_block() {
    let open = headers(NONE, 1);
    for intruder in [
        frame(PING, NONE, 0, &[0; 8]),
        data(NONE, 1, 0),
        headers(END_HEADERS, 1),
        frame(CONTINUATION, END_HEADERS, 3, BLOCK),
        frame(GREASE, NONE, 0, BLOCK),
        window_update(0, 1),
    ] {
        client_may_not(BypassReason::Frame, &open, &intruder);
        server_may_not(
            BypassReason::Frame,
            &[get(1), get(3)].concat(),
            &[open.clone(), intruder].concat(),
        );
    }
    let stray = frame(CONTINUATION, END_HEADERS, 1, BLOCK);
    client_may_not(BypassReason::Frame, &get(1), &stray);
    server_may_not(BypassReason::Frame, &get(1), &stray);
}

#[test]
fn peers_begin_with_their_prefaces() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        however_cut(|talk| assert_eq!(talk.try_client(bytes), Err(BypassReason::Frame)));
    }
    for first in [
        get(1),
        frame(SETTINGS, ACK, 0, &[]),
        window_update(0, 1),
        frame(GREASE, NONE, 0, &[]),
    ] {
        let bytes = [PREFACE.as_slice(), &first].concat();
        however_cut(|talk| assert_eq!(talk.try_client(&bytes), Err(BypassReason::Frame)));
        however_cut(|talk| assert_eq!(talk.try_server(&first), Err(BypassReason::Frame)));
    }
}

#[test]
fn clients_open_streams_in_their_order() {
    client_may_not(BypassReason::Frame, &[], &get(2));
    client_may_not(BypassReason::Frame, &get(5), &get(3));
    client_may_not(BypassReason::Frame, &get(5), &headers(END_HEADERS, 3));
    client_may_not(
        BypassReason::Frame,
        &[],
        &frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 4]),
    );
}

#[test]
fn a_stream_that_was_never_opened_has_no_frames() {
    for bytes in [
        data(NONE, 3, 4),
        window_update(3, 4),
        reset(3),
        window_update(2, 4),
        reset(2),
    ] {
        client_may_not(BypassReason::Frame, &get(1), &bytes);
        server_may_not(BypassReason::Frame, &get(1), &bytes);
    }
    server_may_not(BypassReason::Frame, &get(1), &headers(END_HEADERS, 3));
    server_may_not(BypassReason::Frame, &get(1), &headers(END_HEADERS, 2));
    server_may_not(
        BypassReason::Frame,
        &get(1),
        &push_promise(END_HEADERS, 3, 2),
    );
}

#[test]
fn promises_have_even_ids_in_order_on_streams_of_the_client() {
    server_may_not(
        BypassReason::Frame,
        &get(1),
        &push_promise(END_HEADERS, 1, 3),
    );
    for second in [
        push_promise(END_HEADERS, 1, 4),
        push_promise(END_HEADERS, 1, 2),
        push_promise(END_HEADERS, 4, 6),
    ] {
        server_may_not(
            BypassReason::Frame,
            &get(1),
            &[push_promise(END_HEADERS, 1, 4), second].concat(),
        );
    }
}

#[test]
fn who_has_ended_a_stream_says_no_more_on_it() {
    client_may_not(BypassReason::Frame, &get(1), &data(NONE, 1, 4));
    client_may_not(BypassReason::Frame, &get(1), &get(1));
    server_may_not(
        BypassReason::Frame,
        &headers(END_HEADERS, 1),
        &[answer(1), data(NONE, 1, 4)].concat(),
    );
    server_may_not(
        BypassReason::Frame,
        &headers(END_HEADERS, 1),
        &[answer(1), get(1)].concat(),
    );
}

#[test]
fn a_client_that_goes_on_after_a_whole_exchange_is_not_followed() {
    for bytes in [data(NONE, 1, 4), get(1), headers(END_HEADERS, 1)] {
        however_cut(|talk| {
            talk.greet();
            talk.client(&get(1));
            talk.server(&answer(1));
            assert_eq!(talk.try_client(&bytes), Err(BypassReason::Frame));
        });
    }
}

#[test]
fn frames_of_a_wrong_size_are_not_followed() {
    for bytes in [
        frame(RST_STREAM, NONE, 1, &[0; 5]),
        frame(PING, NONE, 0, &[0; 7]),
        frame(SETTINGS, NONE, 0, &[0; 7]),
        frame(WINDOW_UPDATE, NONE, 0, &[0; 3]),
        frame(GOAWAY, NONE, 0, &[0; 7]),
    ] {
        client_may_not(BypassReason::Frame, &get(1), &bytes);
        server_may_not(BypassReason::Frame, &get(1), &bytes);
    }
}

#[test]
fn a_frame_that_is_too_long_is_not_followed() {
    let longest = usize::try_from(MAX_FRAME).unwrap();
    let mut connection = Http2Scanner::default();
    let opening = [
        client_greeting(),
        headers(END_HEADERS, 1),
        data(NONE, 1, longest),
    ]
    .concat();
    assert_eq!(connection.scan_downstream(&mut opening.as_slice()), Ok(()));
    let mut too_long = data(NONE, 1, longest + 1);
    too_long.truncate(HEADER);
    assert_eq!(
        connection.scan_downstream(&mut too_long.as_slice()),
        Err(BypassReason::Frame)
    );
}

#[test]
fn more_streams_than_are_followed_make_it_opaque() {
    let mut connection = Http2Scanner::default();
    connection
        .scan_downstream(&mut client_greeting().as_slice())
        .unwrap();
    let opened = u32::try_from(MAX_STREAMS).unwrap();
    for stream in (0..opened).map(|nth| 2 * nth + 1) {
        assert_eq!(
            connection.scan_downstream(&mut get(stream).as_slice()),
            Ok(())
        );
    }
    assert_eq!(connection.active(), opened);
    let one_more = get(2 * opened + 1);
    assert_eq!(
        connection.scan_downstream(&mut one_more.as_slice()),
        Err(BypassReason::TooManyStreams)
    );
}
