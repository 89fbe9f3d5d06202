//! The end of a gRPC stream that its client is to open again.

use super::frame::HEADER;

const END_STREAM_AND_HEADERS: u8 = 0x1 | 0x4;

/// What a person reads of it: no byte that gRPC would have to encode.
pub const UNAVAILABLE_MESSAGE: &str = "max_stream_age is over, call again";

/// The status UNAVAILABLE_MESSAGE, after which a client may call again (gRPC over HTTP/2, "Responses").
const TRAILERS: [(&[u8], &[u8]); 2] = [
    (b"grpc-status", b"14"),
    (b"grpc-message", UNAVAILABLE_MESSAGE.as_bytes()),
];

/// Trailers that end the answer on `stream`, and RST_STREAM with NO_ERROR where the client has not ended
/// its side, as RFC 9113 8.1 has it for an answer that is over before its request.
pub fn unavailable_trailers(stream: u32, client_ended: bool) -> Vec<u8> {
    let block: Vec<u8> = TRAILERS
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect();
    let mut bytes = frame(0x1, END_STREAM_AND_HEADERS, stream, &block);
    if !client_ended {
        bytes.extend(frame(0x3, 0, stream, &[0; 4]));
    }
    bytes
}

/// A literal without indexing, with a name of its own (RFC 7541 6.2.2): it leaves the tables of both peers
/// as they are. The strings are shorter than 127 bytes.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |string: &[u8]| u8::try_from(string.len()).unwrap_or_default();
    [&[0, length(name)][..], name, &[length(value)], value].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    let header: [u8; HEADER] = [a, b, c, kind, flags, d, e, f, g];
    [&header[..], payload].concat()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn it_is_trailers_and_a_reset_only_where_the_client_goes_on() {
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
    fn no_string_is_too_long_for_one_byte_of_length() {
        for (name, value) in TRAILERS {
            assert!(name.len() < 127 && value.len() < 127);
        }
    }
}
