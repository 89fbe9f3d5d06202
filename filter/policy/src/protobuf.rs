//! Detects a policy that is a `google.protobuf.Struct`: Envoy passes its bytes, not JSON.

/// The tag of field 1 with a length: `Struct.fields`, and a map entry's key.
const FIELD_1: u8 = 0x0a;

/// The tag of field 2 with a length: a map entry's value.
const FIELD_2: u8 = 0x12;

/// Whether `bytes` are a Struct with at least one field. Its first byte is a line feed, as in text with an empty first
/// line, but there the lengths do not match.
pub(crate) fn is_struct(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((entry, after)) = parse_field(FIELD_1, rest) else {
            return false;
        };
        let Some((key, value)) = parse_field(FIELD_1, entry) else {
            return false;
        };
        let is_whole = parse_field(FIELD_2, value).is_some_and(|(_, after)| after.is_empty());
        if !is_whole || core::str::from_utf8(key).is_err() {
            return false;
        }
        rest = after;
    }
    !bytes.is_empty()
}

/// Parses the field with this tag at the front. Returns its content and the bytes after it.
fn parse_field(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[tag])?;
    let (len, rest) = parse_length(rest)?;
    rest.split_at_checked(len)
}

/// Parses a varint: seven bits per byte, lowest first. Four bytes suffice for any policy.
fn parse_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0_usize;
    let mut rest = bytes;
    for shift in [0_u32, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        let bits = usize::from(byte & 0x7f).checked_shl(shift)?;
        len |= bits;
        rest = after;
        if byte & 0x80 == 0 {
            return Some((len, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// `{"version": 1}` as Envoy 1.40 hands it over.
    const VERSION_1: &[u8] = b"\n\x14\n\x07version\x12\t\x11\0\0\0\0\0\0\xf0?";

    #[test]
    fn struct_is_detected() {
        assert!(is_struct(VERSION_1));
        let two = [VERSION_1, b"\n\x11\n\x04mode\x12\t\x1a\x07observe"].concat();
        assert!(is_struct(&two));
    }

    #[test]
    fn text_and_parts_of_a_struct_are_none() {
        for end in 0..VERSION_1.len() {
            assert!(!is_struct(&VERSION_1[..end]), "{end}");
        }
        for text in [
            "",
            "\n",
            "\n{\"version\": 1}",
            "\n\n\n\n\n",
            "{\"version\": 1}\n",
        ] {
            assert!(!is_struct(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn error_names_the_type_to_use() {
        let error = crate::Policy::parse(VERSION_1).unwrap_err().to_string();
        assert!(error.contains("google.protobuf.Struct"), "{error}");
        assert!(error.contains("google.protobuf.StringValue"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn errors_name_what_yaml_does() {
        for (policy, hint) in [
            (
                r#"{"version": 1, "defaults": {"max_connection_age": false}}"#,
                "write \"off\" in quotes",
            ),
            (
                r#"{"version": 1, "budget": false}"#,
                "write \"off\" in quotes",
            ),
            (
                r#"{"version": 1, "defaults": {"jitter": "0.2"}}"#,
                "a number without quotes",
            ),
            (r#"{"version": "1"}"#, "a number without quotes"),
            (
                r#"{"version": 1, "defaults": {"protect": "true"}}"#,
                "a word without quotes",
            ),
        ] {
            let error = crate::Policy::parse(policy.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains("YAML") && error.contains(hint), "{error}");
        }
    }
}
