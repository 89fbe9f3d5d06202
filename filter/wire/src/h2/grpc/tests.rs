#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Whether a block has the content type of gRPC, in one piece and byte by byte.
fn has_grpc(block: &[u8]) -> bool {
    let mut whole = GrpcDetector::default();
    whole.scan(block.iter());
    let mut bytes = GrpcDetector::default();
    for byte in block {
        bytes.scan(core::iter::once(byte));
    }
    assert_eq!(whole.is_grpc(), bytes.is_grpc());
    whole.is_grpc()
}

/// Other fields, then content-type (entry 31 of the static table) with this value, without Huffman coding.
fn plain(value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap();
    [&[0x83, 0x86, 0x44, 2, b'/', b'a', 0x5f, length][..], value].concat()
}

/// The same with Huffman coding, as "application/grpc" and `rest`.
fn huffman(rest: &[u8]) -> Vec<u8> {
    let length = 0x80 | u8::try_from(HUFFMAN.len() + rest.len()).unwrap();
    [&[0x83, 0x86, 0x5f, length][..], HUFFMAN, rest].concat()
}

#[test]
fn first_fields_are_recorded_without_size_updates() {
    let fields = |block: &[u8]| {
        let mut detector = GrpcDetector::default();
        detector.scan(block.iter());
        detector.first_fields()
    };
    assert_eq!(
        fields(&[0x83, 0x86, 0x41, 1, b'a']),
        FirstFields::MethodScheme
    );
    assert_eq!(
        fields(&[0x20, 0x83, 0x3f, 0xe1, 0x1f, 0x87]),
        FirstFields::MethodScheme
    );
    assert_eq!(
        fields(&[0x83, 0x04, 1, b'/', 0x86]),
        FirstFields::MethodOther
    );
    assert_eq!(fields(&[0x41, 1, b'a', 0x83, 0x86]), FirstFields::Other);
    assert_eq!(fields(&[0x83]), FirstFields::Method);
    assert_eq!(fields(&[]), FirstFields::None);
}

#[test]
fn grpc_content_types_are_recognized_in_both_encodings() {
    for value in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;a=b",
    ] {
        assert!(has_grpc(&plain(value.as_bytes())), "{value}");
    }
    assert!(has_grpc(&huffman(b"")));
    // "+proto".
    assert!(has_grpc(&huffman(&[0xff, 0x75, 0xd8, 0x74, 0x9f])));
}

#[test]
fn other_content_types_are_not_grpc() {
    for value in [
        "application/grpc-web",
        "application/json",
        "application/grp",
        "",
    ] {
        assert!(!has_grpc(&plain(value.as_bytes())), "{value}");
    }
    // "-web".
    assert!(!has_grpc(&huffman(&[0x5b, 0xc1, 0x63])));
}

#[test]
fn names_are_not_compared() {
    let named = [&[0x40, 16][..], b"application/grpc", &[1, b'x']].concat();
    assert!(!has_grpc(&named));
    let value = [&[0x40, 1, b'x', 16][..], b"application/grpc"].concat();
    assert!(has_grpc(&value));
}

#[test]
fn long_indexes_and_strings_are_skipped() {
    let long = vec![b'a'; 300];
    // A size update of two bytes, an index above the prefix, a name of 300 bytes and a value of 300.
    let mut block = vec![0x3f, 0xe1, 0x1f, 0xff, 0x01, 0x0f, 0x10, 1, b'x', 0x00];
    for _ in 0..2 {
        block.extend([0x7f, 0xad, 0x01]);
        block.extend(&long);
    }
    block.extend(plain(b"application/grpc"));
    assert!(has_grpc(&block));
}

#[test]
fn padding_and_priority_are_skipped() {
    let mut detector = GrpcDetector::default();
    detector.skip(6);
    detector.scan(
        [&[4, 0, 0, 0, 0, 15][..], &plain(b"application/grpc")]
            .concat()
            .iter(),
    );
    assert!(detector.is_grpc());
}

#[test]
fn random_blocks_give_the_same_result_in_pieces() {
    let mut random = 7_u64;
    for _ in 0..2000 {
        let block: Vec<u8> = (0..200)
            .map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (random >> 56) as u8
            })
            .collect();
        has_grpc(&block);
    }
}
