//! Recognises a policy that is a `google.protobuf.Struct`: Envoy hands over its bytes, not JSON.

/// The tag of field 1 with a length: `Struct.fields`, and a map entry's key.
const FIELD_1: u8 = 0x0a;

/// The tag of field 2 with a length: a map entry's value.
const FIELD_2: u8 = 0x12;

/// The whole of `bytes` is a Struct with at least one field. It begins as text with an empty line does, but
/// the lengths of text lead nowhere.
pub(crate) fn is_struct(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((entry, behind)) = field(FIELD_1, rest) else {
            return false;
        };
        let Some((key, value)) = field(FIELD_1, entry) else {
            return false;
        };
        let is_whole = field(FIELD_2, value).is_some_and(|(_, behind)| behind.is_empty());
        if !is_whole || core::str::from_utf8(key).is_err() {
            return false;
        }
        rest = behind;
    }
    !bytes.is_empty()
}

/// The content of the field with this tag at the beginning, and what is behind it.
fn field(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[tag])?;
    let (len, rest) = length(rest)?;
    rest.split_at_checked(len)
}

/// A length as protobuf writes it: seven bits a byte, the lowest first. No policy needs more than four.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut len = 0_usize;
    let mut rest = bytes;
    for shift in [0_u32, 7, 14, 21] {
        let (byte, behind) = rest.split_first()?;
        let bits = usize::from(byte & 0x7f).checked_shl(shift)?;
        len |= bits;
        rest = behind;
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
    fn a_struct_is_recognised() {
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
    fn the_error_says_what_to_write() {
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
