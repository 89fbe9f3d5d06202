//! What a frame changes, by the peer that sent it.

use super::frame::{Frame, HEADER};
use super::streams::Peer;
use super::{Connection, Http2Write};
use crate::BypassReason;

/// Handles the frames of one callback.
///
/// `begin` and `read` return how many of the next payload bytes to read, at most 9; fewer are read where the payload
/// ends before. The others are skipped.
pub(super) struct FrameHandler<'a> {
    pub(super) connection: &'a mut Connection,
    /// The peer that sends the frames.
    pub(super) sender: Peer,
    /// What was found so far in the frames of the server.
    pub(super) write: &'a mut Http2Write,
}

impl FrameHandler<'_> {
    /// Handles a frame header.
    pub(super) fn begin(&mut self, frame: Frame, is_first: bool) -> Result<u8, BypassReason> {
        match self.sender {
            Peer::Client => self.begin_client_frame(frame, is_first),
            Peer::Server => self.begin_server_frame(frame),
        }
    }

    /// Handles a part of a payload, `len` bytes as requested; those after them have no meaning.
    pub(super) fn read(
        &mut self,
        frame: Frame,
        part: &[u8; HEADER],
        len: u8,
    ) -> Result<u8, BypassReason> {
        match self.sender {
            Peer::Client => Ok(self.connection.read_client_payload(frame, part, len)),
            Peer::Server => self.connection.read_server_payload(frame, part).map(|()| 0),
        }
    }

    /// Handles the end of a frame, which began at offset `at` (its HEADERS frame, where it is a CONTINUATION); None if
    /// that was in an earlier callback. With `ends_stream` its sender sends no more on the stream: END_STREAM of a
    /// HEADERS frame takes effect when the header block ends.
    pub(super) fn end(&mut self, frame: Frame, at: Option<usize>, ends_stream: bool) {
        match self.sender {
            Peer::Client => self.end_client_frame(frame, ends_stream),
            Peer::Server => self.end_server_frame(frame, at, ends_stream),
        }
    }
}
