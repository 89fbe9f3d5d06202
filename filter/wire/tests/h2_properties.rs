//! For random connections with any cuts, the scanner reports what a model reports that remembers every stream.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

mod h2_model;
mod h2_support;

use evenkeel_wire::BypassReason;
use evenkeel_wire::h2::{Http2Scanner, Http2Write, MAX_STREAM_ID, goaway_frame};
use h2_model::{Op, Side, World, op};
use h2_support::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Applies `ops` to a scanner and to the model. Returns what the server wrote, and the boundaries that the scanner
/// reported in it.
fn run(ops: &[Op]) -> Result<(Vec<u8>, Vec<usize>), TestCaseError> {
    let mut world = World::default();
    let mut connection = Http2Scanner::default();
    let mut reported = Vec::new();
    for &op in ops.iter().chain(&[
        Op::Deliver(Side::Client, usize::MAX),
        Op::Deliver(Side::Server, usize::MAX),
    ]) {
        let Some(delivery) = world.step(op) else {
            continue;
        };
        match delivery.side {
            Side::Client => {
                prop_assert_eq!(
                    connection.scan_downstream(&mut delivery.bytes.as_slice()),
                    Ok(())
                );
            }
            Side::Server => {
                let write = connection.scan_upstream(&mut delivery.bytes.as_slice());
                prop_assert_eq!(write, Ok(delivery.expected), "{:?}", &delivery);
                reported.extend(reported_boundaries(
                    delivery.expected,
                    delivery.start,
                    delivery.bytes.len(),
                ));
            }
        }
        let state = (
            connection.active(),
            connection.requests(),
            connection.last_stream_id(),
        );
        prop_assert_eq!(state, world.counts());
    }
    prop_assert_eq!(connection.multiplexes(), world.multiplexes());
    reported.sort_unstable();
    reported.dedup();
    Ok((world.sent(Side::Server), reported))
}

fn reported_boundaries(write: Http2Write, start: usize, len: usize) -> impl Iterator<Item = usize> {
    let before = write.last_stream_end.and_then(|end| end.frame_at);
    [
        write.fits_at_start.then_some(0),
        before,
        write.fits_at_end.then_some(len),
    ]
    .into_iter()
    .flatten()
    .map(move |at| start + at)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scanner_agrees_with_the_model_and_reports_only_frame_boundaries(ops in vec(op(), 0..250)) {
        let (server, reported) = run(&ops)?;
        let mark = goaway_frame(MAX_STREAM_ID);
        let mut spliced = Vec::new();
        let mut done = 0;
        for at in &reported {
            spliced.extend_from_slice(&server[done..*at]);
            spliced.extend_from_slice(&mark);
            done = *at;
        }
        spliced.extend_from_slice(&server[done..]);
        let all = parse_frames(&spliced);
        // The server's own GOAWAYs have debug data in this model.
        let (marks, rest): (Vec<_>, Vec<_>) = all.iter().partition(|frame| frame.bytes() == mark);
        prop_assert_eq!(marks.len(), reported.len());
        prop_assert!(all.first().is_none_or(|first| first.frame_type == SETTINGS));
        let open = |frame: &ParsedFrame| matches!(frame.frame_type, HEADERS | CONTINUATION | PUSH_PROMISE) && frame.flags & END_HEADERS == 0;
        prop_assert!(all.windows(2).all(|pair| !open(&pair[0]) || pair[1].frame_type == CONTINUATION));
        let bytes = |frames: Vec<&ParsedFrame>| frames.into_iter().map(ParsedFrame::bytes).collect::<Vec<_>>();
        prop_assert_eq!(bytes(rest), bytes(parse_frames(&server).iter().collect()));
    }

    #[test]
    fn arbitrary_bytes_give_a_permanent_result(
        has_prefaces: bool,
        callbacks in vec((any::<bool>(), vec(any::<u8>(), 0..600)), 0..20),
    ) {
        let mut connection = if has_prefaces {
            after_prefaces()
        } else {
            Http2Scanner::default()
        };
        let mut first = None;
        for (up, bytes) in callbacks {
            let result = scan(&mut connection, up, &bytes);
            if let Some(error) = first {
                prop_assert_eq!(result, Err(error));
            }
            first = first.or(result.err());
        }
    }

    #[test]
    fn cuts_do_not_change_the_result_of_random_frames(
        frames in vec((any::<bool>(), random_frame()), 0..60),
        cuts in vec(0_usize..40, 1..50),
    ) {
        let (mut whole, mut cut) = (after_prefaces(), after_prefaces());
        let mut cuts = cuts.iter().cycle();
        for (up, bytes) in frames {
            let result = scan(&mut whole, up, &bytes);
            let mut rest = bytes.as_slice();
            let mut pieces = Ok(());
            while pieces.is_ok() && !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap() + 1));
                pieces = scan(&mut cut, up, piece);
                rest = after;
            }
            prop_assert_eq!(result, pieces);
            let state = |connection: &Http2Scanner| {
                (connection.active(), connection.requests(), connection.last_stream_id(), connection.multiplexes())
            };
            prop_assert_eq!(state(&whole), state(&cut));
        }
    }
}

fn scan(connection: &mut Http2Scanner, up: bool, mut bytes: &[u8]) -> Result<(), BypassReason> {
    if up {
        connection.scan_upstream(&mut bytes).map(|_| ())
    } else {
        connection.scan_downstream(&mut bytes)
    }
}

/// A frame of a length that its type allows, on one of the first streams, with any flags.
fn random_frame() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![Just(END_HEADERS), Just(WHOLE), any::<u8>()];
    (0_u8..12, flags, 0_u32..9, vec(0_u8..9, 0..40)).prop_map(
        |(frame_type, flags, stream, mut payload)| {
            match frame_type {
                RST_STREAM | WINDOW_UPDATE => payload.resize(4, 0),
                PING => payload.resize(8, 0),
                SETTINGS if flags & ACK != 0 => payload.clear(),
                SETTINGS => payload.truncate(payload.len() / 6 * 6),
                GOAWAY => payload.resize(payload.len().max(8), 0),
                PUSH_PROMISE | HEADERS => payload.resize(payload.len().max(6), 2),
                _ => {}
            }
            let is_on_connection = matches!(frame_type, SETTINGS | PING | GOAWAY);
            frame(
                frame_type,
                flags,
                if is_on_connection { 0 } else { stream },
                &payload,
            )
        },
    )
}
