//! The frames of the server: they end streams, and a drain signal is inserted between them.

use super::frame::{Frame, FrameType, HEADER, parse_u31};
use super::handler::FrameHandler;
use super::streams::{EndedStream, Peer};
use super::{AbortedResponse, Connection, LastStreamEnd};
use crate::BypassReason;

impl FrameHandler<'_> {
    /// Handles a frame header of the server. Returns how much of the payload to read.
    pub(super) fn begin_server_frame(&mut self, frame: Frame) -> Result<u8, BypassReason> {
        let Connection {
            streams, delivery, ..
        } = &mut *self.connection;
        Ok(match frame.frame_type {
            FrameType::Headers => {
                streams.server_headers(frame.stream)?;
                0
            }
            FrameType::Data => {
                streams.server_data(frame.stream)?;
                0
            }
            FrameType::RstStream | FrameType::WindowUpdate => {
                streams.check_opened(frame.stream)?;
                0
            }
            FrameType::PushPromise => {
                streams.server_data(frame.stream)?;
                if frame.is_padded() { 5 } else { 4 }
            }
            FrameType::GoAway => {
                self.write.has_goaway = true;
                4
            }
            // The client acknowledges Envoy's own PINGs too.
            FrameType::Ping if !frame.is_ack() && !delivery.is_confirmed() => 8,
            FrameType::Ping
            | FrameType::Settings
            | FrameType::Priority
            | FrameType::Continuation
            | FrameType::Unknown => 0,
        })
    }

    /// Handles the end of a frame of the server.
    pub(super) fn end_server_frame(&mut self, frame: Frame, at: Option<usize>, ends_stream: bool) {
        let Connection {
            streams, delivery, ..
        } = &mut *self.connection;
        let stream = frame.stream;
        let ended = if frame.frame_type == FrameType::RstStream {
            if let Some(client_ended) = streams.unfinished_response(stream) {
                self.write.aborted_response = Some(AbortedResponse {
                    stream,
                    frame_at: at,
                    client_ended,
                });
            }
            delivery.response_ended();
            streams.reset(stream, Peer::Server)
        } else if ends_stream {
            delivery.response_ended();
            streams.end(stream, Peer::Server)
        } else {
            None
        };
        if let Some(EndedStream { was_alone }) = ended {
            self.write.last_stream_end = Some(LastStreamEnd {
                frame_at: at,
                was_alone,
            });
        }
    }
}

impl Connection {
    /// Handles a part of a payload of the server.
    #[inline(never)]
    pub(super) fn read_server_payload(
        &mut self,
        frame: Frame,
        part: &[u8; HEADER],
    ) -> Result<(), BypassReason> {
        let Connection {
            streams, delivery, ..
        } = self;
        let [a, b, c, d, e, f, g, h, _] = *part;
        match frame.frame_type {
            FrameType::Ping => delivery.ping_sent([a, b, c, d, e, f, g, h]),
            // The promised stream follows the pad length (RFC 9113 6.6).
            FrameType::PushPromise if frame.is_padded() => {
                streams.promise(frame.stream, parse_u31([b, c, d, e]))?;
            }
            FrameType::PushPromise => streams.promise(frame.stream, parse_u31([a, b, c, d]))?,
            FrameType::GoAway => streams.go_away(Peer::Server, parse_u31([a, b, c, d])),
            _ => {}
        }
        Ok(())
    }
}
