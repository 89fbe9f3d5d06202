//! The end of a gRPC stream whose age has reached its limit: the client opens it again.

use super::frame::HEADER;

const END_STREAM_AND_HEADERS: u8 = 0x1 | 0x4;

/// The `grpc-message`, for people. It contains no byte that gRPC percent-encodes.
pub const UNAVAILABLE_MESSAGE: &str = "max_stream_age is over, call again";

/// The status UNAVAILABLE, after which a client may retry ("Responses" in gRPC over HTTP/2).
const TRAILERS: [(&[u8], &[u8]); 2] = [
    (b"grpc-status", b"14"),
    (b"grpc-message", UNAVAILABLE_MESSAGE.as_bytes()),
];

/// Returns trailers that end the response on `stream`. Where the client has not ended its side, RST_STREAM with
/// NO_ERROR follows, as for any response that ends before its request (RFC 9113 8.1).
pub fn unavailable_trailers(stream: u32, client_ended: bool) -> Vec<u8> {
    let block: Vec<u8> = TRAILERS
        .iter()
        .flat_map(|(name, value)| encode_field(name, value))
        .collect();
    let mut bytes = encode_frame(0x1, END_STREAM_AND_HEADERS, stream, &block);
    if !client_ended {
        bytes.extend(encode_frame(0x3, 0, stream, &[0; 4]));
    }
    bytes
}

/// Encodes a literal field without indexing and with a new name (RFC 7541 6.2.2): it leaves the dynamic tables of
/// both peers unchanged. Both strings are shorter than 127 bytes, so each length is one byte.
fn encode_field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |string: &[u8]| u8::try_from(string.len()).unwrap_or_default();
    [&[0, length(name)][..], name, &[length(value)], value].concat()
}

fn encode_frame(frame_type: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    let header: [u8; HEADER] = [a, b, c, frame_type, flags, d, e, f, g];
    [&header[..], payload].concat()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn reset_follows_only_while_the_request_is_incomplete() {
        let ended = unavailable_trailers(5, true);
        assert_eq!(ended[3..9], [0x1, 0x5, 0, 0, 0, 5]);
        let block =
            b"\0\x0bgrpc-status\x0214\0\x0cgrpc-message\x22max_stream_age is over, call again";
        assert_eq!(ended[9..], block[..]);
        assert_eq!(usize::from(ended[2]), block.len());
        let reset = [0, 0, 4, 0x3, 0, 0, 0, 0, 5, 0, 0, 0, 0];
        assert_eq!(
            unavailable_trailers(5, false),
            [&ended[..], &reset].concat()
        );
    }

    #[test]
    fn string_lengths_fit_into_one_byte() {
        for (name, value) in TRAILERS {
            assert!(name.len() < 127 && value.len() < 127);
        }
    }
}
