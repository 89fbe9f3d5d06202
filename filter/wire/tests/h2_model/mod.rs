//! A model of two peers that follow RFC 9113, and of every stream on their connection.
//!
//! What a peer sends stays in a queue until it is delivered, in pieces of any size. The server knows what is delivered,
//! the client learns of it later, so frames cross in transit.

mod output;
mod peers;

use std::collections::BTreeMap;

use evenkeel_wire::h2::{AbortedResponse, Http2Write, LastStreamEnd, MAX_STREAM_ID, PREFACE};
use proptest::prelude::*;

use crate::h2_support::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// A peer sends a frame: which type, and on which stream.
    Send(Side, u8, usize),
    /// This many bytes of a peer pass the scanner.
    Deliver(Side, usize),
    /// The client learns what was delivered to it.
    Learn,
}

pub fn op() -> impl Strategy<Value = Op> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Server)];
    let count = prop_oneof![3 => 0_usize..30, 1 => 0_usize..600, 1 => Just(usize::MAX)];
    prop_oneof![
        6 => (side(), any::<u8>(), any::<usize>()).prop_map(|(side, what, which)| Op::Send(side, what, which)),
        6 => (side(), count).prop_map(|(side, count)| Op::Deliver(side, count)),
        1 => Just(Op::Learn),
    ]
}

/// Bytes that passed, and the expected report.
#[derive(Debug)]
pub struct Delivery {
    pub side: Side,
    /// Their offset in everything that the side has sent.
    pub start: usize,
    pub bytes: Vec<u8>,
    pub expected: Http2Write,
}

/// The effect of the delivery of a byte.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Open(u32),
    /// The server can respond.
    Received(u32),
    Promise(u32),
    /// The server has started its response.
    Responded(u32),
    /// A side has ended a stream, by the frame that begins at this offset.
    End(u32, usize),
    Reset(u32, usize),
    GoAway(u32),
}

/// What one side sends.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    delivered: usize,
    /// The effects of the delivery of this many bytes.
    effects: Vec<(usize, Effect)>,
    done: usize,
}

/// A stream, as its peers and the scanner see it.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    // What was sent, delivered or not.
    client_sent_end: bool,
    server_sent_end: bool,
    client_knows_reset: bool,
    // What was delivered.
    received: bool,
    client_ended: bool,
    server_ended: bool,
    responded: bool,
    is_reset: bool,
    reset_by_server: bool,
    was_concurrent: bool,
}

impl Stream {
    fn is_active(&self) -> bool {
        !(self.is_reset || self.client_ended && self.server_ended)
    }
}

pub struct World {
    client: Output,
    server: Output,
    /// Every stream that was delivered or is in transit.
    streams: BTreeMap<u32, Stream>,
    /// The streams that were delivered and not refused.
    known: BTreeMap<u32, ()>,
    last_sent: u32,
    last_promised: u32,
    last_opened: u32,
    client_limit: u32,
    server_limit: u32,
    requests: u64,
    multiplexes: bool,
}

impl Default for World {
    fn default() -> Self {
        let preface = |bytes: Vec<u8>| Output {
            bytes,
            ..Output::default()
        };
        Self {
            client: preface([PREFACE.as_slice(), &settings(&[(2, 0), (4, 7)])].concat()),
            server: preface(settings(&[(3, 100)])),
            streams: BTreeMap::new(),
            known: BTreeMap::new(),
            last_sent: 0,
            last_promised: 0,
            last_opened: 0,
            client_limit: MAX_STREAM_ID,
            server_limit: MAX_STREAM_ID,
            requests: 0,
            multiplexes: false,
        }
    }
}

impl World {
    pub fn step(&mut self, op: Op) -> Option<Delivery> {
        match op {
            Op::Send(Side::Client, what, which) => self.client_sends(what, which),
            Op::Send(Side::Server, what, which) => self.server_sends(what, which),
            Op::Deliver(side, count) => return Some(self.deliver(side, count)),
            Op::Learn => {
                for stream in self.streams.values_mut() {
                    stream.client_knows_reset |= stream.reset_by_server;
                }
            }
        }
        None
    }

    /// Active streams, requests, and the highest id that the client has opened.
    pub fn counts(&self) -> (u32, u64, u32) {
        (
            u32::try_from(self.active().count()).unwrap(),
            self.requests,
            self.last_opened,
        )
    }

    pub fn multiplexes(&self) -> bool {
        self.multiplexes
    }

    pub fn sent(&self, side: Side) -> Vec<u8> {
        match side {
            Side::Client => self.client.bytes.clone(),
            Side::Server => self.server.bytes.clone(),
        }
    }

    fn active(&self) -> impl Iterator<Item = u32> + '_ {
        self.known
            .keys()
            .copied()
            .filter(|id| self.streams[id].is_active())
    }

    fn deliver(&mut self, side: Side, count: usize) -> Delivery {
        let output = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let start = output.delivered;
        let end = output.bytes.len().min(start.saturating_add(count));
        output.delivered = end;
        let effects = output
            .effects
            .iter()
            .skip(output.done)
            .take_while(|(at, _)| *at <= end);
        let effects = effects.copied().collect::<Vec<_>>();
        output.done += effects.len();
        let bytes = output.bytes[start..end].to_vec();
        let mut last_stream_end = None;
        let mut aborted_response = None;
        for (_, effect) in effects {
            if let Effect::Reset(id, began) = effect
                && self.is_active(id)
                && self.streams[&id].responded
                && !self.streams[&id].server_ended
            {
                aborted_response = Some(AbortedResponse {
                    stream: id,
                    frame_at: began.checked_sub(start),
                    client_ended: self.streams[&id].client_ended,
                });
            }
            if let Some((id, began)) = self.apply(side, effect) {
                let frame_at = began.checked_sub(start);
                last_stream_end = Some(LastStreamEnd {
                    frame_at,
                    was_alone: !self.streams[&id].was_concurrent,
                });
            }
        }
        let expected = match side {
            Side::Client => Http2Write::default(),
            Side::Server => {
                let expected = boundaries(&self.server.bytes);
                Http2Write {
                    fits_at_start: expected.contains(&start),
                    fits_at_end: expected.contains(&end),
                    last_stream_end: last_stream_end.filter(|_| self.active().next().is_none()),
                    has_goaway: has_goaway(&self.server, start, end),
                    aborted_response,
                }
            }
        };
        Delivery {
            side,
            start,
            bytes,
            expected,
        }
    }

    /// Returns the stream that the effect has ended, and the offset of the frame that ended it.
    fn apply(&mut self, side: Side, effect: Effect) -> Option<(u32, usize)> {
        match effect {
            Effect::Open(id) => {
                self.last_opened = id;
                if id <= self.client_limit {
                    let is_concurrent = self.active().any(|other| other % 2 == 1);
                    self.multiplexes |= is_concurrent;
                    self.requests += 1;
                    self.enter(id);
                }
            }
            Effect::Promise(id) => {
                self.streams.get_mut(&id).unwrap().client_ended = true;
                if id <= self.server_limit {
                    self.enter(id);
                }
            }
            Effect::Responded(id) => self.streams.get_mut(&id).unwrap().responded = true,
            Effect::Received(id) => self.streams.get_mut(&id).unwrap().received = true,
            Effect::GoAway(last) => {
                let (limit, parity) = match side {
                    Side::Client => (&mut self.server_limit, 0),
                    Side::Server => (&mut self.client_limit, 1),
                };
                *limit = last.min(*limit);
                self.known.retain(|id, ()| id % 2 != parity || *id <= last);
            }
            Effect::End(id, began) => {
                let was_active = self.is_active(id);
                let stream = self.streams.get_mut(&id).unwrap();
                match side {
                    Side::Client => stream.client_ended = true,
                    Side::Server => stream.server_ended = true,
                }
                return (was_active && !self.is_active(id)).then_some((id, began));
            }
            Effect::Reset(id, began) => {
                let was_active = self.is_active(id);
                let stream = self.streams.get_mut(&id).unwrap();
                stream.is_reset = true;
                stream.reset_by_server |= side == Side::Server;
                return was_active.then_some((id, began));
            }
        }
        None
    }

    fn is_active(&self, id: u32) -> bool {
        self.known.contains_key(&id) && self.streams[&id].is_active()
    }

    fn enter(&mut self, id: u32) {
        let others = self.active().collect::<Vec<_>>();
        self.streams.get_mut(&id).unwrap().was_concurrent = !others.is_empty();
        for other in others {
            self.streams.get_mut(&other).unwrap().was_concurrent = true;
        }
        self.known.insert(id, ());
    }
}

/// Whether the header of a GOAWAY ended in these bytes.
fn has_goaway(server: &Output, start: usize, end: usize) -> bool {
    let ends_here = |frame: &ParsedFrame| (start + 1..=end).contains(&(frame.at + HEADER));
    parse_frames(&server.bytes)
        .iter()
        .any(|frame| frame.frame_type == GOAWAY && ends_here(frame))
}

fn pick(candidates: impl Iterator<Item = u32>, which: usize) -> Option<u32> {
    let candidates = candidates.collect::<Vec<_>>();
    candidates.get(which % candidates.len().max(1)).copied()
}
