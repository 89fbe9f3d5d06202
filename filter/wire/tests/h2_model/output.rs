//! What one side of the model sends.

use super::{Effect, Output};
use crate::h2_support::*;

impl Output {
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Sends a header block in one to three frames, padded or not.
    pub(super) fn send_block(
        &mut self,
        frame_type: u8,
        end: u8,
        stream: u32,
        fields: &[u8],
        which: usize,
    ) {
        let pad: &[u8] = if which & 0x400 != 0 { &[2] } else { &[] };
        let tail: &[u8] = if pad.is_empty() { &[] } else { &[0; 2] };
        let payload = [pad, fields, BLOCK, tail].concat();
        let padded = if pad.is_empty() { NONE } else { PADDED };
        let more = (which >> 12) % 3;
        let closed = |last: bool| if last { END_HEADERS } else { NONE };
        self.send(&frame(
            frame_type,
            end | padded | closed(more == 0),
            stream,
            &payload,
        ));
        for nth in 1..=more {
            self.send(&frame(CONTINUATION, closed(nth == more), stream, BLOCK));
        }
    }

    pub(super) fn send_data(&mut self, end: u8, stream: u32, which: usize) {
        let at = self.bytes.len();
        let len = if which & 0x800 != 0 {
            500
        } else {
            which >> 16 & 0x1f
        };
        self.send(&data(end, stream, len));
        if end != 0 {
            self.effects
                .push((self.bytes.len(), Effect::End(stream, at)));
        }
    }

    pub(super) fn send_trailers(&mut self, stream: u32, which: usize) {
        let at = self.bytes.len();
        self.send_block(HEADERS, END_STREAM, stream, &[], which);
        self.effects
            .push((self.bytes.len(), Effect::End(stream, at)));
    }

    pub(super) fn send_reset(&mut self, stream: u32) {
        let at = self.bytes.len();
        self.send(&reset(stream));
        self.effects
            .push((self.bytes.len(), Effect::Reset(stream, at)));
    }

    pub(super) fn send_goaway(&mut self, last: u32) {
        self.effects
            .push((self.bytes.len() + HEADER + 4, Effect::GoAway(last)));
        self.send(&peer_goaway(last));
    }

    pub(super) fn send_connection_frame(&mut self, which: usize) {
        self.send(&match which >> 4 & 0x3 {
            0 => frame(PING, NONE, 0, &[0; 8]),
            1 => settings(&[(4, 70_000)]),
            2 => frame(PRIORITY, NONE, 9, &[0; 5]),
            _ => frame(GREASE, 0xff, 4, &[1; 21]),
        });
    }
}
