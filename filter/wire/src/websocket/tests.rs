//! Both directions of a WebSocket, each conversation also cut at every byte.
#![allow(clippy::arithmetic_side_effects)]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// A frame with its first byte as it stands.
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

/// What the last of these callbacks from the server gives, the bytes in one piece or in pieces of `size`.
fn after(client: &[u8], server: &[u8], size: usize) -> Result<WebSocketWrite, BypassReason> {
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

/// As [`after`], the same whatever the cuts.
fn told(client: &[u8], server: &[u8]) -> Result<WebSocketWrite, BypassReason> {
    let whole = after(client, server, usize::MAX);
    for size in [1, 2, 3, 5, 7, 64] {
        assert_eq!(after(client, server, size), whole, "in pieces of {size}");
    }
    whole
}

const REST: WebSocketWrite = WebSocketWrite {
    fits_at_end: true,
    is_response: false,
    awaits_response: false,
};

#[test]
fn between_messages_a_close_fits() {
    assert_eq!(told(&[], &from_server(FIN | TEXT, 5)), Ok(REST));
    assert_eq!(told(&[], &from_server(FIN | TEXT, 300)), Ok(REST));
    assert_eq!(told(&[], &from_server(FIN | TEXT, 70_000)), Ok(REST));
    assert_eq!(told(&[], &from_server(FIN | TEXT, 0)), Ok(REST));
}

#[test]
fn inside_a_frame_it_does_not() {
    let whole = from_server(FIN | TEXT, 200);
    for end in 1..whole.len() {
        assert!(
            !told(&[], &whole[..end]).unwrap().fits_at_end,
            "{end} bytes"
        );
    }
}

#[test]
fn inside_a_message_it_does_not_not_even_behind_a_control_frame() {
    let mut message = from_server(RSV1 | TEXT, 5);
    assert!(!told(&[], &message).unwrap().fits_at_end);
    message.extend(from_server(FIN | PING, 5));
    assert!(!told(&[], &message).unwrap().fits_at_end);
    message.extend(from_server(CONTINUATION, 0));
    assert!(!told(&[], &message).unwrap().fits_at_end);
    message.extend(from_server(FIN | CONTINUATION, 5));
    assert!(told(&[], &message).unwrap().fits_at_end);
}

#[test]
fn while_the_client_is_in_the_middle_of_a_message_it_does_not() {
    let ping = from_server(FIN | PING, 0);
    let whole = from_client(FIN | TEXT, 20);
    for end in 1..whole.len() {
        assert!(
            !told(&whole[..end], &ping).unwrap().fits_at_end,
            "{end} bytes"
        );
    }
    assert!(told(&whole, &ping).unwrap().fits_at_end);
    assert!(!told(&from_client(TEXT, 20), &ping).unwrap().fits_at_end);
}

#[test]
fn behind_the_close_of_either_side_it_does_not() {
    let close = from_server(FIN | CLOSE, 2);
    assert!(!told(&[], &close).unwrap().fits_at_end);
    let ping = from_server(FIN | PING, 0);
    assert!(
        !told(&from_client(FIN | CLOSE, 0), &ping)
            .unwrap()
            .fits_at_end
    );
    let then_ping = [close, ping].concat();
    assert!(!told(&[], &then_ping).unwrap().fits_at_end);
}

#[test]
fn who_has_spoken_last_is_a_matter_of_messages_and_not_of_control_frames() {
    let asked = [from_client(FIN | TEXT, 5), from_client(FIN | PING, 5)].concat();
    let pong = from_server(FIN | PONG, 5);
    assert_eq!(
        told(&asked, &pong),
        Ok(WebSocketWrite {
            awaits_response: true,
            ..REST
        })
    );
    let answer = from_server(FIN | TEXT, 5);
    assert_eq!(
        told(&asked, &answer),
        Ok(WebSocketWrite {
            is_response: true,
            ..REST
        })
    );
    assert_eq!(told(&from_client(FIN | PING, 5), &answer), Ok(REST));
}

#[test]
fn a_callback_of_control_frames_alone_says_nothing() {
    let mut connection = WebSocketScanner::default();
    let mut heard = |bytes: &[u8]| connection.scan_downstream(&mut &*bytes).unwrap();
    assert!(!heard(&from_client(FIN | PONG, 5)));
    let message = from_client(FIN | TEXT, 5);
    assert!(heard(&message[..1]));
    assert!(heard(&message[1..8]));
    assert!(heard(&message[8..]));
    assert!(!heard(&from_client(FIN | CLOSE, 2)));
    assert!(!connection.is_over());
    connection
        .scan_upstream(&mut &from_server(FIN | CLOSE, 2)[..])
        .unwrap();
    assert!(connection.is_over());
}

#[test]
fn what_rfc_6455_forbids_is_not_understood() {
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
        ("half a status", from_server(FIN | CLOSE, 1)),
        ("nothing to continue", from_server(FIN | CONTINUATION, 1)),
        (
            "message in a message",
            [from_server(TEXT, 1), text()].concat(),
        ),
        (
            "RSV1 in a further frame",
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
            "a message behind Close",
            [from_server(FIN | CLOSE, 0), text()].concat(),
        ),
        (
            "two Closes",
            [from_server(FIN | CLOSE, 0), from_server(FIN | CLOSE, 0)].concat(),
        ),
    ] {
        assert_eq!(told(&[], &server), Err(BypassReason::Message), "{why}");
    }
    let bare = frame(FIN | TEXT, 1, false);
    assert_eq!(told(&bare, &[]), Err(BypassReason::Message), "unmasked");
}

#[test]
fn a_long_payload_is_skipped_and_not_read() {
    struct Counting(Vec<u8>, usize);
    impl ByteSource for Counting {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&mut self, start: usize, len: usize) -> Vec<u8> {
            self.1 += 1;
            (&self.0[..]).read(start, len)
        }
    }
    let mut connection = WebSocketScanner::default();
    let message = from_server(FIN | TEXT, 1_000_000);
    let mut source = Counting([&message[..], &message].concat(), 0);
    connection.scan_upstream(&mut source).unwrap();
    assert_eq!(source.1, 2);
}

#[test]
fn a_host_that_gives_no_bytes_is_told_of() {
    struct Mute;
    impl ByteSource for Mute {
        fn len(&self) -> usize {
            1
        }
        fn read(&mut self, _: usize, _: usize) -> Vec<u8> {
            Vec::new()
        }
    }
    assert_eq!(
        WebSocketScanner::default().scan_downstream(&mut Mute),
        Err(BypassReason::Unreadable)
    );
}

#[test]
fn the_close_that_is_announced_is_a_server_s() {
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
fn a_connection_is_as_small_as_its_documentation_says() {
    assert_eq!(size_of::<WebSocketScanner>(), 72);
}
