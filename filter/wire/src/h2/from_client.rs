//! The frames of the client: they open and end streams, identify the client and acknowledge PINGs.

use super::Connection;
use super::client::ClientProfile;
use super::frame::{Frame, FrameType, HEADER, parse_u31};
use super::handler::FrameHandler;
use super::part::MAX_PART;
use super::streams::Peer;
use crate::BypassReason;

impl FrameHandler<'_> {
    /// Handles a frame header of the client. Returns how much of the payload to read.
    pub(super) fn begin_client_frame(
        &mut self,
        frame: Frame,
        is_first: bool,
    ) -> Result<u8, BypassReason> {
        let Connection {
            streams,
            first_frames,
            delivery,
            ..
        } = &mut *self.connection;
        let is_identifying = first_frames.is_some();
        let wanted_if = |condition, length| if condition { length } else { 0 };
        Ok(match frame.frame_type {
            FrameType::Headers => {
                if let Some(first_frames) = first_frames {
                    first_frames.begin_request(frame.stream);
                    first_frames.grpc.skip(frame.min_length());
                }
                streams.client_headers(frame.stream, frame.ends_stream())?;
                wanted_if(is_identifying, MAX_PART)
            }
            FrameType::Continuation => wanted_if(is_identifying, MAX_PART),
            FrameType::Data => {
                streams.client_data(frame.stream)?;
                0
            }
            FrameType::RstStream => {
                streams.check_opened(frame.stream)?;
                0
            }
            FrameType::WindowUpdate => {
                streams.check_opened(frame.stream)?;
                // Before the first request there is no stream, so the window is the connection's.
                wanted_if(is_identifying, 4)
            }
            FrameType::Settings => wanted_if(is_first, 6),
            FrameType::GoAway => 4,
            FrameType::Ping => wanted_if(frame.is_ack() && delivery.is_ping_outstanding(), 8),
            // A client cannot push (RFC 9113 8.4).
            FrameType::PushPromise => return Err(BypassReason::Frame),
            FrameType::Priority | FrameType::Unknown => 0,
        })
    }

    /// Handles the end of a frame of the client.
    pub(super) fn end_client_frame(&mut self, frame: Frame, ends_stream: bool) {
        let connection = &mut *self.connection;
        if frame.frame_type == FrameType::RstStream {
            connection.streams.reset(frame.stream, Peer::Client);
            return;
        }
        if connection.first_frames.is_some() && !frame.leaves_block_open() {
            connection.identify_client();
        }
        if ends_stream {
            connection.streams.end(frame.stream, Peer::Client);
        }
    }
}

impl Connection {
    /// Handles a part of a payload of the client. Returns how much more to read.
    #[inline(never)]
    pub(super) fn read_client_payload(&mut self, frame: Frame, part: &[u8; HEADER], len: u8) -> u8 {
        let [a, b, c, d, e, f, g, h, _] = *part;
        match (frame.frame_type, &mut self.first_frames) {
            (FrameType::Ping, _) => {
                let payload = [a, b, c, d, e, f, g, h];
                self.delivery.ping_acknowledged(payload);
            }
            (FrameType::GoAway, _) => {
                let last = parse_u31([a, b, c, d]);
                self.streams.go_away(Peer::Client, last);
            }
            (FrameType::Settings, Some(first_frames)) => {
                let has_room = first_frames.add_setting([a, b, c, d, e, f]);
                return if has_room { 6 } else { 0 };
            }
            (FrameType::Headers | FrameType::Continuation, Some(first_frames)) => {
                first_frames.grpc.scan(part.iter().take(usize::from(len)));
                return MAX_PART;
            }
            (FrameType::WindowUpdate, Some(first_frames)) => {
                first_frames.set_window_update(parse_u31([a, b, c, d]));
            }
            _ => {}
        }
        0
    }

    /// Identifies the client once the header block of its first request is complete.
    #[inline(never)]
    fn identify_client(&mut self) {
        if self
            .first_frames
            .as_ref()
            .is_some_and(|it| it.has_request())
            && let Some(first_frames) = self.first_frames.take()
        {
            self.client = ClientProfile::of(&first_frames);
        }
    }
}
