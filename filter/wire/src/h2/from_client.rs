//! The frames of the client: they open and end streams, identify the client and acknowledge PINGs.

use super::Http2Scanner;
use super::client::ClientProfile;
use super::direction::Event;
use super::frame::{Frame, FrameType, HEADER, parse_u31};
use super::reader::Cursor;
use super::streams::Peer;
use crate::{BypassReason, ByteSource};

impl Http2Scanner {
    pub(super) fn scan_client_frames(
        &mut self,
        source: &mut dyn ByteSource,
    ) -> Result<(), BypassReason> {
        let mut cursor = Cursor::new(source);
        while let Some(event) = self.from_client.next(&mut cursor)? {
            match event {
                Event::Begin(frame) => self.begin_client_frame(frame)?,
                Event::Payload(frame, bytes, length) => {
                    self.read_client_payload(frame, bytes, length)
                }
                Event::End { frame, .. } if frame.frame_type == FrameType::RstStream => {
                    self.streams.reset(frame.stream, Peer::Client);
                }
                Event::End { frame, ends_stream } => {
                    self.identify_client(frame);
                    if ends_stream {
                        self.streams.end(frame.stream, Peer::Client);
                    }
                }
            }
        }
        Ok(())
    }

    /// Identifies the client once the header block of its first request is complete.
    fn identify_client(&mut self, frame: Frame) {
        let has_request = self
            .first_frames
            .as_ref()
            .is_some_and(|it| it.has_request());
        if has_request
            && !frame.leaves_block_open()
            && let Some(first_frames) = self.first_frames.take()
        {
            self.client = ClientProfile::of(&first_frames);
        }
    }

    /// Handles a frame header, and requests the part of the payload that matters.
    fn begin_client_frame(&mut self, frame: Frame) -> Result<(), BypassReason> {
        match frame.frame_type {
            FrameType::Headers => {
                if let Some(first_frames) = &mut self.first_frames {
                    first_frames.begin_request(frame.stream);
                    first_frames.grpc.skip(frame.min_length());
                    self.from_client.want_next();
                }
                self.streams
                    .client_headers(frame.stream, frame.ends_stream())
            }
            FrameType::Data => self.streams.client_data(frame.stream),
            FrameType::RstStream => self.streams.check_opened(frame.stream),
            FrameType::WindowUpdate => {
                // Before the first request there is no stream, so the window is the connection's.
                if self.first_frames.is_some() {
                    self.from_client.want(4);
                }
                self.streams.check_opened(frame.stream)
            }
            FrameType::Settings => {
                if self.from_client.is_first_frame() {
                    self.from_client.want(6);
                }
                Ok(())
            }
            FrameType::GoAway => {
                self.from_client.want(4);
                Ok(())
            }
            FrameType::Ping => {
                if frame.is_ack() && self.delivery.is_ping_outstanding() {
                    self.from_client.want(8);
                }
                Ok(())
            }
            // A client cannot push (RFC 9113 8.4).
            FrameType::PushPromise => Err(BypassReason::Frame),
            FrameType::Continuation => {
                if self.first_frames.is_some() {
                    self.from_client.want_next();
                }
                Ok(())
            }
            FrameType::Priority | FrameType::Unknown => Ok(()),
        }
    }

    /// Handles the next `length` bytes of a payload, and requests further ones where they matter.
    fn read_client_payload(&mut self, frame: Frame, bytes: [u8; HEADER], length: u8) {
        let [a, b, c, d, e, f, g, h, _] = bytes;
        match (frame.frame_type, &mut self.first_frames) {
            (FrameType::Ping, _) => self.delivery.ping_acknowledged([a, b, c, d, e, f, g, h]),
            (FrameType::Settings, Some(first_frames)) => {
                let has_room = first_frames.add_setting([a, b, c, d, e, f]);
                self.from_client.want(if has_room { 6 } else { 0 });
            }
            (FrameType::Headers | FrameType::Continuation, Some(first_frames)) => {
                let block = bytes.into_iter().take(usize::from(length));
                first_frames.grpc.scan(block);
                self.from_client.want_next();
            }
            (FrameType::WindowUpdate, Some(first_frames)) => {
                first_frames.set_window_update(parse_u31([a, b, c, d]))
            }
            (FrameType::GoAway, _) => self.streams.go_away(Peer::Client, parse_u31([a, b, c, d])),
            _ => {}
        }
    }
}
