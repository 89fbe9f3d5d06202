//! Connections whose frames are not read: a read costs more than scanning.
//!
//! A client that tolerates a GOAWAY at any time, and then closes the connection itself, needs nothing of what the scanner
//! learns: a GOAWAY that refuses no stream fits behind any of its frames. Envoy's codecs write whole frames, so each write
//! ends behind one. The write that gets the GOAWAY is read, to verify that it consists of whole frames.

use super::direction::READ_SIZE;
use super::frame::{Frame, FrameType, HEADER};
use super::part::{MAX_PART, Part};
use super::{AbortedResponse, Http2Scanner, Http2Write};
use crate::chunk::Chunk;
use crate::{BypassReason, ByteSource};

/// The lengths of the GOAWAY frames of Envoy's codecs, in bytes: nghttp2 has no debug data; with oghttp2 that of the first
/// one is `graceful_shutdown`. Each is a write of its own, as the last one is sent by a timer. A PING has the first length, too.
const GOAWAY_LENS: [usize; 2] = [HEADER + 8, HEADER + 8 + 17];

impl Http2Scanner {
    /// Whether the connection can be left unread: its client tolerates a GOAWAY at any time, and every write of the server
    /// so far has ended between two frames.
    pub fn can_be_unread(&self) -> bool {
        self.is_client_identified()
            && self.connection.client.tolerance.is_any_time()
            && !self.has_split_frames
            && !self.is_unread
    }

    /// Reads no more frames. From then on nothing is known of streams, and requests are not counted.
    pub fn leave_unread(&mut self) {
        self.is_unread = true;
        self.connection.streams.forget_active();
    }

    /// Whether the connection was left unread.
    pub fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Whether a write of `len` bytes may be a GOAWAY of the server. It has to be scanned also where the connection is
    /// unread: no GOAWAY with a higher last-stream-id may follow (RFC 9113 6.8).
    pub fn may_be_goaway(len: usize) -> bool {
        GOAWAY_LENS.contains(&len)
    }

    /// Whether a GOAWAY was inserted.
    pub fn has_sent_goaway(&self) -> bool {
        self.connection.delivery.is_draining()
    }

    /// Scans a write of an unread connection.
    ///
    /// # Errors
    /// [`BypassReason::Frame`] for a write that does not consist of whole frames, [`BypassReason::Unreadable`].
    #[inline(never)]
    pub(super) fn scan_unread_write(
        &mut self,
        source: &mut dyn ByteSource,
    ) -> Result<Http2Write, BypassReason> {
        scan_whole_frames(source).inspect_err(|reason| self.bypassed = Some(*reason))
    }
}

/// Finds whether a GOAWAY fits behind a write, which consists of whole frames.
fn scan_whole_frames(source: &mut dyn ByteSource) -> Result<Http2Write, BypassReason> {
    let mut chunk = Chunk::new(source, READ_SIZE);
    let mut header = Part::default();
    let mut write = Http2Write::default();
    while !chunk.is_empty() {
        let count = header.fill(chunk.peek()?, MAX_PART);
        chunk.advance(count);
        let end = chunk.at();
        let Some(bytes) = header.take(MAX_PART) else {
            continue;
        };
        let frame = Frame::parse(bytes);
        if !frame.is_allowed() || chunk.skip(frame.length.into()) > 0 {
            return Err(BypassReason::Frame);
        }
        // Not in a header block, which CONTINUATION in a later write completes (RFC 9113 4.3).
        write.fits_at_end = !frame.leaves_block_open();
        write.has_goaway |= frame.frame_type == FrameType::GoAway;
        if frame.frame_type == FrameType::RstStream {
            write.aborted_response = Some(AbortedResponse {
                stream: frame.stream,
                frame_at: end.checked_sub(HEADER),
                // Not known: a RST_STREAM behind the end of the stream is added, which clients ignore.
                client_ended: false,
            });
        }
    }
    if header.is_empty() {
        Ok(write)
    } else {
        Err(BypassReason::Frame)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const SETTINGS: u8 = 0x4;
    const GOAWAY: u8 = 0x7;
    const END_HEADERS: u8 = 0x4;

    fn frame(length: u8, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        frame.resize(HEADER + usize::from(length), 0xff);
        frame
    }

    fn scan(bytes: &[u8]) -> Result<Http2Write, BypassReason> {
        scan_whole_frames(&mut &*bytes)
    }

    #[test]
    fn goaway_fits_behind_whole_frames() {
        let data = frame(250, 0x0, 0, 1);
        let headers = frame(20, 0x1, END_HEADERS, 1);
        let blocks = [frame(9, 0x1, 0, 1), frame(9, 0x9, END_HEADERS, 1)].concat();
        for write in [
            data.clone(),
            frame(0, 0x0, 0x1, 1),
            [headers, data.clone(), data].concat(),
            blocks,
        ] {
            let found = scan(&write).unwrap();
            assert_eq!((found.fits_at_start, found.fits_at_end), (false, true));
            assert!(!found.has_goaway);
        }
    }

    #[test]
    fn only_whole_frames_are_accepted() {
        let frames = [
            frame(20, 0x1, END_HEADERS, 1),
            frame(250, 0x0, 0, 1),
            frame(8, 0x6, 0, 0),
        ];
        let ends = [29, 288, 305];
        let write = frames.concat();
        for len in 1..=write.len() {
            let is_whole = scan(&write[..len]).is_ok();
            assert_eq!(is_whole, ends.contains(&len), "{len}");
        }
    }

    #[test]
    fn goaway_of_the_server_is_found() {
        let goaway = frame(8, GOAWAY, 0, 0);
        assert!(Http2Scanner::may_be_goaway(goaway.len()));
        assert!(scan(&goaway).unwrap().has_goaway);
        let settings = frame(0, SETTINGS, 0x1, 0);
        assert!(scan(&[settings, goaway].concat()).unwrap().has_goaway);
    }

    #[test]
    fn goaway_does_not_fit_in_a_header_block() {
        let open = frame(9, 0x1, 0, 1);
        let more = frame(9, 0x9, 0, 1);
        let last = frame(9, 0x9, END_HEADERS, 1);
        for (write, fits) in [
            (&open[..], false),
            (&more, false),
            (&last, true),
            (&[&open[..], &more].concat(), false),
            (&[&last[..], &open].concat(), false),
        ] {
            assert_eq!(scan(write).unwrap().fits_at_end, fits);
        }
    }

    #[test]
    fn last_reset_is_found() {
        let data = frame(30, 0x0, 0, 1);
        let reset = frame(4, 0x3, 0, 3);
        let found = scan(&[data, reset].concat()).unwrap().aborted_response;
        let expected = AbortedResponse {
            stream: 3,
            frame_at: Some(39),
            client_ended: false,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn write_that_is_not_whole_frames_is_rejected() {
        let data = frame(100, 0x0, 0, 1);
        for write in [
            &data[..data.len() - 1],
            &data[..HEADER - 1],
            &data[1..],
            &data[HEADER..],
            &[&data[..], &data[..5]].concat(),
            b"HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(scan(write), Err(BypassReason::Frame));
        }
    }
}
