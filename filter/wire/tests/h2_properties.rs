//! Whatever is said on a connection and however it is cut, the scanner knows what a reader knows who
//! remembers every stream.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects)]

mod h2_model;
mod h2_support;

use evenkeel_wire::BypassReason;
use evenkeel_wire::h2::{Http2Scanner, Http2Write, MAX_STREAM_ID, goaway_frame};
use h2_model::{Op, Side, World, op};
use h2_support::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Plays `ops` to a connection and to the model; gives what the server wrote and the offsets in it at
/// which the connection offered a place.
fn play(ops: &[Op]) -> Result<(Vec<u8>, Vec<usize>), TestCaseError> {
    let mut world = World::default();
    let mut connection = Http2Scanner::default();
    let mut offered = Vec::new();
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
                offered.extend(places_of(
                    delivery.expected,
                    delivery.start,
                    delivery.bytes.len(),
                ));
            }
        }
        let known = (
            connection.active(),
            connection.requests(),
            connection.last_stream_id(),
        );
        prop_assert_eq!(known, world.counts());
    }
    prop_assert_eq!(connection.multiplexes(), world.multiplexes());
    offered.sort_unstable();
    offered.dedup();
    Ok((world.said(Side::Server), offered))
}

fn places_of(write: Http2Write, start: usize, len: usize) -> impl Iterator<Item = usize> {
    let before = write.last_stream_end.and_then(|quiet| quiet.frame_at);
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
    fn the_scanner_agrees_with_the_model_and_offers_only_places_between_frames(ops in vec(op(), 0..250)) {
        let (server, offered) = play(&ops)?;
        let mark = goaway_frame(MAX_STREAM_ID);
        let mut spliced = Vec::new();
        let mut done = 0;
        for at in &offered {
            spliced.extend_from_slice(&server[done..*at]);
            spliced.extend_from_slice(&mark);
            done = *at;
        }
        spliced.extend_from_slice(&server[done..]);
        let all = frames(&spliced);
        // The server's own GOAWAYs carry debug data in this model.
        let (marks, rest): (Vec<_>, Vec<_>) = all.iter().partition(|frame| frame.bytes() == mark);
        prop_assert_eq!(marks.len(), offered.len());
        prop_assert!(all.first().is_none_or(|first| first.kind == SETTINGS));
        let open = |frame: &Plain| matches!(frame.kind, HEADERS | CONTINUATION | PUSH_PROMISE) && frame.flags & END_HEADERS == 0;
        prop_assert!(all.windows(2).all(|pair| !open(&pair[0]) || pair[1].kind == CONTINUATION));
        let bytes = |frames: Vec<&Plain>| frames.into_iter().map(Plain::bytes).collect::<Vec<_>>();
        prop_assert_eq!(bytes(rest), bytes(frames(&server).iter().collect()));
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_understood(
        greeted: bool,
        callbacks in vec((any::<bool>(), vec(any::<u8>(), 0..600)), 0..20),
    ) {
        let mut connection = Http2Scanner::default();
        if greeted {
            connection.scan_downstream(&mut client_greeting().as_slice()).unwrap();
            connection.scan_upstream(&mut server_greeting().as_slice()).unwrap();
        }
        let mut first = None;
        for (up, bytes) in callbacks {
            let verdict = feed(&mut connection, up, &bytes);
            if let Some(error) = first {
                prop_assert_eq!(verdict, Err(error));
            }
            first = first.or(verdict.err());
        }
    }

    #[test]
    fn cuts_never_matter_even_in_nonsense(
        frames in vec((any::<bool>(), nonsense()), 0..60),
        cuts in vec(0_usize..40, 1..50),
    ) {
        let (mut whole, mut cut) = (Http2Scanner::default(), Http2Scanner::default());
        for connection in [&mut whole, &mut cut] {
            connection.scan_downstream(&mut client_greeting().as_slice()).unwrap();
            connection.scan_upstream(&mut server_greeting().as_slice()).unwrap();
        }
        let mut cuts = cuts.iter().cycle();
        for (up, bytes) in frames {
            let verdict = feed(&mut whole, up, &bytes);
            let mut rest = bytes.as_slice();
            let mut pieces = Ok(());
            while pieces.is_ok() && !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap() + 1));
                pieces = feed(&mut cut, up, piece);
                rest = after;
            }
            prop_assert_eq!(verdict, pieces);
            let known = |connection: &Http2Scanner| {
                (connection.active(), connection.requests(), connection.last_stream_id(), connection.multiplexes())
            };
            prop_assert_eq!(known(&whole), known(&cut));
        }
    }
}

fn feed(connection: &mut Http2Scanner, up: bool, mut bytes: &[u8]) -> Result<(), BypassReason> {
    if up {
        connection.scan_upstream(&mut bytes).map(|_| ())
    } else {
        connection.scan_downstream(&mut bytes)
    }
}

/// A frame with a size that its type may have, on one of the first streams, with any flags.
fn nonsense() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![Just(END_HEADERS), Just(WHOLE), any::<u8>()];
    (0_u8..12, flags, 0_u32..9, vec(0_u8..9, 0..40)).prop_map(
        |(kind, flags, stream, mut payload)| {
            match kind {
                RST_STREAM | WINDOW_UPDATE => payload.resize(4, 0),
                PING => payload.resize(8, 0),
                SETTINGS if flags & ACK != 0 => payload.clear(),
                SETTINGS => payload.truncate(payload.len() / 6 * 6),
                GOAWAY => payload.resize(payload.len().max(8), 0),
                PUSH_PROMISE | HEADERS => payload.resize(payload.len().max(6), 2),
                _ => {}
            }
            let of_connection = matches!(kind, SETTINGS | PING | GOAWAY);
            frame(
                kind,
                flags,
                if of_connection { 0 } else { stream },
                &payload,
            )
        },
    )
}
