//! The GOAWAY frame (RFC 9113 6.8), the drain signal of HTTP/2.

/// The highest possible stream id: a GOAWAY with it refuses no stream in transit (RFC 9113 6.8).
pub const MAX_STREAM_ID: u32 = (1 << 31) - 1;

/// Returns a GOAWAY frame with NO_ERROR and no debug data, which refuses streams above `last_stream_id`. Higher values
/// than [`MAX_STREAM_ID`] are replaced by it.
pub fn goaway_frame(last_stream_id: u32) -> [u8; 17] {
    let [a, b, c, d] = last_stream_id.min(MAX_STREAM_ID).to_be_bytes();
    let (length, frame_type) = (8, 0x7);
    [
        0, 0, length, frame_type, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0,
    ]
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::h2::frame::{Frame, FrameType};

    #[test]
    fn goaway_is_on_stream_0() {
        let frame = Frame::parse(goaway_frame(7).first_chunk().unwrap());
        assert_eq!(
            (frame.frame_type, frame.length, frame.stream),
            (FrameType::GoAway, 8, 0)
        );
    }

    #[test]
    fn payload_is_the_last_stream_id_and_no_error() {
        assert_eq!(
            goaway_frame(7)[9..],
            [7_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat()
        );
        assert_eq!(goaway_frame(u32::MAX), goaway_frame(MAX_STREAM_ID));
    }
}
