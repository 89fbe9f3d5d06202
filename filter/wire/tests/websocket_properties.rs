//! WebSockets of peers that follow RFC 6455, with any cuts, compared with a model of every frame; and arbitrary bytes.
#![cfg(not(target_arch = "wasm32"))]
#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use evenkeel_wire::BypassReason;
use evenkeel_wire::websocket::{StatusCode, WebSocketScanner, WebSocketWrite, close_frame};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// A message or control frame.
#[derive(Clone, Debug)]
enum Sent {
    /// Text in fragments of equal length, compressed or not, possibly with a Ping after each.
    Message {
        fragments: usize,
        length: usize,
        compressed: bool,
        pings: bool,
    },
    Ping(usize),
    Pong(usize),
}

fn sent() -> impl Strategy<Value = Sent> {
    let length = prop_oneof![4 => 0..20_usize, 2 => 120..130_usize, 1 => 65_530..65_540_usize];
    prop_oneof![
        3 => (1..4_usize, length, any::<bool>(), any::<bool>()).prop_map(
            |(fragments, length, compressed, pings)| Sent::Message { fragments, length, compressed, pings }
        ),
        1 => (0..=125_usize).prop_map(Sent::Ping),
        1 => (0..=125_usize).prop_map(Sent::Pong),
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

/// What a side sends: for each byte, whether it belongs to a message, and whether a Close fits after it.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    is_message: Vec<bool>,
    fits: Vec<bool>,
}

impl Output {
    fn frame(&mut self, side: Side, first: u8, length: usize, in_message: bool) {
        let frame = frame(side, first, length);
        let is_message = first & 0x8 == 0;
        self.is_message.extend(frame.iter().map(|_| is_message));
        self.fits.extend(frame.iter().map(|_| false));
        *self.fits.last_mut().unwrap() = !in_message;
        self.bytes.extend(frame);
    }

    fn send(&mut self, side: Side, sent: &Sent) {
        match *sent {
            Sent::Message {
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
            Sent::Ping(length) => self.frame(side, 0x89, length, false),
            Sent::Pong(length) => self.frame(side, 0x8a, length, false),
        }
    }

    /// Whether a Close fits after this many bytes, as far as this side is concerned.
    fn fits_at(&self, at: usize) -> bool {
        at == 0 || self.fits[at - 1]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn reports_agree_with_the_model_with_any_cuts(
        client in vec(sent(), 0..5),
        server in vec(sent(), 0..5),
        cuts in vec((side(), prop_oneof![0..12_usize, 0..400_usize, Just(usize::MAX)]), 1..40),
    ) {
        let mut outputs = [Output::default(), Output::default()];
        client.iter().for_each(|sent| outputs[0].send(Side::Client, sent));
        server.iter().for_each(|sent| outputs[1].send(Side::Server, sent));
        let mut connection = WebSocketScanner::default();
        let mut at = [0_usize, 0];
        let (mut awaits_response, mut is_responding) = (false, false);
        for (side, count) in cuts {
            let which = usize::from(side == Side::Server);
            let output = &outputs[which];
            let start = at[which];
            let end = start.saturating_add(count).min(output.bytes.len());
            at[which] = end;
            let mut piece = &output.bytes[start..end];
            let has_message = output.is_message[start..end].contains(&true);
            if side == Side::Client {
                prop_assert_eq!(connection.scan_downstream(&mut piece), Ok(has_message));
                awaits_response |= has_message;
                continue;
            }
            let fits = outputs[0].fits_at(at[0]) && output.fits_at(end);
            let is_response = has_message && (awaits_response || is_responding);
            is_responding = is_response && !output.fits_at(end);
            awaits_response &= !has_message;
            let expected = WebSocketWrite { fits_at_end: fits, is_response, awaits_response };
            prop_assert_eq!(connection.scan_upstream(&mut piece), Ok(expected));
        }
        prop_assert!(!connection.is_over());
    }

    #[test]
    fn close_that_fits_is_accepted_and_ends_the_messages(server in vec(sent(), 0..5), end in 0..2000_usize) {
        let mut output = Output::default();
        server.iter().for_each(|sent| output.send(Side::Server, sent));
        let end = end.min(output.bytes.len());
        let mut connection = WebSocketScanner::default();
        let write = connection.scan_upstream(&mut &output.bytes[..end]).unwrap();
        if write.fits_at_end {
            // A scanner accepts what the client receives.
            let received = [&output.bytes[..end], &close_frame(StatusCode::GoingAway)].concat();
            let mut reader = WebSocketScanner::default();
            let last = reader.scan_upstream(&mut &received[..]);
            prop_assert_eq!(last.map(|write| write.fits_at_end), Ok(false));
        }
    }

    #[test]
    fn cuts_do_not_change_the_result_of_arbitrary_bytes(
        bytes in vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x80), Just(0x02), Just(0x88)], 0..60),
        side in side(),
        size in 1..20_usize,
    ) {
        let state_after = |size: usize| -> Result<(bool, bool), BypassReason> {
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
        prop_assert_eq!(state_after(size), state_after(usize::MAX));
    }
}
