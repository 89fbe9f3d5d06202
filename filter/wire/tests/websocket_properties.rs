//! WebSockets whose peers keep to RFC 6455, cut anywhere, against a memory of every frame; and bytes of
//! any kind.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use evenkeel_wire::BypassReason;
use evenkeel_wire::websocket::{StatusCode, WebSocketScanner, WebSocketWrite, close_frame};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// One thing that a side says.
#[derive(Clone, Debug)]
enum Said {
    /// Text in so many fragments of so many bytes, compressed or not, a PING behind each.
    Message {
        fragments: usize,
        length: usize,
        compressed: bool,
        pings: bool,
    },
    Ping(usize),
    Pong(usize),
}

fn said() -> impl Strategy<Value = Said> {
    let length = prop_oneof![4 => 0..20_usize, 2 => 120..130_usize, 1 => 65_530..65_540_usize];
    prop_oneof![
        3 => (1..4_usize, length, any::<bool>(), any::<bool>()).prop_map(
            |(fragments, length, compressed, pings)| Said::Message { fragments, length, compressed, pings }
        ),
        1 => (0..=125_usize).prop_map(Said::Ping),
        1 => (0..=125_usize).prop_map(Said::Pong),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn frame(side: Side, first: u8, length: usize) -> Vec<u8> {
    let mask = if side == Side::Client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(mask | length as u8),
        126..=0xffff => {
            bytes.push(mask | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if side == Side::Client {
        bytes.extend([9, 8, 7, 6]);
    }
    bytes.resize(bytes.len() + length, 0x81);
    bytes
}

/// All that a side says, and of each byte whether it is of a message, and whether a Close fits behind it.
#[derive(Default)]
struct Speech {
    bytes: Vec<u8>,
    is_message: Vec<bool>,
    fits: Vec<bool>,
}

impl Speech {
    fn frame(&mut self, side: Side, first: u8, length: usize, in_message: bool) {
        let frame = frame(side, first, length);
        let is_message = first & 0x8 == 0;
        self.is_message.extend(frame.iter().map(|_| is_message));
        self.fits.extend(frame.iter().map(|_| false));
        *self.fits.last_mut().unwrap() = !in_message;
        self.bytes.extend(frame);
    }

    fn say(&mut self, side: Side, said: &Said) {
        match *said {
            Said::Message {
                fragments,
                length,
                compressed,
                pings,
            } => {
                for nth in 0..fragments {
                    let opcode = if nth == 0 {
                        0x1 | if compressed { 0x40 } else { 0 }
                    } else {
                        0
                    };
                    let is_last = nth + 1 == fragments;
                    let fin = if is_last { 0x80 } else { 0 };
                    self.frame(side, fin | opcode, length, !is_last);
                    if pings && !is_last {
                        self.frame(side, 0x89, 3, true);
                    }
                }
            }
            Said::Ping(length) => self.frame(side, 0x89, length, false),
            Said::Pong(length) => self.frame(side, 0x8a, length, false),
        }
    }

    /// Behind so many bytes a Close fits, as far as this side is concerned.
    fn fits_at(&self, at: usize) -> bool {
        at == 0 || self.fits[at - 1]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_told_is_what_was_said_whatever_the_cuts(
        client in vec(said(), 0..5),
        server in vec(said(), 0..5),
        cuts in vec((side(), prop_oneof![0..12_usize, 0..400_usize, Just(usize::MAX)]), 1..40),
    ) {
        let mut speeches = [Speech::default(), Speech::default()];
        client.iter().for_each(|said| speeches[0].say(Side::Client, said));
        server.iter().for_each(|said| speeches[1].say(Side::Server, said));
        let mut connection = WebSocketScanner::default();
        let mut at = [0_usize, 0];
        let (mut asked, mut answering) = (false, false);
        for (side, count) in cuts {
            let which = usize::from(side == Side::Server);
            let speech = &speeches[which];
            let start = at[which];
            let end = start.saturating_add(count).min(speech.bytes.len());
            at[which] = end;
            let mut piece = &speech.bytes[start..end];
            let spoke = speech.is_message[start..end].contains(&true);
            if side == Side::Client {
                prop_assert_eq!(connection.scan_downstream(&mut piece), Ok(spoke));
                asked |= spoke;
                continue;
            }
            let fits = speeches[0].fits_at(at[0]) && speech.fits_at(end);
            let is_response = spoke && (asked || answering);
            answering = is_response && !speech.fits_at(end);
            asked &= !spoke;
            let expected = WebSocketWrite { fits_at_end: fits, is_response, awaits_response: asked };
            prop_assert_eq!(connection.scan_upstream(&mut piece), Ok(expected));
        }
        prop_assert!(!connection.is_over());
    }

    #[test]
    fn a_close_where_it_fits_keeps_every_message_whole(server in vec(said(), 0..5), end in 0..2000_usize) {
        let mut speech = Speech::default();
        server.iter().for_each(|said| speech.say(Side::Server, said));
        let end = end.min(speech.bytes.len());
        let mut connection = WebSocketScanner::default();
        let write = connection.scan_upstream(&mut &speech.bytes[..end]).unwrap();
        if write.fits_at_end {
            // A reader that knows RFC 6455 takes what the client receives.
            let received = [&speech.bytes[..end], &close_frame(StatusCode::GoingAway)].concat();
            let mut reader = WebSocketScanner::default();
            let last = reader.scan_upstream(&mut &received[..]);
            prop_assert_eq!(last.map(|write| write.fits_at_end), Ok(false));
        }
    }

    #[test]
    fn anything_ends_the_same_whatever_the_cuts(
        bytes in vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x80), Just(0x02), Just(0x88)], 0..60),
        side in side(),
        size in 1..20_usize,
    ) {
        let end_of = |size: usize| -> Result<(bool, bool), BypassReason> {
            let mut connection = WebSocketScanner::default();
            for mut piece in bytes.chunks(size) {
                match side {
                    Side::Client => { connection.scan_downstream(&mut piece)?; }
                    Side::Server => { connection.scan_upstream(&mut piece)?; }
                }
            }
            let write = connection.scan_upstream(&mut &[][..])?;
            Ok((write.fits_at_end, write.awaits_response))
        };
        prop_assert_eq!(end_of(size), end_of(usize::MAX));
    }
}
