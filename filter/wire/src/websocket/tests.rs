//! Both directions of a WebSocket. The bytes of each test are also cut into short pieces.
#![allow(clippy::arithmetic_side_effects)]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::source::fakes::CountingSource;

const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A frame with this first byte and a payload of this length.
fn frame(first: u8, length: usize, mask: bool) -> Vec<u8> {
    let key = if mask { &[1, 2, 3, 4][..] } else { &[] };
    let bit = if mask { 0x80 } else { 0 };
    let size = match u16::try_from(length) {
        Ok(short @ ..=125) => vec![bit | u8::try_from(short).unwrap()],
        Ok(long) => [&[bit | 126][..], &long.to_be_bytes()].concat(),
        Err(_) => [&[bit | 127][..], &(length as u64).to_be_bytes()].concat(),
    };
    [&[first][..], &size, key, &vec![b'x'; length]].concat()
}

fn from_client(first: u8, length: usize) -> Vec<u8> {
    frame(first, length, true)
}

fn from_server(first: u8, length: usize) -> Vec<u8> {
    frame(first, length, false)
}

/// The report for the last write, with the bytes cut into pieces of `size`.
fn report_in_pieces(
    client: &[u8],
    server: &[u8],
    size: usize,
) -> Result<WebSocketWrite, BypassReason> {
    let mut connection = WebSocketScanner::default();
    for mut piece in client.chunks(size) {
        connection.scan_downstream(&mut piece)?;
    }
    let mut last = connection.scan_upstream(&mut &[][..])?;
    for mut piece in server.chunks(size) {
        last = connection.scan_upstream(&mut piece)?;
    }
    Ok(last)
}

/// The report for the last write, which must not depend on the cuts.
fn report(client: &[u8], server: &[u8]) -> Result<WebSocketWrite, BypassReason> {
    let whole = report_in_pieces(client, server, usize::MAX);
    for size in [1, 2, 3, 5, 7, 64] {
        assert_eq!(
            report_in_pieces(client, server, size),
            whole,
            "in pieces of {size}"
        );
    }
    whole
}

const BETWEEN_MESSAGES: WebSocketWrite = WebSocketWrite {
    fits_at_end: true,
    is_response: false,
    awaits_response: false,
};

#[test]
fn close_fits_between_messages() {
    assert_eq!(
        report(&[], &from_server(FIN | TEXT, 5)),
        Ok(BETWEEN_MESSAGES)
    );
    assert_eq!(
        report(&[], &from_server(FIN | TEXT, 300)),
        Ok(BETWEEN_MESSAGES)
    );
    assert_eq!(
        report(&[], &from_server(FIN | TEXT, 70_000)),
        Ok(BETWEEN_MESSAGES)
    );
    assert_eq!(
        report(&[], &from_server(FIN | TEXT, 0)),
        Ok(BETWEEN_MESSAGES)
    );
}

#[test]
fn close_does_not_fit_inside_a_frame() {
    let whole = from_server(FIN | TEXT, 200);
    for end in 1..whole.len() {
        assert!(
            !report(&[], &whole[..end]).unwrap().fits_at_end,
            "{end} bytes"
        );
    }
}

#[test]
fn close_does_not_fit_inside_a_message() {
    let mut message = from_server(RSV1 | TEXT, 5);
    assert!(!report(&[], &message).unwrap().fits_at_end);
    message.extend(from_server(FIN | PING, 5));
    assert!(!report(&[], &message).unwrap().fits_at_end);
    message.extend(from_server(CONTINUATION, 0));
    assert!(!report(&[], &message).unwrap().fits_at_end);
    message.extend(from_server(FIN | CONTINUATION, 5));
    assert!(report(&[], &message).unwrap().fits_at_end);
}

#[test]
fn close_does_not_fit_while_a_client_message_is_incomplete() {
    let ping = from_server(FIN | PING, 0);
    let whole = from_client(FIN | TEXT, 20);
    for end in 1..whole.len() {
        assert!(
            !report(&whole[..end], &ping).unwrap().fits_at_end,
            "{end} bytes"
        );
    }
    assert!(report(&whole, &ping).unwrap().fits_at_end);
    assert!(!report(&from_client(TEXT, 20), &ping).unwrap().fits_at_end);
}

#[test]
fn close_does_not_fit_after_a_close() {
    let close = from_server(FIN | CLOSE, 2);
    assert!(!report(&[], &close).unwrap().fits_at_end);
    let ping = from_server(FIN | PING, 0);
    assert!(
        !report(&from_client(FIN | CLOSE, 0), &ping)
            .unwrap()
            .fits_at_end
    );
    let then_ping = [close, ping].concat();
    assert!(!report(&[], &then_ping).unwrap().fits_at_end);
}

#[test]
fn control_frames_are_neither_requests_nor_responses() {
    let request = [from_client(FIN | TEXT, 5), from_client(FIN | PING, 5)].concat();
    let pong = from_server(FIN | PONG, 5);
    assert_eq!(
        report(&request, &pong),
        Ok(WebSocketWrite {
            awaits_response: true,
            ..BETWEEN_MESSAGES
        })
    );
    let response = from_server(FIN | TEXT, 5);
    assert_eq!(
        report(&request, &response),
        Ok(WebSocketWrite {
            is_response: true,
            ..BETWEEN_MESSAGES
        })
    );
    assert_eq!(
        report(&from_client(FIN | PING, 5), &response),
        Ok(BETWEEN_MESSAGES)
    );
}

#[test]
fn control_frames_are_not_messages() {
    let mut connection = WebSocketScanner::default();
    let mut has_message = |bytes: &[u8]| connection.scan_downstream(&mut &*bytes).unwrap();
    assert!(!has_message(&from_client(FIN | PONG, 5)));
    let message = from_client(FIN | TEXT, 5);
    assert!(has_message(&message[..1]));
    assert!(has_message(&message[1..8]));
    assert!(has_message(&message[8..]));
    assert!(!has_message(&from_client(FIN | CLOSE, 2)));
    assert!(!connection.is_over());
    connection
        .scan_upstream(&mut &from_server(FIN | CLOSE, 2)[..])
        .unwrap();
    assert!(connection.is_over());
}

#[test]
fn violations_of_rfc_6455_are_bypassed() {
    let text = || from_server(FIN | TEXT, 1);
    for (why, server) in [
        ("masked", frame(FIN | TEXT, 1, true)),
        ("RSV2", from_server(FIN | 0x20 | TEXT, 1)),
        ("RSV3", from_server(FIN | 0x10 | TEXT, 1)),
        ("reserved opcode", from_server(FIN | 0x3, 1)),
        ("reserved control opcode", from_server(FIN | 0xb, 1)),
        ("control in fragments", from_server(PING, 1)),
        ("long control", from_server(FIN | PING, 126)),
        ("compressed control", from_server(FIN | RSV1 | PING, 1)),
        ("incomplete status code", from_server(FIN | CLOSE, 1)),
        ("nothing to continue", from_server(FIN | CONTINUATION, 1)),
        (
            "message in a message",
            [from_server(TEXT, 1), text()].concat(),
        ),
        (
            "RSV1 in a continuation",
            [
                from_server(RSV1 | TEXT, 1),
                from_server(FIN | RSV1 | CONTINUATION, 1),
            ]
            .concat(),
        ),
        ("125 in three bytes", vec![FIN | TEXT, 126, 0, 125]),
        (
            "65535 in nine bytes",
            vec![FIN | TEXT, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        ),
        (
            "a length of 64 bits",
            vec![FIN | TEXT, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "message after Close",
            [from_server(FIN | CLOSE, 0), text()].concat(),
        ),
        (
            "two Closes",
            [from_server(FIN | CLOSE, 0), from_server(FIN | CLOSE, 0)].concat(),
        ),
    ] {
        assert_eq!(report(&[], &server), Err(BypassReason::Message), "{why}");
    }
    let bare = frame(FIN | TEXT, 1, false);
    assert_eq!(report(&bare, &[]), Err(BypassReason::Message), "unmasked");
}

#[test]
fn long_payload_is_not_read() {
    let mut connection = WebSocketScanner::default();
    let message = from_server(FIN | TEXT, 1_000_000);
    let two = [&message[..], &message].concat();
    let mut source = CountingSource::new(&two);
    connection.scan_upstream(&mut source).unwrap();
    assert_eq!(source.reads.len(), 2);
}

#[test]
fn empty_read_is_unreadable() {
    struct Empty;
    impl ByteSource for Empty {
        fn len(&self) -> usize {
            1
        }
        fn read(&mut self, _: usize, _: usize) -> Vec<u8> {
            Vec::new()
        }
    }
    assert_eq!(
        WebSocketScanner::default().scan_downstream(&mut Empty),
        Err(BypassReason::Unreadable)
    );
}

#[test]
fn close_frame_is_unmasked() {
    for (status, number) in [
        (StatusCode::GoingAway, 1001),
        (StatusCode::ServiceRestart, 1012_u16),
    ] {
        let close = close_frame(status);
        assert_eq!(close[2..4], number.to_be_bytes());
        assert!(close[4..].is_ascii());
        let mut connection = WebSocketScanner::default();
        connection
            .scan_downstream(&mut &from_client(FIN | CLOSE, 2)[..])
            .unwrap();
        connection.scan_upstream(&mut &close[..]).unwrap();
        assert!(connection.is_over());
    }
}

#[test]
fn scanner_has_its_documented_size() {
    assert_eq!(size_of::<WebSocketScanner>(), 72);
}
