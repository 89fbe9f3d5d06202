//! The frames of the server: they end streams, and a drain signal is inserted between them.

use super::direction::Event;
use super::frame::{Frame, FrameType, HEADER, parse_u31};
use super::reader::Cursor;
use super::streams::{EndedStream, Peer};
use super::{AbortedResponse, Http2Scanner, Http2Write, LastStreamEnd};
use crate::{BypassReason, ByteSource};

impl Http2Scanner {
    pub(super) fn scan_server_frames(
        &mut self,
        source: &mut dyn ByteSource,
    ) -> Result<Http2Write, BypassReason> {
        let mut write = Http2Write {
            fits_at_start: self.from_server.is_boundary(),
            ..Http2Write::default()
        };
        let mut frame_at = None;
        let mut cursor = Cursor::new(source);
        while let Some(event) = self.from_server.next(&mut cursor)? {
            let ended = match event {
                Event::Begin(frame) => {
                    // No frame may interrupt a header block (RFC 9113 4.3), so CONTINUATION counts as a part of the
                    // HEADERS frame.
                    if frame.frame_type != FrameType::Continuation {
                        frame_at = cursor.frame_at();
                    }
                    write.has_goaway |= frame.frame_type == FrameType::GoAway;
                    self.begin_server_frame(frame)?;
                    None
                }
                Event::Payload(frame, bytes, _) => {
                    self.read_server_payload(frame, bytes)?;
                    None
                }
                Event::End { frame, .. } if frame.frame_type == FrameType::RstStream => {
                    let stream = frame.stream;
                    if let Some(client_ended) = self.streams.unfinished_response(stream) {
                        write.aborted_response = Some(AbortedResponse {
                            stream,
                            frame_at,
                            client_ended,
                        });
                    }
                    self.delivery.response_ended();
                    self.streams.reset(stream, Peer::Server)
                }
                Event::End {
                    frame,
                    ends_stream: true,
                } => {
                    self.delivery.response_ended();
                    self.streams.end(frame.stream, Peer::Server)
                }
                Event::End { .. } => None,
            };
            if let Some(EndedStream { was_alone }) = ended {
                write.last_stream_end = Some(LastStreamEnd {
                    frame_at,
                    was_alone,
                });
            }
        }
        write.last_stream_end = write.last_stream_end.filter(|_| self.streams.active() == 0);
        write.fits_at_end = self.from_server.is_boundary();
        Ok(write)
    }

    /// Handles a frame header, and requests the part of the payload that matters.
    fn begin_server_frame(&mut self, frame: Frame) -> Result<(), BypassReason> {
        match frame.frame_type {
            FrameType::Headers => self.streams.server_headers(frame.stream),
            FrameType::Data => self.streams.server_data(frame.stream),
            FrameType::RstStream | FrameType::WindowUpdate => {
                self.streams.check_opened(frame.stream)
            }
            FrameType::PushPromise => {
                self.from_server.want(if frame.is_padded() { 5 } else { 4 });
                self.streams.server_data(frame.stream)
            }
            FrameType::GoAway => {
                self.from_server.want(4);
                Ok(())
            }
            FrameType::Ping => {
                // The client acknowledges Envoy's own PINGs too.
                if !frame.is_ack() && !self.delivery.is_confirmed() {
                    self.from_server.want(8);
                }
                Ok(())
            }
            FrameType::Settings
            | FrameType::Priority
            | FrameType::Continuation
            | FrameType::Unknown => Ok(()),
        }
    }

    fn read_server_payload(
        &mut self,
        frame: Frame,
        bytes: [u8; HEADER],
    ) -> Result<(), BypassReason> {
        let [a, b, c, d, e, f, g, h, _] = bytes;
        match frame.frame_type {
            FrameType::Ping => {
                self.delivery.ping_sent([a, b, c, d, e, f, g, h]);
                Ok(())
            }
            // The promised stream follows the pad length (RFC 9113 6.6).
            FrameType::PushPromise if frame.is_padded() => {
                self.streams.promise(frame.stream, parse_u31([b, c, d, e]))
            }
            FrameType::PushPromise => self.streams.promise(frame.stream, parse_u31([a, b, c, d])),
            FrameType::GoAway => {
                self.streams.go_away(Peer::Server, parse_u31([a, b, c, d]));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
