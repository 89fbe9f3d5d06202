/// Encodes a header block without the dynamic table and Huffman codes (RFC 7541 6.1 and 6.2.2).
///
/// # Panics
/// When a string has more than 126 bytes: its length would need a second byte.
pub fn header_block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(encode).collect()
}

/// Fields and names have the indexes of the static table (RFC 7541 A).
fn encode((name, value): &(&str, &str)) -> Vec<u8> {
    let name_index = match (*name, *value) {
        (":method", "GET") => return vec![0x82],
        (":method", "POST") => return vec![0x83],
        (":scheme", "http") => return vec![0x86],
        (":status", "200") => return vec![0x88],
        (":authority", _) => vec![1],
        (":method", _) => vec![2],
        (":path", _) => vec![4],
        // An index above 14 takes a second byte.
        ("content-type", _) => vec![0x0f, 31 - 15],
        ("expect", _) => vec![0x0f, 35 - 15],
        _ => [vec![0], string(name)].concat(),
    };
    [name_index, string(value)].concat()
}

fn string(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a test's field is short");
    assert!(length < 0x7f, "{text}");
    [&[length], text.as_bytes()].concat()
}
