//! The nine bytes before the payload of every frame (RFC 9113 4.1), and which lengths and streams each type allows
//! (RFC 9113 6).

use super::MAX_FRAME;

/// The length of a frame header in bytes.
pub(super) const HEADER: usize = 9;

/// ACK on SETTINGS and PING; the same bit as [`END_STREAM`].
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The reserved bit before the 31 bits of a stream id, window increment or last-stream-id.
const RESERVED: u32 = 1 << 31;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameType {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// A type that RFC 9113 does not define. Receivers ignore it (RFC 9113 5.5).
    Unknown,
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The payload's length in bytes.
    pub(super) length: u32,
    pub(super) stream: u32,
    pub(super) frame_type: FrameType,
    flags: u8,
}

impl Frame {
    /// Parses a frame header.
    pub(super) fn parse(bytes: &[u8; HEADER]) -> Self {
        let [length_and_type @ .., flags, _, _, _, _] = bytes;
        let [_, _, _, _, _, stream @ ..] = bytes;
        let length_and_type = u32::from_be_bytes(*length_and_type);
        let [_, _, _, frame_type] = length_and_type.to_be_bytes();
        Self {
            length: length_and_type >> 8,
            stream: parse_u31(*stream),
            frame_type: FrameType::from(frame_type),
            flags: *flags,
        }
    }

    /// Whether the length and stream are no connection error by RFC 9113 6, and the payload is not longer than
    /// [`MAX_FRAME`].
    #[inline]
    pub(super) fn is_allowed(self) -> bool {
        let (is_on_stream, length) = (self.stream != 0, self.length);
        let fits = match self.frame_type {
            FrameType::Data | FrameType::Headers | FrameType::PushPromise => {
                is_on_stream && length >= self.min_length()
            }
            // A PRIORITY of a wrong length is only a stream error (RFC 9113 6.3).
            FrameType::Priority | FrameType::Continuation => is_on_stream,
            FrameType::RstStream => is_on_stream && length == 4,
            FrameType::Settings if self.is_ack() => !is_on_stream && length == 0,
            FrameType::Settings => !is_on_stream && length.is_multiple_of(6),
            FrameType::Ping => !is_on_stream && length == 8,
            FrameType::GoAway => !is_on_stream && length >= 8,
            FrameType::WindowUpdate => length == 4,
            FrameType::Unknown => true,
        };
        fits && length <= MAX_FRAME
    }

    /// The length of the fields before the data or header block: pad length, priority and promised stream.
    pub(super) fn min_length(&self) -> u32 {
        let priority = if self.frame_type == FrameType::Headers && self.flags & PRIORITY != 0 {
            5
        } else {
            0
        };
        let promised = if self.frame_type == FrameType::PushPromise {
            4
        } else {
            0
        };
        u32::from(self.is_padded())
            .saturating_add(priority)
            .saturating_add(promised)
    }

    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    pub(super) fn is_padded(&self) -> bool {
        self.flags & PADDED != 0
    }

    /// Whether the frame has END_STREAM, which only DATA and HEADERS can have.
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.frame_type, FrameType::Data | FrameType::Headers)
            && self.flags & END_STREAM != 0
    }

    /// Whether CONTINUATION must follow, because the header block is incomplete.
    pub(super) fn leaves_block_open(&self) -> bool {
        matches!(
            self.frame_type,
            FrameType::Headers | FrameType::PushPromise | FrameType::Continuation
        ) && self.flags & END_HEADERS == 0
    }
}

impl From<u8> for FrameType {
    fn from(frame_type: u8) -> Self {
        match frame_type {
            0x0 => Self::Data,
            0x1 => Self::Headers,
            0x2 => Self::Priority,
            0x3 => Self::RstStream,
            0x4 => Self::Settings,
            0x5 => Self::PushPromise,
            0x6 => Self::Ping,
            0x7 => Self::GoAway,
            0x8 => Self::WindowUpdate,
            0x9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }
}

/// Parses a stream id, window increment or last-stream-id without its reserved bit.
pub(super) fn parse_u31(bytes: [u8; 4]) -> u32 {
    u32::from_be_bytes(bytes) & !RESERVED
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::BypassReason;

    fn header(length: u32, kind: u8, flags: u8, stream: u32) -> Result<Frame, BypassReason> {
        let [_, a, b, c] = length.to_be_bytes();
        let [d, e, f, g] = stream.to_be_bytes();
        let frame = Frame::parse(&[a, b, c, kind, flags, d, e, f, g]);
        frame
            .is_allowed()
            .then_some(frame)
            .ok_or(BypassReason::Frame)
    }

    const DATA: u8 = 0x0;
    const HEADERS: u8 = 0x1;
    const SETTINGS: u8 = 0x4;
    const PUSH_PROMISE: u8 = 0x5;
    const GOAWAY: u8 = 0x7;

    #[test]
    fn reserved_bit_is_not_part_of_the_stream_id() {
        assert_eq!(
            header(0, DATA, 0, RESERVED | 5).map(|frame| frame.stream),
            Ok(5)
        );
    }

    #[test]
    fn sizes_are_those_of_rfc_9113() {
        for (kind, stream, fits, wrong) in [
            (0x3, 1, vec![4], vec![0, 3, 5]),
            (SETTINGS, 0, vec![0, 6, 12], vec![1, 5, 7]),
            (0x6, 0, vec![8], vec![0, 7, 9]),
            (GOAWAY, 0, vec![8, 9, 100], vec![0, 7]),
            (0x8, 0, vec![4], vec![3, 5]),
            (0x8, 1, vec![4], vec![3, 5]),
            (PUSH_PROMISE, 1, vec![4, 5], vec![0, 3]),
            (0x2, 1, vec![5, 6], vec![]),
        ] {
            for length in fits {
                assert!(
                    header(length, kind, 0, stream).is_ok(),
                    "type {kind}, {length} bytes"
                );
            }
            for length in wrong {
                assert_eq!(
                    header(length, kind, 0, stream),
                    Err(BypassReason::Frame),
                    "type {kind}, {length} bytes"
                );
            }
        }
    }

    #[test]
    fn acknowledgement_of_settings_is_empty() {
        assert!(header(0, SETTINGS, ACK, 0).is_ok());
        assert_eq!(header(6, SETTINGS, ACK, 0), Err(BypassReason::Frame));
    }

    #[test]
    fn flags_require_their_fields() {
        assert_eq!(header(0, DATA, PADDED, 1), Err(BypassReason::Frame));
        assert!(header(1, DATA, PADDED, 1).is_ok());
        assert_eq!(
            header(5, HEADERS, PADDED | PRIORITY, 1),
            Err(BypassReason::Frame)
        );
        assert!(header(6, HEADERS, PADDED | PRIORITY, 1).is_ok());
        assert_eq!(header(4, PUSH_PROMISE, PADDED, 1), Err(BypassReason::Frame));
    }

    #[test]
    fn frames_are_on_the_connection_or_on_a_stream() {
        for (kind, length) in [
            (DATA, 0),
            (HEADERS, 0),
            (0x2, 5),
            (0x3, 4),
            (PUSH_PROMISE, 4),
            (0x9, 0),
        ] {
            assert_eq!(
                header(length, kind, 0, 0),
                Err(BypassReason::Frame),
                "type {kind} on stream 0"
            );
        }
        for (kind, length) in [(SETTINGS, 0), (0x6, 8), (GOAWAY, 8)] {
            assert_eq!(
                header(length, kind, 0, 1),
                Err(BypassReason::Frame),
                "type {kind} on stream 1"
            );
        }
    }

    #[test]
    fn longest_frame_has_one_mebibyte() {
        assert!(header(MAX_FRAME, DATA, 0, 1).is_ok());
        assert_eq!(header(MAX_FRAME + 1, DATA, 0, 1), Err(BypassReason::Frame));
    }

    #[test]
    fn only_data_and_headers_end_a_stream() {
        assert!(header(0, DATA, END_STREAM, 1).is_ok_and(|frame| frame.ends_stream()));
        assert!(header(0, HEADERS, END_STREAM, 1).is_ok_and(|frame| frame.ends_stream()));
        assert!(header(0, 0x9, END_STREAM, 1).is_ok_and(|frame| !frame.ends_stream()));
        assert!(header(0, SETTINGS, ACK, 0).is_ok_and(|frame| !frame.ends_stream()));
        assert!(header(0, 0xfe, END_STREAM, 1).is_ok_and(|frame| !frame.ends_stream()));
    }
}
