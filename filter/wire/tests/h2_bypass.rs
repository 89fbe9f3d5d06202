//! What makes a connection bypassed, in both directions.
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_support;

use evenkeel_wire::h2::{Http2Scanner, MAX_FRAME, MAX_STREAMS, PREFACE};
use evenkeel_wire::{BypassReason, ConnectionScanner, Detection, Protocol};
use h2_support::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Asserts that `bytes` of the client, after `before`, make the connection bypassed.
fn assert_client_is_bypassed(reason: BypassReason, before: &[u8], bytes: &[u8]) {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(before);
        assert_eq!(peers.try_client(bytes), Err(reason));
        assert_eq!(peers.try_server(&response(1)), Err(reason));
    });
}

/// Asserts that `bytes` of the server, after `requests` of the client, make the connection bypassed.
fn assert_server_is_bypassed(reason: BypassReason, requests: &[u8], bytes: &[u8]) {
    for_every_cut(|peers| {
        peers.exchange_prefaces();
        peers.client(requests);
        assert_eq!(peers.try_server(bytes), Err(reason));
        assert_eq!(peers.try_client(&get(99)), Err(reason));
    });
}

#[test]
fn no_frame_may_interrupt_a_header_block() {
    let open = headers(NONE, 1);
    for intruder in [
        frame(PING, NONE, 0, &[0; 8]),
        data(NONE, 1, 0),
        headers(END_HEADERS, 1),
        frame(CONTINUATION, END_HEADERS, 3, BLOCK),
        frame(GREASE, NONE, 0, BLOCK),
        window_update(0, 1),
    ] {
        assert_client_is_bypassed(BypassReason::Frame, &open, &intruder);
        assert_server_is_bypassed(
            BypassReason::Frame,
            &[get(1), get(3)].concat(),
            &[open.clone(), intruder].concat(),
        );
    }
    let continuation = frame(CONTINUATION, END_HEADERS, 1, BLOCK);
    assert_client_is_bypassed(BypassReason::Frame, &get(1), &continuation);
    assert_server_is_bypassed(BypassReason::Frame, &get(1), &continuation);
}

/// Envoy writes its SETTINGS after `PRI * HTTP/2`, and it takes a shorter first read for HTTP/1.
#[test]
fn server_may_write_before_the_end_of_the_client_preface() {
    for (length, protocol) in (1..PREFACE.len()).map(|length| match length {
        ..12 => (length, Protocol::Tcp),
        12.. => (length, Protocol::Http2),
    }) {
        let (begin, rest) = PREFACE.split_at(length);
        let mut connection = ConnectionScanner::new();
        connection.scan_downstream(&mut &*begin);

        connection.scan_upstream(&mut server_preface().as_slice());

        let detected = Detection::Detected(protocol);
        assert_eq!(connection.detection(), detected, "{length}");
        if protocol == Protocol::Http2 {
            let rest = [rest, &settings(&[]), &get(1)].concat();
            connection.scan_downstream(&mut rest.as_slice());
            assert_eq!(connection.detection(), detected, "{length}");
            assert_eq!(connection.progress().requests, 1, "{length}");
        }
    }
}

#[test]
fn connection_must_begin_with_the_prefaces() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        for_every_cut(|peers| assert_eq!(peers.try_client(bytes), Err(BypassReason::Frame)));
    }
    for first in [
        get(1),
        frame(SETTINGS, ACK, 0, &[]),
        window_update(0, 1),
        frame(GREASE, NONE, 0, &[]),
    ] {
        let bytes = [PREFACE.as_slice(), &first].concat();
        for_every_cut(|peers| assert_eq!(peers.try_client(&bytes), Err(BypassReason::Frame)));
        for_every_cut(|peers| assert_eq!(peers.try_server(&first), Err(BypassReason::Frame)));
    }
}

#[test]
fn client_stream_ids_must_be_odd_and_increase() {
    assert_client_is_bypassed(BypassReason::Frame, &[], &get(2));
    assert_client_is_bypassed(BypassReason::Frame, &get(5), &get(3));
    assert_client_is_bypassed(BypassReason::Frame, &get(5), &headers(END_HEADERS, 3));
    assert_client_is_bypassed(
        BypassReason::Frame,
        &[],
        &frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 4]),
    );
}

#[test]
fn frames_on_idle_streams_are_bypassed() {
    for bytes in [
        data(NONE, 3, 4),
        window_update(3, 4),
        reset(3),
        window_update(2, 4),
        reset(2),
    ] {
        assert_client_is_bypassed(BypassReason::Frame, &get(1), &bytes);
        assert_server_is_bypassed(BypassReason::Frame, &get(1), &bytes);
    }
    assert_server_is_bypassed(BypassReason::Frame, &get(1), &headers(END_HEADERS, 3));
    assert_server_is_bypassed(BypassReason::Frame, &get(1), &headers(END_HEADERS, 2));
    assert_server_is_bypassed(
        BypassReason::Frame,
        &get(1),
        &push_promise(END_HEADERS, 3, 2),
    );
}

#[test]
fn promised_stream_ids_must_be_even_and_increase() {
    assert_server_is_bypassed(
        BypassReason::Frame,
        &get(1),
        &push_promise(END_HEADERS, 1, 3),
    );
    for second in [
        push_promise(END_HEADERS, 1, 4),
        push_promise(END_HEADERS, 1, 2),
        push_promise(END_HEADERS, 4, 6),
    ] {
        assert_server_is_bypassed(
            BypassReason::Frame,
            &get(1),
            &[push_promise(END_HEADERS, 1, 4), second].concat(),
        );
    }
}

#[test]
fn frames_after_end_stream_are_bypassed() {
    assert_client_is_bypassed(BypassReason::Frame, &get(1), &data(NONE, 1, 4));
    assert_client_is_bypassed(BypassReason::Frame, &get(1), &get(1));
    assert_server_is_bypassed(
        BypassReason::Frame,
        &headers(END_HEADERS, 1),
        &[response(1), data(NONE, 1, 4)].concat(),
    );
    assert_server_is_bypassed(
        BypassReason::Frame,
        &headers(END_HEADERS, 1),
        &[response(1), get(1)].concat(),
    );
}

#[test]
fn client_frames_on_a_closed_stream_are_bypassed() {
    for bytes in [data(NONE, 1, 4), get(1), headers(END_HEADERS, 1)] {
        for_every_cut(|peers| {
            peers.exchange_prefaces();
            peers.client(&get(1));
            peers.server(&response(1));
            assert_eq!(peers.try_client(&bytes), Err(BypassReason::Frame));
        });
    }
}

#[test]
fn frames_of_wrong_length_are_bypassed() {
    for bytes in [
        frame(RST_STREAM, NONE, 1, &[0; 5]),
        frame(PING, NONE, 0, &[0; 7]),
        frame(SETTINGS, NONE, 0, &[0; 7]),
        frame(WINDOW_UPDATE, NONE, 0, &[0; 3]),
        frame(GOAWAY, NONE, 0, &[0; 7]),
    ] {
        assert_client_is_bypassed(BypassReason::Frame, &get(1), &bytes);
        assert_server_is_bypassed(BypassReason::Frame, &get(1), &bytes);
    }
}

#[test]
fn frame_above_the_maximum_length_is_bypassed() {
    let longest = usize::try_from(MAX_FRAME).unwrap();
    let mut connection = Http2Scanner::default();
    let opening = [
        client_preface(),
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
fn streams_above_the_maximum_are_bypassed() {
    let mut connection = Http2Scanner::default();
    connection
        .scan_downstream(&mut client_preface().as_slice())
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
