//! Header maps: ordered, with keys in lower case, as in Envoy.

/// The fields of which Envoy keeps one value: adding another one appends it after a comma.
const INLINE: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// The headers of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderMap {
    pairs: Vec<(String, Vec<u8>)>,
}

impl HeaderMap {
    pub(crate) fn from_pairs<V: AsRef<[u8]>>(pairs: &[(&str, V)]) -> Self {
        let mut map = Self::default();
        for (name, value) in pairs {
            map.add(name, value.as_ref());
        }
        map
    }

    pub(crate) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns the first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.pairs
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_slice())
    }

    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let inline = INLINE.contains(&name.as_str());
        match self
            .pairs
            .iter_mut()
            .find(|(key, _)| inline && *key == name)
        {
            Some((_, values)) => {
                values.push(b',');
                values.extend_from_slice(value);
            }
            None => self.pairs.push((name, value.to_vec())),
        }
    }

    pub(crate) fn replace(&mut self, name: &str, value: &[u8]) {
        self.pairs
            .retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.add(name, value);
    }

    /// Returns the pairs as text.
    pub(crate) fn to_text(&self) -> Vec<(String, String)> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        self.pairs
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// Decodes the ABI's format: the count, both lengths of each pair, then NUL-terminated names and values. As in Envoy,
    /// invalid bytes are no pairs.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self::try_decode(bytes).unwrap_or_default()
    }

    fn try_decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let four = bytes.get(at..at.checked_add(4)?)?;
            Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
        };
        let count = number(0).filter(|count| *count <= 1024)?;
        let mut at = 4 + count * 8;
        let mut text = |len: usize| {
            let end = at.checked_add(len)?;
            let part = bytes.get(at..end)?;
            at = end + 1;
            (bytes.get(end) == Some(&0)).then_some(part)
        };
        let mut map = Self::default();
        for index in 0..count {
            let name = text(number(4 + index * 8)?)?;
            let value = text(number(8 + index * 8)?)?;
            map.add(&String::from_utf8_lossy(name), value);
        }
        (at == bytes.len()).then_some(map)
    }
}
