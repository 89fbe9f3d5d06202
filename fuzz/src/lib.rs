//! What each fuzz target checks. `filter/wire/tests/fuzz.rs` includes this file, and runs it on seeds and their
//! mutations.

pub mod seeds;

use evenkeel_wire::tcp::{MAX_STATE_BYTES, Session, SessionState, TcpProtocol};
use evenkeel_wire::websocket::WebSocketScanner;
use evenkeel_wire::{ConnectionScanner, Detection, Progress};

/// A piece of a conversation.
struct Step<'a> {
    is_client: bool,
    bytes: &'a [u8],
}

/// Reads a conversation: of each step a byte with the side and the length, and the bytes.
fn read_steps(mut data: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let [head, rest @ ..] = data {
        let length = usize::from(head >> 1);
        let (bytes, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        steps.push(Step {
            is_client: head & 1 == 0,
            bytes,
        });
        data = behind;
    }
    steps
}

/// Runs the target of this name.
///
/// # Panics
/// If there is no such target, or if it fails.
pub fn run(name: &str, data: &[u8]) {
    let protocol = TcpProtocol::ALL
        .into_iter()
        .find(|protocol| protocol.name() == name);
    match (name, protocol) {
        ("http1", _) => http1(data),
        ("http2", _) => http2(data),
        ("websocket", _) => websocket(data),
        (_, protocol) => tcp(protocol.unwrap(), data),
    }
}

/// The state is bounded, a bypass is final, and the state does not depend on how the bytes are split.
fn tcp(protocol: TcpProtocol, data: &[u8]) {
    let steps = read_steps(data);
    let run = |size: usize| {
        let mut session = Session::new(protocol);
        for Step { is_client, bytes } in &steps {
            for mut piece in bytes.chunks(size) {
                let before = session.state();
                match is_client {
                    true => session.client(&mut piece),
                    false => session.server(&mut piece),
                }
                let is_bypassed = matches!(before, SessionState::Bypassed(_));
                assert!(!is_bypassed || session.state() == before);
                assert!(session.state_bytes() <= MAX_STATE_BYTES);
            }
        }
        session.state()
    };
    let expected = run(usize::MAX);
    for size in [1, 3] {
        assert_eq!(run(size), expected, "in pieces of {size}");
    }
}

/// HTTP/1. Here the splits matter: the end of a callback shows what Envoy has read ahead of a response.
fn http1(data: &[u8]) {
    let steps = read_steps(data);
    for size in [usize::MAX, 1] {
        http(&steps, size);
    }
}

/// HTTP/2 after the client's preface: the same protocol and requests however the bytes are split.
fn http2(data: &[u8]) {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let data = [&seeds::write_steps(&[(true, &preface[..])]), data].concat();
    let steps = read_steps(&data);
    assert_eq!(http(&steps, 1), http(&steps, usize::MAX));
}

/// A bypass is final.
fn http(steps: &[Step<'_>], size: usize) -> (Detection, u64, u32) {
    let mut scanner = ConnectionScanner::new();
    for Step { is_client, bytes } in steps {
        for mut piece in bytes.chunks(size) {
            let before = scanner.detection();
            if *is_client {
                scanner.scan_downstream(&mut piece);
            } else {
                scanner.scan_upstream(&mut piece);
            }
            let is_bypassed = matches!(before, Detection::Bypassed(_));
            assert!(!is_bypassed || scanner.detection() == before);
        }
    }
    let Progress {
        requests, active, ..
    } = scanner.progress();
    (scanner.detection(), requests, active)
}

/// A WebSocket after its 101.
fn websocket(data: &[u8]) {
    let steps = read_steps(data);
    let run = |size: usize| {
        let mut scanner = WebSocketScanner::default();
        for Step { is_client, bytes } in &steps {
            for mut piece in bytes.chunks(size) {
                match is_client {
                    true => scanner.scan_downstream(&mut piece).map(drop)?,
                    false => scanner.scan_upstream(&mut piece).map(drop)?,
                }
            }
        }
        Ok((scanner.client_has_closed(), scanner.is_over()))
    };
    let expected: Result<_, evenkeel_wire::BypassReason> = run(usize::MAX);
    assert_eq!(run(1), expected);
}
