//! Two peers that say only what RFC 9113 lets them, and a memory of every stream they spoke of.
//!
//! What a peer says lies in a queue until it is delivered, in pieces of any size; the server hears what is
//! delivered, the client hears of it later. So frames cross on the way, as they do on a wire.

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
    /// A peer says something: what, and about which stream.
    Say(Side, u8, usize),
    /// So many bytes of what a peer has said go through the scanner.
    Deliver(Side, usize),
    /// The client hears what was delivered to it.
    Learn,
}

pub fn op() -> impl Strategy<Value = Op> {
    let side = || prop_oneof![Just(Side::Client), Just(Side::Server)];
    let count = prop_oneof![3 => 0_usize..30, 1 => 0_usize..600, 1 => Just(usize::MAX)];
    prop_oneof![
        6 => (side(), any::<u8>(), any::<usize>()).prop_map(|(side, what, which)| Op::Say(side, what, which)),
        6 => (side(), count).prop_map(|(side, count)| Op::Deliver(side, count)),
        1 => Just(Op::Learn),
    ]
}

/// Bytes that went through, and what must be said of them.
#[derive(Debug)]
pub struct Delivery {
    pub side: Side,
    /// Their offset in all that the side has said.
    pub start: usize,
    pub bytes: Vec<u8>,
    pub expected: Http2Write,
}

/// What the delivery of a byte does.
#[derive(Clone, Copy, Debug)]
enum Effect {
    Open(u32),
    /// The server can answer.
    Heard(u32),
    Promise(u32),
    /// The server has begun to answer.
    Answered(u32),
    /// A side has ended a stream, by the frame that begins at this offset.
    End(u32, usize),
    Reset(u32, usize),
    GoAway(u32),
}

/// All that one side says.
#[derive(Default)]
struct Speech {
    bytes: Vec<u8>,
    delivered: usize,
    /// What happens once so many bytes are delivered.
    effects: Vec<(usize, Effect)>,
    done: usize,
}

/// A stream as its opener and the other see it, and as it is.
#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    // What has been said, be it delivered or not.
    client_said_last: bool,
    server_said_last: bool,
    client_knows_reset: bool,
    // What has been delivered.
    heard: bool,
    client_ended: bool,
    server_ended: bool,
    answered: bool,
    cut: bool,
    reset_by_server: bool,
    had_company: bool,
}

impl Stream {
    fn is_active(&self) -> bool {
        !(self.cut || self.client_ended && self.server_ended)
    }
}

pub struct World {
    client: Speech,
    server: Speech,
    /// Every stream that was delivered or is on its way.
    streams: BTreeMap<u32, Stream>,
    /// Those that were delivered and not refused.
    known: BTreeMap<u32, ()>,
    last_said: u32,
    last_promised: u32,
    last_opened: u32,
    client_limit: u32,
    server_limit: u32,
    requests: u64,
    multiplexes: bool,
}

impl Default for World {
    fn default() -> Self {
        let greeting = |bytes: Vec<u8>| Speech {
            bytes,
            ..Speech::default()
        };
        Self {
            client: greeting([PREFACE.as_slice(), &settings(&[(2, 0), (4, 7)])].concat()),
            server: greeting(settings(&[(3, 100)])),
            streams: BTreeMap::new(),
            known: BTreeMap::new(),
            last_said: 0,
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
            Op::Say(Side::Client, what, which) => self.client_says(what, which),
            Op::Say(Side::Server, what, which) => self.server_says(what, which),
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

    pub fn said(&self, side: Side) -> Vec<u8> {
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

    fn client_says(&mut self, what: u8, which: usize) {
        let end = if which & 0x100 != 0 { END_STREAM } else { NONE };
        let mine = |(id, stream): (&u32, &Stream)| {
            (id % 2 == 1 && !stream.client_said_last && !stream.client_knows_reset).then_some(*id)
        };
        let open = pick(self.streams.iter().filter_map(mine), which);
        match (what % 16, open) {
            (0..=4, _) => {
                self.last_said +=
                    if which & 0x200 != 0 { 4 } else { 2 } - u32::from(self.last_said == 0);
                let id = self.last_said;
                let stream = Stream {
                    client_said_last: end != 0,
                    ..Stream::default()
                };
                self.streams.insert(id, stream);
                let at = self.client.bytes.len();
                self.client.effects.push((at + HEADER, Effect::Open(id)));
                self.client.block(HEADERS, end, id, &[], which);
                self.client
                    .effects
                    .push((self.client.bytes.len(), Effect::Heard(id)));
                if end != 0 {
                    self.client
                        .effects
                        .push((self.client.bytes.len(), Effect::End(id, at)));
                }
            }
            (5..=8, Some(id)) => {
                self.client.data(end, id, which);
                self.streams.get_mut(&id).unwrap().client_said_last = end != 0;
            }
            (9, Some(id)) => {
                self.client.trailers(id, which);
                self.streams.get_mut(&id).unwrap().client_said_last = true;
            }
            (10, _) => {
                // Whatever it knows, even a stream that is closed; then it is silent on it.
                let candidates = self
                    .streams
                    .iter()
                    .filter(|(id, stream)| *id % 2 == 1 || stream.heard);
                if let Some(id) = pick(candidates.map(|(id, _)| *id), which) {
                    self.client.reset(id);
                    self.streams.get_mut(&id).unwrap().client_said_last = true;
                }
            }
            (11, Some(id)) => self.client.say(&window_update(id, 9)),
            (12, _) => self.client.say(&window_update(0, 9)),
            (13, _) if which.is_multiple_of(8) => self.client.go_away(self.last_promised),
            _ => self.client.small_talk(which),
        }
    }

    fn server_says(&mut self, what: u8, which: usize) {
        let end = if which & 0x100 != 0 { END_STREAM } else { NONE };
        let mine = |(id, stream): (&u32, &Stream)| {
            (stream.heard && !stream.cut && !stream.server_said_last).then_some(*id)
        };
        let open = pick(self.streams.iter().filter_map(mine), which);
        match (what % 16, open) {
            (0..=3, Some(id)) => {
                let at = self.server.bytes.len();
                self.server
                    .effects
                    .push((at + HEADER, Effect::Answered(id)));
                self.server.block(HEADERS, end, id, &[], which);
                self.streams.get_mut(&id).unwrap().server_said_last = end != 0;
                if end != 0 {
                    self.server
                        .effects
                        .push((self.server.bytes.len(), Effect::End(id, at)));
                }
            }
            (4..=7, Some(id)) => {
                self.server.data(end, id, which);
                self.streams.get_mut(&id).unwrap().server_said_last = end != 0;
            }
            (8, Some(id)) => {
                let at = self.server.bytes.len();
                self.server
                    .effects
                    .push((at + HEADER, Effect::Answered(id)));
                self.server.trailers(id, which);
                self.streams.get_mut(&id).unwrap().server_said_last = true;
            }
            (9, _) => {
                // Also a stream that it has answered, to be spared the rest of the request.
                if let Some(id) = pick(
                    self.streams
                        .iter()
                        .filter(|(_, s)| s.heard)
                        .map(|(id, _)| *id),
                    which,
                ) {
                    self.server.reset(id);
                    self.streams.get_mut(&id).unwrap().server_said_last = true;
                }
            }
            (10, Some(on)) if on % 2 == 1 => {
                self.last_promised += 2;
                let (id, at) = (self.last_promised, self.server.bytes.len());
                let pad = usize::from(which & 0x400 != 0);
                self.server
                    .effects
                    .push((at + HEADER + pad + 4, Effect::Promise(id)));
                self.server
                    .block(PUSH_PROMISE, NONE, on, &id.to_be_bytes(), which);
                self.server
                    .effects
                    .push((self.server.bytes.len(), Effect::Heard(id)));
                self.streams.insert(
                    id,
                    Stream {
                        client_said_last: true,
                        ..Stream::default()
                    },
                );
            }
            (11, Some(id)) => self.server.say(&window_update(id, 9)),
            (12, _) => self.server.say(&window_update(0, 9)),
            (13, _) if which.is_multiple_of(8) => {
                self.server.go_away(if which & 0x800 != 0 {
                    MAX_STREAM_ID
                } else {
                    self.last_opened
                });
            }
            _ => self.server.small_talk(which),
        }
    }

    fn deliver(&mut self, side: Side, count: usize) -> Delivery {
        let speech = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let start = speech.delivered;
        let end = speech.bytes.len().min(start.saturating_add(count));
        speech.delivered = end;
        let due = speech
            .effects
            .iter()
            .skip(speech.done)
            .take_while(|(at, _)| *at <= end);
        let due = due.copied().collect::<Vec<_>>();
        speech.done += due.len();
        let bytes = speech.bytes[start..end].to_vec();
        let mut quiet = None;
        let mut cut = None;
        for (_, effect) in due {
            if let Effect::Reset(id, began) = effect
                && self.is_active(id)
                && self.streams[&id].answered
                && !self.streams[&id].server_ended
            {
                cut = Some(AbortedResponse {
                    stream: id,
                    frame_at: began.checked_sub(start),
                    client_ended: self.streams[&id].client_ended,
                });
            }
            if let Some((id, began)) = self.apply(side, effect) {
                let frame_at = began.checked_sub(start);
                quiet = Some(LastStreamEnd {
                    frame_at,
                    was_alone: !self.streams[&id].had_company,
                });
            }
        }
        let expected = match side {
            Side::Client => Http2Write::default(),
            Side::Server => {
                let places = places(&self.server.bytes);
                Http2Write {
                    fits_at_start: places.contains(&start),
                    fits_at_end: places.contains(&end),
                    last_stream_end: quiet.filter(|_| self.active().next().is_none()),
                    has_goaway: has_goaway(&self.server, start, end),
                    aborted_response: cut,
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

    /// Gives the stream that the effect has ended and where the frame began that did it.
    fn apply(&mut self, side: Side, effect: Effect) -> Option<(u32, usize)> {
        match effect {
            Effect::Open(id) => {
                self.last_opened = id;
                if id <= self.client_limit {
                    let in_company = self.active().any(|other| other % 2 == 1);
                    self.multiplexes |= in_company;
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
            Effect::Answered(id) => self.streams.get_mut(&id).unwrap().answered = true,
            Effect::Heard(id) => self.streams.get_mut(&id).unwrap().heard = true,
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
                stream.cut = true;
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
        self.streams.get_mut(&id).unwrap().had_company = !others.is_empty();
        for other in others {
            self.streams.get_mut(&other).unwrap().had_company = true;
        }
        self.known.insert(id, ());
    }
}

/// The header of a GOAWAY ended in these bytes.
fn has_goaway(server: &Speech, start: usize, end: usize) -> bool {
    let headed = |frame: &Plain| (start + 1..=end).contains(&(frame.at + HEADER));
    frames(&server.bytes)
        .iter()
        .any(|frame| frame.kind == GOAWAY && headed(frame))
}

fn pick(candidates: impl Iterator<Item = u32>, which: usize) -> Option<u32> {
    let candidates = candidates.collect::<Vec<_>>();
    candidates.get(which % candidates.len().max(1)).copied()
}

impl Speech {
    fn say(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A header block in one to three frames, padded or not.
    fn block(&mut self, kind: u8, end: u8, stream: u32, fields: &[u8], which: usize) {
        let pad: &[u8] = if which & 0x400 != 0 { &[2] } else { &[] };
        let tail: &[u8] = if pad.is_empty() { &[] } else { &[0; 2] };
        let payload = [pad, fields, BLOCK, tail].concat();
        let padded = if pad.is_empty() { NONE } else { PADDED };
        let more = (which >> 12) % 3;
        let closed = |last: bool| if last { END_HEADERS } else { NONE };
        self.say(&frame(
            kind,
            end | padded | closed(more == 0),
            stream,
            &payload,
        ));
        for nth in 1..=more {
            self.say(&frame(CONTINUATION, closed(nth == more), stream, BLOCK));
        }
    }

    fn data(&mut self, end: u8, stream: u32, which: usize) {
        let at = self.bytes.len();
        let len = if which & 0x800 != 0 {
            500
        } else {
            which >> 16 & 0x1f
        };
        self.say(&data(end, stream, len));
        if end != 0 {
            self.effects
                .push((self.bytes.len(), Effect::End(stream, at)));
        }
    }

    fn trailers(&mut self, stream: u32, which: usize) {
        let at = self.bytes.len();
        self.block(HEADERS, END_STREAM, stream, &[], which);
        self.effects
            .push((self.bytes.len(), Effect::End(stream, at)));
    }

    fn reset(&mut self, stream: u32) {
        let at = self.bytes.len();
        self.say(&reset(stream));
        self.effects
            .push((self.bytes.len(), Effect::Reset(stream, at)));
    }

    fn go_away(&mut self, last: u32) {
        self.effects
            .push((self.bytes.len() + HEADER + 4, Effect::GoAway(last)));
        self.say(&go_away(last));
    }

    fn small_talk(&mut self, which: usize) {
        self.say(&match which >> 4 & 0x3 {
            0 => frame(PING, NONE, 0, &[0; 8]),
            1 => settings(&[(4, 70_000)]),
            2 => frame(PRIORITY, NONE, 9, &[0; 5]),
            _ => frame(GREASE, 0xff, 4, &[1; 21]),
        });
    }
}
