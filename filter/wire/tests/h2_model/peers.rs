//! What the peers of the model send: a frame that RFC 9113 allows at that time.

use evenkeel_wire::h2::MAX_STREAM_ID;

use super::{Effect, Stream, World, pick};
use crate::h2_support::*;

impl World {
    pub(super) fn client_sends(&mut self, what: u8, which: usize) {
        let end = if which & 0x100 != 0 { END_STREAM } else { NONE };
        let mine = |(id, stream): (&u32, &Stream)| {
            (id % 2 == 1 && !stream.client_sent_end && !stream.client_knows_reset).then_some(*id)
        };
        let open = pick(self.streams.iter().filter_map(mine), which);
        match (what % 16, open) {
            (0..=4, _) => {
                self.last_sent +=
                    if which & 0x200 != 0 { 4 } else { 2 } - u32::from(self.last_sent == 0);
                let id = self.last_sent;
                let stream = Stream {
                    client_sent_end: end != 0,
                    ..Stream::default()
                };
                self.streams.insert(id, stream);
                let at = self.client.bytes.len();
                self.client.effects.push((at + HEADER, Effect::Open(id)));
                self.client.send_block(HEADERS, end, id, &[], which);
                self.client
                    .effects
                    .push((self.client.bytes.len(), Effect::Received(id)));
                if end != 0 {
                    self.client
                        .effects
                        .push((self.client.bytes.len(), Effect::End(id, at)));
                }
            }
            (5..=8, Some(id)) => {
                self.client.send_data(end, id, which);
                self.streams.get_mut(&id).unwrap().client_sent_end = end != 0;
            }
            (9, Some(id)) => {
                self.client.send_trailers(id, which);
                self.streams.get_mut(&id).unwrap().client_sent_end = true;
            }
            (10, _) => {
                // Any stream that it knows, even a closed one; it sends nothing more on it.
                let candidates = self
                    .streams
                    .iter()
                    .filter(|(id, stream)| *id % 2 == 1 || stream.received);
                if let Some(id) = pick(candidates.map(|(id, _)| *id), which) {
                    self.client.send_reset(id);
                    self.streams.get_mut(&id).unwrap().client_sent_end = true;
                }
            }
            (11, Some(id)) => self.client.send(&window_update(id, 9)),
            (12, _) => self.client.send(&window_update(0, 9)),
            (13, _) if which.is_multiple_of(8) => self.client.send_goaway(self.last_promised),
            _ => self.client.send_connection_frame(which),
        }
    }

    pub(super) fn server_sends(&mut self, what: u8, which: usize) {
        let end = if which & 0x100 != 0 { END_STREAM } else { NONE };
        let mine = |(id, stream): (&u32, &Stream)| {
            (stream.received && !stream.is_reset && !stream.server_sent_end).then_some(*id)
        };
        let open = pick(self.streams.iter().filter_map(mine), which);
        match (what % 16, open) {
            (0..=3, Some(id)) => {
                let at = self.server.bytes.len();
                self.server
                    .effects
                    .push((at + HEADER, Effect::Responded(id)));
                self.server.send_block(HEADERS, end, id, &[], which);
                self.streams.get_mut(&id).unwrap().server_sent_end = end != 0;
                if end != 0 {
                    self.server
                        .effects
                        .push((self.server.bytes.len(), Effect::End(id, at)));
                }
            }
            (4..=7, Some(id)) => {
                self.server.send_data(end, id, which);
                self.streams.get_mut(&id).unwrap().server_sent_end = end != 0;
            }
            (8, Some(id)) => {
                let at = self.server.bytes.len();
                self.server
                    .effects
                    .push((at + HEADER, Effect::Responded(id)));
                self.server.send_trailers(id, which);
                self.streams.get_mut(&id).unwrap().server_sent_end = true;
            }
            (9, _) => {
                // Also a stream with a response, to stop the rest of the request.
                if let Some(id) = pick(
                    self.streams
                        .iter()
                        .filter(|(_, s)| s.received)
                        .map(|(id, _)| *id),
                    which,
                ) {
                    self.server.send_reset(id);
                    self.streams.get_mut(&id).unwrap().server_sent_end = true;
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
                    .send_block(PUSH_PROMISE, NONE, on, &id.to_be_bytes(), which);
                self.server
                    .effects
                    .push((self.server.bytes.len(), Effect::Received(id)));
                self.streams.insert(
                    id,
                    Stream {
                        client_sent_end: true,
                        ..Stream::default()
                    },
                );
            }
            (11, Some(id)) => self.server.send(&window_update(id, 9)),
            (12, _) => self.server.send(&window_update(0, 9)),
            (13, _) if which.is_multiple_of(8) => {
                self.server.send_goaway(if which & 0x800 != 0 {
                    MAX_STREAM_ID
                } else {
                    self.last_opened
                });
            }
            _ => self.server.send_connection_frame(which),
        }
    }
}
